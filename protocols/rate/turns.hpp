// turns.hpp: a token bucket that several use in turns, so that none of them starves.
//
// What wants to pass asks, and is told how many bytes of it may, and when. If that is later, they
// are taken out of the bucket at once: the next one that asks has its turn behind it. So turns are
// in the order of the asking, nobody is woken in vain, and all of them together keep to the rate.
// Parts are small, and smaller the more there are that wait, so that nobody waits long for a turn.
// Pure; any thread, one at a time.
#pragma once

#include "protocols/rate/token_bucket.hpp"

namespace creche::rate {

/// So many bytes may pass from that time on.
struct grant {
  std::int64_t bytes = 0;
  std::int64_t at_ns = 0;
};

class turns {
public:
  /// Throws as token_bucket does.
  turns(std::int64_t bytes_per_second, std::int64_t burst_bytes);

  /// The next turn of what has `bytes` to pass: some of them, or all, if they are one `whole`.
  /// Octets never exceed the burst, wholes by less than one of them. REQUIRES: bytes > 0.
  grant ask(std::int64_t now_ns, std::int64_t bytes, bool whole) noexcept;
  /// What was granted and will not pass.
  void put_back(std::int64_t bytes) noexcept { bucket_.put_back(bytes); }

private:
  std::int64_t part(std::int64_t debt) const noexcept;

  token_bucket bucket_;
  std::int64_t largest_part_, smallest_part_;
};

} // namespace creche::rate
