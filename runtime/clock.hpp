// clock.hpp: where time comes from.
//
// Everything in creche that waits asks a clock, so a test can run a day in a millisecond.
// A clock's functions may be called from any thread.
#pragma once

#if __has_include(<bits/chrono.h>)
// libstdc++: <chrono> without calendars and text, 36 000 lines less
#include <bits/chrono.h>
#else
#include <chrono>
#endif
#include <cstdint>

namespace creche {

/// Spans of time everywhere in creche. The longest one means "no limit".
using clock_duration = std::chrono::nanoseconds;

/// Points in time of a `clock`; comparable only between readings of one clock.
using time_point = std::chrono::time_point<std::chrono::steady_clock, clock_duration>;

inline constexpr clock_duration no_limit = clock_duration::max();

/// `from + span`, without overflow: a sum past the end of time is the end of time.
constexpr time_point later(time_point from, clock_duration span) noexcept {
  if (span > time_point::max() - from && span > clock_duration::zero()) return time_point::max();
  return from + span;
}

/// A source of time. Never goes back, never throws.
class clock {
public:
  virtual ~clock() = default;

  /// Monotonic time, for deadlines.
  virtual time_point now() const noexcept = 0;

  /// Seconds since 1970 by the calendar, for `Date:` headers and logs; may jump.
  virtual std::int64_t unix_seconds() const noexcept = 0;
};

/// The machine's own clock (CLOCK_MONOTONIC, CLOCK_REALTIME). Lives for the whole program.
const clock& system_clock() noexcept;

/// A clock that moves only when told to.
class virtual_clock final : public clock {
public:
  time_point now() const noexcept override { return now_; }
  std::int64_t unix_seconds() const noexcept override {
    return std::chrono::duration_cast<std::chrono::seconds>(now_.time_since_epoch()).count();
  }
  /// Never goes back: an earlier point is ignored.
  void move_to(time_point t) noexcept {
    if (t > now_) now_ = t;
  }

private:
  time_point now_{std::chrono::hours(24)}; // not zero, so that an unset deadline is told apart
};

} // namespace creche
