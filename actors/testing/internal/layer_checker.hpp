// layer_checker.hpp: the scripts that check_layer plays against a layer, and what it makes of them.
#pragma once

#include "actors/testing/check_layer.hpp"
#include "actors/testing/internal/layer_judge.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace creche::testing::detail {

class layer_checker {
public:
  layer_checker(const any_stack& layer, const below_script& below, const above_script& above,
                const check_options& options);
  check_report run();
  /// Judges this script alone.
  check_report run_alone(std::string_view text);

private:
  trace played(const script& scene) { return judge_.played(scene); }
  std::string unmet(const trace& got) const;
  void check(const char* what, script scene);
  void expectations();
  /// Bytes taken from the peer, or sent up, while nobody takes any; empty: not too many.
  std::string too_much(const trace& got) const;
  void last_words();
  void appetite(bool lockstep);
  void eloquence(bool lockstep);

  script begun(bool lockstep) const {
    return {.steps = {{act::connect}}, .lockstep = lockstep, .burst = false};
  }
  void splits(bool lockstep);
  void pauses(bool lockstep);
  void ends(bool lockstep);
  void writes(bool lockstep);
  void half_closed(bool lockstep);
  void garbage(bool lockstep);
  void slow_peer(bool lockstep);
  void interrupted(bool lockstep);
  void restarts(bool lockstep);
  void add_writes(script& scene) const {
    for (auto& b : above_.writes) scene.steps.push_back({act::write, b});
  }
  std::vector<act> breaks() const;

  layer_judge judge_;
  const below_script& below_;
  const above_script& above_;
  const check_options& options_;
  const bool frames_, serves_; // serves: nobody is above, and what it does is what the peer gets
  std::size_t received_ = 0;   // how often the application was shown something, of the whole
  std::size_t answers_ = 0;    // bytes that the peer got, of the whole
  std::size_t found_ = 0;      // scripts that failed
  check_report report_;
};

} // namespace creche::testing::detail
