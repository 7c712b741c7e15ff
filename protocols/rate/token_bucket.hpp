// token_bucket.hpp: so many bytes a second, and so many at once.
//
// A bucket fills with the bytes of its rate, up to its burst, and what passes is taken out of it.
// More may be taken than is there: that is a debt, which is filled first. All of it is counted in
// whole billionths of a byte, so nothing is lost or won however often somebody looks.
//
// Time is nanoseconds from any beginning. A time that lies up to a second before one that was seen
// counts as that one: somebody has read the clock a moment ago. One that lies further back is a
// clock that was set anew: the bucket fills on from there, with what it had.
// Pure; any thread, one at a time.
#pragma once

#include <cstdint>
#include <limits>

namespace creche::rate {

/// The most that can be asked for; the least is 1 byte.
struct limits {
  static constexpr std::int64_t per_second = std::int64_t{100} << 30;
  static constexpr std::int64_t burst = std::int64_t{1} << 30;
  /// A debt is no larger: what is taken on top of it is forgotten.
  static constexpr std::int64_t debt = std::int64_t{1} << 62;
};

class token_bucket {
public:
  /// Full at first. Throws std::invalid_argument for what is less than 1 byte or past the limits.
  token_bucket(std::int64_t bytes_per_second, std::int64_t burst_bytes);

  std::int64_t per_second() const noexcept { return per_second_; }
  std::int64_t burst() const noexcept { return burst_; }

  /// Bytes that are there; less than zero: a debt.
  std::int64_t available(std::int64_t now_ns) noexcept;
  /// Takes out `bytes`, which may be more than is there. REQUIRES: bytes >= 0.
  void take(std::int64_t now_ns, std::int64_t bytes) noexcept;
  /// What was taken and has not passed. REQUIRES: bytes >= 0.
  void put_back(std::int64_t bytes) noexcept;
  /// When `bytes` will be there, if nothing is taken before; of more than the burst, the whole
  /// burst. `now_ns` if they are; the end of time if it is not before that.
  std::int64_t ready_at(std::int64_t now_ns, std::int64_t bytes) noexcept;

private:
  void fill(std::int64_t now_ns) noexcept;

  std::int64_t per_second_, burst_;
  std::int64_t bytes_;                                              // whole ones
  std::int64_t billionths_ = 0;                                     // of the next byte
  std::int64_t seen_ns_ = std::numeric_limits<std::int64_t>::min(); // when that was so
};

} // namespace creche::rate
