// timeouts.hpp: the time limits of a connection; sizes are in http1::limits. A plain value.
#pragma once

#include "runtime/time/clock.hpp"

#include <cstdint>

namespace creche::http1 {

struct timeouts {
  time_span header = std::chrono::seconds(10); ///< for a whole head, and for the first byte
  time_span body = std::chrono::seconds(30);   ///< without a byte of a body
  time_span idle = std::chrono::seconds(60);   ///< between requests
  /// The peer takes nothing. One whose kernel still answers has twice that, and twice the time of
  /// the least rate for twice the bytes.
  time_span write_stall = std::chrono::seconds(30);
  time_span linger = std::chrono::seconds(2); ///< after our end of the connection
  /// Bytes a second that a peer sends at least of a body that is waited for, and takes at least of
  /// an answer that waits to be sent: on the average of every rate_over, so much is also its grace.
  /// 0: no such limit.
  std::uint32_t least_rate = 1024;
  time_span rate_over = std::chrono::seconds(30);

  /// Bytes within every rate_over.
  std::uint64_t least_bytes() const noexcept;
};

} // namespace creche::http1
