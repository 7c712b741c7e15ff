// loops_born.hpp: how many loops this process has made. While it stays the same, a loop at an
// address is the one that was there before.
#pragma once

#include <atomic>
#include <cstdint>

namespace creche::detail {

inline std::atomic<std::uint64_t> loops_born{0};

} // namespace creche::detail
