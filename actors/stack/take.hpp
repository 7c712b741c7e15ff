// take.hpp: what a layer says of the bytes it was shown. A plain value; any thread.
#pragma once

#include <cstdint>

namespace creche {

struct take {
  std::uint32_t used = 0; ///< so many at the front are needed no more
  /// So many bytes must be there, the unused ones included, before it is worth asking again; 0: ask
  /// with every byte. The end of the stream is told all the same.
  std::uint32_t need = 0;
  /// Says layer::all(): of an empty frame it tells what was used from what waits.
  bool whole = false;
};

} // namespace creche
