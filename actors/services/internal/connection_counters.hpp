// connection_counters.hpp: what a listener counts of its connections. Any thread.
#pragma once

#include "actors/http/internal/request_counters.hpp"
#include "actors/stack/ended_by.hpp"
#include "actors/stack/facts.hpp"

namespace creche::internal {

struct connection_counters {
  std::atomic<std::uint64_t> accepted{0};
  std::array<std::atomic<std::uint64_t>, ended_by_kinds> closed{};
  request_counters http;
  /// For the layers of all its connections; not changed once there are any.
  creche::facts for_layers;

  connection_counters() { for_layers.set(&http); }
  void note_closed(ended_by how) noexcept {
    closed[std::size_t(how)].fetch_add(1, std::memory_order_relaxed);
  }
};

} // namespace creche::internal
