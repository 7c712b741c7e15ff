#include "protocols/framing/step.hpp"

#include <stdexcept>

namespace creche::framing::detail {

limits checked(const framing::limits& bounds) {
  if (bounds.frame == 0 || bounds.frame > framing::limits::most)
    throw std::invalid_argument("framing: the limit of a frame is 1 byte to 1 GiB");
  return bounds;
}

} // namespace creche::framing::detail
