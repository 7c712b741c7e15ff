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
#include <compare>
#include <cstdint>
#include <ratio>
#include <type_traits>

namespace creche {

/// Spans of time everywhere in creche. The longest one means "no limit".
using clock_duration = std::chrono::nanoseconds;

/// Points in time of a `clock`; comparable only between readings of one clock.
using time_point = std::chrono::time_point<std::chrono::steady_clock, clock_duration>;

inline constexpr clock_duration no_limit = clock_duration::max();

/// A span as functions and options take it, made of any std::chrono duration: one that is too long
/// for nanoseconds (`hours::max()`) is the longest or the shortest there is, and what is no number
/// is no time. Plain chrono would let it overflow.
class time_span {
public:
  constexpr time_span() noexcept = default;
  template <class Rep, class Period>
  constexpr time_span(const std::chrono::duration<Rep, Period>& span) noexcept
      : span_(fitted(span)) {}
  constexpr operator clock_duration() const noexcept { return span_; }
  constexpr clock_duration::rep count() const noexcept { return span_.count(); }
  friend constexpr bool operator==(time_span, time_span) noexcept = default;
  friend constexpr auto operator<=>(time_span, time_span) noexcept = default;

private:
  template <class Rep, class Period>
  static constexpr clock_duration fitted(const std::chrono::duration<Rep, Period>& span) noexcept {
    if constexpr (std::is_same_v<std::chrono::duration<Rep, Period>, clock_duration>) {
      return span;
    } else {
      const auto ns = std::chrono::duration<long double, std::nano>(span).count();
      if (ns != ns) return clock_duration::zero();
      if (ns >= static_cast<long double>(clock_duration::max().count())) return no_limit;
      if (ns <= static_cast<long double>(clock_duration::min().count()))
        return clock_duration::min();
      return std::chrono::duration_cast<clock_duration>(span);
    }
  }
  clock_duration span_{};
};

/// `from + span`, without overflow: a sum past an end of time is that end.
constexpr time_point later(time_point from, clock_duration span) noexcept {
  if (span > clock_duration::zero())
    return from > time_point::max() - span ? time_point::max() : from + span;
  return from < time_point::min() - span ? time_point::min() : from + span;
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
  void move_to(time_point to) noexcept {
    if (to > now_) now_ = to;
  }

private:
  time_point now_{std::chrono::hours(24)}; // not zero, so that an unset deadline is told apart
};

} // namespace creche
