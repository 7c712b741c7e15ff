#include "actors/http/timeouts.hpp"

#include <algorithm>

namespace creche::http1 {

std::uint64_t timeouts::least_bytes() const noexcept {
  const auto seconds = std::chrono::duration<double>(clock_duration(rate_over)).count();
  return std::uint64_t(std::min(seconds * least_rate, 1e18));
}

} // namespace creche::http1
