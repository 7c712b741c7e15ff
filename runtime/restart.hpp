// restart.hpp: when a child is started again: the policy, the wait before it, the budget for it.
//
// Whatever the values, a delay lies between zero and `most`, and no span of `within` ever holds
// more than `restarts` launches.
// Pure; any thread, one at a time per restart_window, and all at once per failure_domain.
#pragma once

#include "runtime/clock.hpp"
#include "runtime/outcome.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace creche {

/// Which ends of a child are followed by a new start (OTP supervisor's words).
enum class restart : std::uint8_t {
  permanent, ///< Always: this child is meant to run for ever.
  transient, ///< After a failure only: this child has an end.
  temporary, ///< Never.
};

std::string_view to_text(restart policy) noexcept;

/// OTP's do_restart/3 as a table, with one difference: a cancelled child is never started again,
/// for cancel is an order and not an accident (Trio).
constexpr bool restarts_after(restart policy, how h) noexcept {
  switch (policy) {
  case restart::permanent: return h != how::cancelled;
  case restart::transient: return is_failure(h);
  case restart::temporary: return false;
  }
  return false;
}

/// How long to wait before a new start. OTP has none, and burns a budget of 3 in microseconds;
/// the shape is Akka's restartWithBackoff.
struct backoff {
  clock_duration first = std::chrono::milliseconds(100); ///< After the first failure; 0: at once.
  clock_duration most = std::chrono::seconds(30);        ///< Never longer than this.
  double factor = 2;                                     ///< From one failure to the next.
  double jitter = 0.2; ///< The share of a delay that chance may take away, 0 to 1.
  clock_duration reset_after = std::chrono::minutes(1); ///< A life this long forgives the past.

  /// The wait after that many failures in a row (1 is the first), with `random` from [0, 1].
  /// Jitter only shortens, so that `most` holds and delays at `most` are spread as well.
  clock_duration delay(unsigned failures_in_a_row, double random) const noexcept;
};

/// Again at once, as OTP does it.
inline constexpr backoff no_backoff{
    .first = clock_duration::zero(), .most = clock_duration::zero(), .jitter = 0};

/// How many restarts within what time are still healthy (OTP's intensity and period).
struct budget {
  unsigned restarts = 3;
  clock_duration within = std::chrono::seconds(5);
};

/// A whole number of the largest unit that fits: "5 s", "1500 ms".
std::string span_text(clock_duration d);

/// "restart budget exhausted: 3 in 5 s".
std::string exhausted_text(const budget& b);

/// What is wrong with these values, as a sentence; empty if nothing is.
std::string_view complaint(const backoff& b) noexcept;
std::string_view complaint(const budget& b) noexcept;

/// OTP's sliding list of restart times, for launches that may lie ahead.
///
/// OTP judges a restart at the time of the crash. Here it is judged at the time the child will run
/// again, so that a long wait burns no budget; times then come out of order, and the list is kept
/// sorted. It never holds more than what was admitted after `now - within`.
class restart_window {
public:
  constexpr explicit restart_window(const budget& b) noexcept : budget_(b) {}

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

/// Children, in any nurseries, that fail for one reason: the server they all talk to. Its first
/// failure begins an outage: it spends one unit of the domain's budget and none of a nursery's, and
/// sets the time of the next launch by the domain's backoff. Whoever fails until then belongs to
/// the same outage: it costs nothing, and waits for the same time.
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
  /// from [0, 1].
  [[nodiscard]] std::optional<time_point> failed(time_point now, double random);

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
  mutable std::atomic<bool> held_{false}; // for a few steps; <mutex> is heavy
  restart_window window_;
  statistics counts_;
  std::optional<time_point> next_; // the launch after the last outage
  unsigned in_a_row_ = 0;
};

} // namespace creche
