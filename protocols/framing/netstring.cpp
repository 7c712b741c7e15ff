#include "protocols/framing/netstring.hpp"

#include <charconv>

namespace creche::framing {

static_assert(framer<netstring>);

step netstring::next(bytes in) {
  if (error_ != errc::none) return fail(error_, in);
  std::size_t length = 0, at = 0;
  for (;; ++at) {
    if (at == in.size()) return need(at + 1);
    const auto digit = static_cast<char>(in[at]);
    if (digit == ':' && at) break;
    if (digit < '0' || digit > '9' || (at == 1 && length == 0)) return fail(errc::bad_length, in);
    length = length * 10 + std::size_t(digit - '0');
    if (length > limits_.frame) return fail(errc::frame_too_large, in);
  }
  const auto begin = at + 1, end = begin + length;
  if (in.size() <= end) return need(end + 1);
  if (in[end] != std::byte{','}) return fail(errc::bad_end, in);
  return found(end + 1, in.subspan(begin, length), in);
}

errc netstring::wrap(bytes frame, envelope& around) const noexcept {
  if (frame.size() > limits_.frame) return errc::frame_too_large;
  auto* const to = around.head_bytes.data();
  const auto written = std::to_chars(to, to + most_digits, frame.size());
  *written.ptr = ':';
  around.head_size = std::uint8_t(written.ptr - to + 1);
  around.tail = ",";
  return errc::none;
}

} // namespace creche::framing
