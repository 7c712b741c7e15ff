// restart_window.hpp: the restarts of the last moments, beside the budget for them.
//
// Whatever the values, no span of `within` ever holds more than `restarts` launches.
// Pure; any thread, one at a time.
#pragma once

#include "runtime/supervision/rules.hpp"

#include <cstddef>
#include <vector>

namespace creche {

/// OTP's sliding list of restart times, for launches that may lie ahead.
///
/// OTP judges a restart at the time of the crash. Here it is judged at the time the child will run
/// again, so that a long wait burns no budget; times then come out of order, and the list is kept
/// sorted. It never holds more than what was admitted after `now - within`.
class restart_window {
public:
  constexpr explicit restart_window(const budget& limit) noexcept : budget_(limit) {}

  /// Admits and remembers a launch at `launch_time` unless some span of `within` (both ends
  /// included, as in OTP) would then hold more than `restarts` launches.
  /// REQUIRES: `now` never goes back and is not after `launch_time`.
  [[nodiscard]] bool admit(time_point launch_time, time_point now);

  /// A launch at once.
  [[nodiscard]] bool admit(time_point launch_time) { return admit(launch_time, launch_time); }

  const creche::budget& budget() const noexcept { return budget_; }
  std::size_t size() const noexcept { return launches_.size(); }

private:
  creche::budget budget_;
  std::vector<time_point> launches_; // sorted
};

} // namespace creche
