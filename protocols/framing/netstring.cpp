#include "protocols/framing/netstring.hpp"

#include <charconv>

namespace creche::framing {

step netstring::next(bytes in) {
  if (error_ != errc::none) return fail(error_, in);
  std::size_t length = 0, at = 0;
  for (;; ++at) {
    if (at == in.size()) return need(at + 1);
    const auto c = static_cast<char>(in[at]);
    if (c == ':' && at) break;
    if (c < '0' || c > '9' || (at == 1 && length == 0)) return fail(errc::bad_length, in);
    length = length * 10 + std::size_t(c - '0');
    if (length > limits_.frame) return fail(errc::frame_too_large, in);
  }
  const auto begin = at + 1, end = begin + length;
  if (in.size() <= end) return need(end + 1);
  if (in[end] != std::byte{','}) return fail(errc::bad_end, in);
  return found(end + 1, in.subspan(begin, length), in);
}

errc netstring::wrap(bytes frame, envelope& e) const noexcept {
  if (frame.size() > limits_.frame) return errc::frame_too_large;
  auto* const to = e.head_bytes.data();
  const auto r = std::to_chars(to, to + most_digits, frame.size());
  *r.ptr = ':';
  e.head_size = std::uint8_t(r.ptr - to + 1);
  e.tail = ",";
  return errc::none;
}

} // namespace creche::framing
