// request_counters.hpp: what all connections of an HTTP server count. Any thread.
#pragma once

#include "protocols/http1/errc.hpp"

#include <array>
#include <atomic>
#include <cstdint>

namespace creche::internal {

/// A listener's are found by its layers as a fact of the type request_counters*.
struct request_counters {
  std::atomic<std::uint64_t> requests{0}, refused_requests{0}, failed_requests{0}, turned_away{0};
  std::atomic<std::uint32_t> in_hand{0};                                   // with a handler
  std::array<std::atomic<std::uint64_t>, http1::errc_kinds> refused_for{}; // by its number
};

} // namespace creche::internal
