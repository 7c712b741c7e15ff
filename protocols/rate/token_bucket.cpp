#include "protocols/rate/token_bucket.hpp"

#include <algorithm>
#include <stdexcept>

namespace creche::rate {

namespace {

// Has room for the billionths of a byte of all the time there is, at the highest rate.
__extension__ typedef __int128 wide; // NOLINT(modernize-use-using): ISO C++ has none

constexpr std::int64_t billion = 1'000'000'000;
constexpr std::int64_t step_back = billion; // a second: further back is another clock

} // namespace

token_bucket::token_bucket(std::int64_t bytes_per_second, std::int64_t burst_bytes)
    : per_second_(bytes_per_second), burst_(burst_bytes), bytes_(burst_bytes) {
  if (per_second_ < 1 || per_second_ > limits::per_second)
    throw std::invalid_argument("a rate is 1 byte to 100 GiB a second");
  if (burst_ < 1 || burst_ > limits::burst)
    throw std::invalid_argument("a burst is 1 byte to 1 GiB");
}

void token_bucket::fill(std::int64_t now_ns) noexcept {
  const wide passed = wide(now_ns) - seen_ns_;
  if (passed <= 0 && passed >= -step_back) return;
  seen_ns_ = now_ns;
  if (passed < 0 || bytes_ >= burst_) return;
  std::int64_t few = 0; // nearly always: no division of 128 bits
  if (passed <= billion && !__builtin_mul_overflow(std::int64_t(passed), per_second_, &few) &&
      !__builtin_add_overflow(few, billionths_, &few)) {
    bytes_ += few / billion;
    billionths_ = few % billion;
    if (bytes_ >= burst_) {
      bytes_ = burst_;
      billionths_ = 0;
    }
    return;
  }
  const wide filled = passed * per_second_ + billionths_;
  const wide bytes = bytes_ + filled / billion;
  const bool full = bytes >= burst_;
  bytes_ = full ? burst_ : std::int64_t(bytes);
  billionths_ = full ? 0 : std::int64_t(filled % billion);
}

std::int64_t token_bucket::available(std::int64_t now_ns) noexcept {
  fill(now_ns);
  return bytes_;
}

void token_bucket::take(std::int64_t now_ns, std::int64_t bytes) noexcept {
  fill(now_ns);
  bytes_ -= std::min(bytes, bytes_ + limits::debt);
}

void token_bucket::put_back(std::int64_t bytes) noexcept {
  bytes_ += std::min(bytes, burst_ - bytes_);
  if (bytes_ == burst_) billionths_ = 0;
}

std::int64_t token_bucket::ready_at(std::int64_t now_ns, std::int64_t bytes) noexcept {
  fill(now_ns);
  const wide missing = (wide(std::min(bytes, burst_)) - bytes_) * billion - billionths_;
  if (missing <= 0) return now_ns;
  const wide at = seen_ns_ + (missing + per_second_ - 1) / per_second_;
  return std::int64_t(std::min<wide>(at, std::numeric_limits<std::int64_t>::max()));
}

} // namespace creche::rate
