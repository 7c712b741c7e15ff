#include "protocols/rate/turns.hpp"

#include <algorithm>

namespace creche::rate {

// Half a burst at most: the other half is what fills while somebody wakes up late.
turns::turns(std::int64_t bytes_per_second, std::int64_t burst_bytes)
    : bucket_(bytes_per_second, burst_bytes),
      largest_part_(std::max<std::int64_t>(1, std::min(burst_bytes / 2, bytes_per_second / 20))),
      smallest_part_(std::min<std::int64_t>(largest_part_, 512)) {}

// With n that wait the debt is n parts, so a part is about the largest one by the root of n.
std::int64_t turns::part(std::int64_t debt) const noexcept {
  return std::max(smallest_part_, largest_part_ / (1 + debt / largest_part_));
}

grant turns::ask(std::int64_t now_ns, std::int64_t bytes, bool whole) noexcept {
  const auto there = bucket_.available(now_ns);
  const auto least = std::min(bytes, part(std::max<std::int64_t>(0, -there)));
  grant next{least, now_ns};
  if (there >= least)
    next.bytes = std::min(bytes, there);
  else
    next.at_ns = bucket_.ready_at(now_ns, least);
  if (whole) next.bytes = bytes;
  bucket_.take(now_ns, next.bytes);
  return next;
}

} // namespace creche::rate
