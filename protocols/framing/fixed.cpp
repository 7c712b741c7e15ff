#include "protocols/framing/fixed.hpp"

#include "protocols/framing/delimiter.hpp"
#include "protocols/framing/length_prefix.hpp"
#include "protocols/framing/lines.hpp"
#include "protocols/framing/netstring.hpp"

#include <stdexcept>

namespace creche::framing {

static_assert(framer<lines> && framer<netstring> && framer<length_prefix> && framer<delimiter> &&
              framer<fixed>);

namespace detail {

limits checked(const framing::limits& l) {
  if (l.frame == 0 || l.frame > framing::limits::most)
    throw std::invalid_argument("framing: the limit of a frame is 1 byte to 1 GiB");
  return l;
}

} // namespace detail

step fixed::next(bytes in) {
  const auto size = limits_.frame;
  if (in.size() < size) return need(size);
  return found(size, in.first(size), in);
}

errc fixed::wrap(bytes frame, envelope& e) const noexcept {
  if (frame.size() != limits_.frame) return errc::wrong_size;
  e.head_size = 0;
  e.tail = {};
  return errc::none;
}

} // namespace creche::framing
