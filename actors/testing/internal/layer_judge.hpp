// layer_judge.hpp: says what is wrong with a layer that was put through a script.
//
// Any script may be judged, whatever was left out of it: of one that ends while the application
// holds, or while the peer does not take all, only the beginning is asked for. That is what makes a
// smaller script show the layer's fault, and not the script's.
#pragma once

#include "actors/testing/internal/layer_script.hpp"

namespace creche::testing::detail {

class layer_judge {
public:
  layer_judge(const any_stack& stack, std::uint64_t seed, clock_duration patience)
      : layer_(stack), seed_(seed), patience_(patience), frames_(stack.above() == speech::frames),
        serves_(stack.above() == speech::nothing) {}

  trace played(const script& scene);
  /// What breaks the contract; empty: nothing does.
  std::string verdict(const script& scene);
  /// One that still fails, and of which nothing can be left out.
  script smaller(script scene);

  std::uint64_t seed() const noexcept { return seed_; }
  std::size_t scripts() const noexcept { return scripts_; } ///< so many were played

private:
  /// How much of the whole run must have come of another one.
  enum class extent : std::uint8_t { all, what_came, beginning, beginning_of_what_came };
  std::string differs(const trace& got, const trace& whole, extent much) const;
  std::string wrong_end(const script& scene, const trace& got) const;

  const any_stack& layer_;
  const std::uint64_t seed_;
  const clock_duration patience_;
  const bool frames_, serves_; // serves: nobody is above, and what it does is what the peer gets
  std::size_t scripts_ = 0;
};

} // namespace creche::testing::detail
