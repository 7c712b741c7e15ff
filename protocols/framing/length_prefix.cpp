#include "protocols/framing/length_prefix.hpp"

#include <algorithm>
#include <stdexcept>

namespace creche::framing {

static_assert(framer<length_prefix>);

length_prefix::length_prefix(unsigned width, byte_order order, const framing::limits& bounds)
    : framer_base(bounds), width_(std::uint8_t(width)), order_(order) {
  if (width != 1 && width != 2 && width != 4 && width != 8)
    throw std::invalid_argument("length_prefix: the width is 1, 2, 4 or 8 bytes");
  if (width < 4) limits_.frame = std::min(limits_.frame, (std::size_t{1} << (8 * width)) - 1);
}

step length_prefix::next(bytes in) {
  if (error_ != errc::none) return fail(error_, in);
  if (in.size() < width_) return need(width_);
  std::uint64_t length = 0;
  for (unsigned i = 0; i < width_; ++i) {
    const unsigned at = order_ == byte_order::big ? i : width_ - 1u - i;
    length = length << 8 | std::to_integer<std::uint64_t>(in[at]);
  }
  if (length > limits_.frame) return fail(errc::frame_too_large, in);
  const auto end = width_ + std::size_t(length);
  if (in.size() < end) return need(end);
  return found(end, in.subspan(width_, std::size_t(length)), in);
}

errc length_prefix::wrap(bytes frame, envelope& around) const noexcept {
  if (frame.size() > limits_.frame) return errc::frame_too_large;
  std::uint64_t left = frame.size();
  for (unsigned i = 0; i < width_; ++i, left >>= 8) {
    const unsigned at = order_ == byte_order::little ? i : width_ - 1u - i;
    around.head_bytes[at] = char(left & 0xff);
  }
  around.head_size = width_;
  around.tail = {};
  return errc::none;
}

} // namespace creche::framing
