// start_order.hpp: in which order children start that need each other.
// Pure; any thread.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace creche {

struct start_order {
  std::vector<std::size_t> order; ///< Each after all it needs; else as they were given.
  std::vector<std::size_t> cycle; ///< If there is one: each needs the next, the last the first.
};

/// `needs[i]` are those that i needs. Linear in their number, but for the order as given.
start_order start_order_of(std::span<const std::vector<std::size_t>> needs);

} // namespace creche
