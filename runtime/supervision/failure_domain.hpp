// failure_domain.hpp: children that fail for one reason share one budget and one backoff.
#pragma once

#include "runtime/loop/detail/spin.hpp"
#include "runtime/supervision/detail/restart_window.hpp"
#include "runtime/supervision/rules.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace creche {

/// Children, in any nurseries, that fail for one reason: the server they all talk to. Its first
/// failure begins an outage: it spends one unit of the domain's budget and none of a nursery's, and
/// sets the time of the next launch by the domain's backoff. A child that fails until then belongs
/// to the same outage: it costs nothing, and waits for the same time.
///
/// With the budget exhausted, each member's failure is what a failure without a restart is. A child
/// that is launched, and fails again, begins the next outage; a time without failures after a
/// launch (`reset_after`) forgives the past, for all.
/// Any thread. Outlives the children that belong to it.
class failure_domain {
public:
  /// Throws std::invalid_argument if these values make no sense.
  explicit failure_domain(const budget& limit = {}, const backoff& wait = {});
  failure_domain(const failure_domain&) = delete;
  failure_domain& operator=(const failure_domain&) = delete;

  /// A member failed: when it runs again, or nullopt if it does not. `random` is for the jitter,
  /// from [0, 1]. `begins`, if it is given, is set to whether that began an outage.
  [[nodiscard]] std::optional<time_point> failed(time_point now, double random,
                                                 bool* begins = nullptr);
  /// Says which member began the last outage; for the text of a failure.
  void note_spender(std::string name);
  /// The members that began the last outages, as many as the budget has units, the oldest first.
  std::vector<std::string> spenders() const;

  /// Until when nobody is launched, if that is ahead: the time of the outage.
  std::optional<time_point> closed_until(time_point now) const;

  struct statistics {
    std::uint64_t outages = 0;  ///< what was spent
    std::uint64_t failures = 0; ///< of members, those that cost nothing included
    std::uint64_t refused = 0;  ///< those for which there was no budget
  };
  statistics counts() const;
  budget limit() const noexcept { return window_.budget(); }

private:
  const backoff wait_;
  mutable internal::spin_lock held_; // for a few steps; <mutex> is heavy
  restart_window window_;
  statistics counts_;
  std::optional<time_point> next_; // the launch after the last outage
  unsigned in_a_row_ = 0;
  std::vector<std::string> spenders_;
};

} // namespace creche
