// rules.hpp: the values of supervision: when a child runs again, how long it may take, what its
// nursery does when it fails.
//
// Plain data, with one sentence for whatever makes no sense in it.
// Pure; any thread.
#pragma once

#include "runtime/task/outcome.hpp"
#include "runtime/time/clock.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace creche {

class failure_domain;

/// Which ends of a child are followed by a new start (OTP supervisor's words).
enum class restart : std::uint8_t {
  permanent, ///< Always: this child is meant to run for ever.
  transient, ///< After a failure only: this child has an end.
  temporary, ///< Never.
};

/// OTP's do_restart/3 as a table, with one difference: a cancelled child is never started again,
/// for cancel is an order and not an accident (Trio).
constexpr bool restarts_after(restart policy, how end) noexcept {
  switch (policy) {
  case restart::permanent: return end != how::cancelled;
  case restart::transient: return is_failure(end);
  case restart::temporary: return false;
  }
  return false;
}

/// How long to wait before a new start. OTP has none, and burns a budget of 3 in microseconds;
/// the shape is Akka's restartWithBackoff.
struct backoff {
  time_span first = std::chrono::milliseconds(100); ///< After the first failure; 0: at once.
  time_span most = std::chrono::seconds(30);        ///< Never longer than this.
  double factor = 2;                                ///< From one failure to the next.
  double jitter = 0.2; ///< The share of a delay that chance may take away, 0 to 1.
  time_span reset_after = std::chrono::minutes(1); ///< A life this long forgives the past.

  /// The wait after that many failures in a row (1 is the first), with `random` from [0, 1]. It
  /// lies between zero and `most`, whatever the values: jitter only shortens, so that `most` holds
  /// and delays at `most` are spread as well.
  clock_duration delay(unsigned failures_in_a_row, double random) const noexcept;
};

/// Again at once, as OTP does it.
inline constexpr backoff no_backoff{
    .first = clock_duration::zero(), .most = clock_duration::zero(), .jitter = 0};

/// How many restarts within what time are still healthy (OTP's intensity and period).
struct budget {
  unsigned restarts = 3;
  time_span within = std::chrono::seconds(5);
};

/// Which siblings restart together with a child (OTP supervisor's words).
enum class strategy : std::uint8_t {
  one_for_one,  ///< None.
  one_for_all,  ///< All its siblings.
  rest_for_one, ///< Those that were started after it.
};

/// When the end of significant children stops the nursery (OTP 24; there the default is never).
enum class auto_shutdown : std::uint8_t {
  never,
  any, ///< When one of them has ended by itself and for good.
  all, ///< When the last of them has.
};

/// How long each phase of a nursery's stop may take; then the next one begins.
struct stop_limits {
  time_span drain = no_limit;  ///< The orderly stop, of all together.
  time_span cancel = no_limit; ///< From the cancel to the kill, of all together.
  time_span kill = no_limit;   ///< Of each, until a child that borrows nothing is abandoned.
};

/// What a nursery must know of a child (OTP's child spec without what to run). Many children may
/// share one; it must outlive them.
struct child_rules {
  creche::restart restart = restart::temporary;
  creche::backoff backoff{};
  /// How long an orderly stop waits before it cancels. 0: cancel at once (OTP's brutal_kill);
  /// `no_limit`: for ever (infinity).
  time_span stop_within = std::chrono::seconds(5);
  /// How long it may take from its cancel to its end; then it is killed.
  time_span cancel_within = no_limit;
  /// How long it may take from its launch until it says that it is ready; then it is cancelled, and
  /// has failed.
  time_span ready_within = no_limit;
  bool says_ready = false;     ///< It is not ready before it says so.
  bool owns_all = false;       ///< It borrows nothing: when a kill does not help, abandon it.
  bool ignore_failure = false; ///< With no restart left, its failure is only counted and reported.
  bool significant = false;    ///< Its end, by itself and for good, counts for auto_shutdown.
  /// Its restarts are a matter of this domain, which has its own budget and backoff.
  failure_domain* domain = nullptr;
};

struct nursery_rules {
  creche::budget budget{};
  creche::strategy strategy = strategy::one_for_one;
  creche::auto_shutdown auto_shutdown = auto_shutdown::any;
  stop_limits limits{};
};

/// What is wrong with these values, as a sentence; empty if nothing is.
std::string_view complaint(const backoff& wait) noexcept;
std::string_view complaint(const budget& limit) noexcept;
std::string_view complaint(const stop_limits& limits) noexcept;
std::string_view complaint(const child_rules& rules) noexcept;

std::string_view to_text(restart policy) noexcept;
std::string_view to_text(strategy choice) noexcept;
std::string_view to_text(auto_shutdown choice) noexcept;
/// A whole number of the largest unit that fits: "5 s", "1500 ms".
std::string span_text(clock_duration span);
/// "restart budget exhausted: 3 in 5 s".
std::string exhausted_text(const budget& limit);

} // namespace creche
