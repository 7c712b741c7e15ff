// flush_level.hpp: how far what was sent has come. A plain value; any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace creche {

enum class flush_level : std::uint8_t {
  layer,  ///< the layer below the top has taken it all
  stack,  ///< every layer has given it on, and the transport has handed it to the kernel
  kernel, ///< the peer's kernel has confirmed it; of transports without one the same as stack
};
inline constexpr std::size_t flush_levels = 3;

} // namespace creche
