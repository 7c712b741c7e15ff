#include "actors/http/internal/phase_clock.hpp"

#include <algorithm>

namespace creche::internal {

clock_duration phase_clock::limit(const http1::timeouts& times) const noexcept {
  switch (phase_) {
  case phase::fresh: // it has shown nothing yet that is worth a wait
  case phase::head: return times.header;
  case phase::body: return times.body;
  default: return times.idle;
  }
}

time_point phase_clock::due(const http1::timeouts& times, const byte_rate* content) const noexcept {
  const auto silent = later(since_, limit(times));
  if (phase_ != phase::body || !times.least_rate) return silent;
  return std::min(silent, later(content->since, times.rate_over));
}

} // namespace creche::internal
