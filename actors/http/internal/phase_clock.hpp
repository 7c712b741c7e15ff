// phase_clock.hpp: what a connection waits for, since when, and when that is too late.
// Plain values.
#pragma once

#include "actors/http/timeouts.hpp"

namespace creche::internal {

enum class phase : std::uint8_t {
  fresh,    ///< no byte has come at all
  idle,     ///< no byte of another request has come
  head,     ///< a part of a head
  body,     ///< a head, and not all of the content
  handling, ///< all of the request
  closing,
};

/// Bytes, counted for as long as a least rate is looked at.
struct byte_rate {
  time_point since{};
  std::uint64_t bytes = 0;

  void restart(time_point now) noexcept {
    since = now;
    bytes = 0;
  }
};

class phase_clock {
public:
  internal::phase phase() const noexcept { return phase_; }
  bool is(internal::phase other) const noexcept { return phase_ == other; }
  void enter(internal::phase next) noexcept { phase_ = next; }
  /// Between requests, or before the first.
  bool idles() const noexcept { return phase_ <= internal::phase::idle; }
  time_point since() const noexcept { return since_; }
  /// The peer did something, or it is its turn from now on.
  void start(time_point now) noexcept { since_ = now; }
  /// How long the peer may do nothing in this phase.
  clock_duration limit(const http1::timeouts& times) const noexcept;
  /// When the peer is too late. `content`: of the request in hand; null if there is none.
  time_point due(const http1::timeouts& times, const byte_rate* content) const noexcept;

private:
  time_point since_{};
  internal::phase phase_ = internal::phase::fresh;
};

} // namespace creche::internal
