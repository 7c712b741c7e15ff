#include "protocols/framing/fixed.hpp"

namespace creche::framing {

static_assert(framer<fixed>);

step fixed::next(bytes in) {
  const auto size = limits_.frame;
  if (in.size() < size) return need(size);
  return found(size, in.first(size), in);
}

errc fixed::wrap(bytes frame, envelope& around) const noexcept {
  if (frame.size() != limits_.frame) return errc::wrong_size;
  around.head_size = 0;
  around.tail = {};
  return errc::none;
}

} // namespace creche::framing
