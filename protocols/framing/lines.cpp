#include "protocols/framing/lines.hpp"

#include <algorithm>
#include <cstring>

namespace creche::framing {

static_assert(framer<lines>);

namespace {

constexpr auto none = static_cast<std::size_t>(-1);

std::size_t find(bytes in, std::size_t from, std::size_t to, char wanted) noexcept {
  if (from >= to) return none;
  const void* at = std::memchr(in.data() + from, wanted, to - from);
  return at ? std::size_t(static_cast<const std::byte*>(at) - in.data()) : none;
}

} // namespace

// Behind the longest line that is allowed, it is too long, whatever else is wrong with it.
step lines::fail_in_line(errc error, bytes in, std::size_t at) noexcept {
  return fail(at <= limits_.frame ? error : errc::frame_too_large, in);
}

step lines::next(bytes in) {
  if (error_ != errc::none) return fail(error_, in);
  if (raw_) {
    if (in.empty()) return need(1);
    const auto n = std::size_t(std::min<std::uint64_t>(raw_, in.size()));
    raw_ -= n;
    return {event::raw, n, in.first(n), 0};
  }
  const auto longest = limits_.frame + (end_ == line_end::lf ? 1 : 2); // its end included
  const auto window = std::min(in.size(), longest);
  const auto lf = find(in, scanned_, window, '\n');
  if (end_ == line_end::crlf) {
    const auto cr = find(in, scanned_, std::min(lf, window), '\r');
    if (cr == none && lf != none) return fail_in_line(errc::bare_lf, in, lf);
    if (cr != none && cr > limits_.frame) return fail(errc::frame_too_large, in);
    if (cr != none && cr + 1 < in.size() && cr + 1 != lf) return fail(errc::bare_cr, in);
  }
  if (lf != none) {
    auto length = lf;
    if (end_ != line_end::lf && lf && in[lf - 1] == std::byte{'\r'}) --length;
    if (length > limits_.frame) return fail(errc::frame_too_large, in);
    // as a line it could not be sent on
    if (end_ == line_end::either && length && in[length - 1] == std::byte{'\r'})
      return fail(errc::bare_cr, in);
    scanned_ = 0;
    return found(lf + 1, in.first(length), in);
  }
  // the last byte may be a CR whose LF is still to come
  const bool half = end_ != line_end::lf && window && in[window - 1] == std::byte{'\r'};
  if (window - (half ? 1 : 0) > limits_.frame) return fail(errc::frame_too_large, in);
  scanned_ = window - (half ? 1 : 0);
  return need(in.size() + 1);
}

errc lines::wrap(bytes line, envelope& around) const noexcept {
  if (line.size() > limits_.frame) return errc::frame_too_large;
  const auto text = detail::chars(line);
  if (text.find('\n') != text.npos) return errc::contains_end;
  if (end_ == line_end::crlf && text.find('\r') != text.npos) return errc::contains_end;
  if (end_ == line_end::either && text.ends_with('\r')) return errc::contains_end;
  around.head_size = 0;
  around.tail = end_ == line_end::lf ? "\n" : "\r\n";
  return errc::none;
}

} // namespace creche::framing
