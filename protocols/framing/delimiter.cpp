#include "protocols/framing/delimiter.hpp"

#include <algorithm>
#include <stdexcept>

namespace creche::framing {

static_assert(framer<delimiter>);

delimiter::delimiter(std::string_view end, const framing::limits& bounds)
    : framer_base(bounds), end_(end) {
  if (end.empty() || end.size() > longest)
    throw std::invalid_argument("delimiter: the end of a frame has 1 to 64 bytes");
}

step delimiter::next(bytes in) {
  if (error_ != errc::none) return fail(error_, in);
  const auto window = detail::chars(in.first(std::min(in.size(), limits_.frame + end_.size())));
  const auto at = window.find(end_, scanned_);
  if (at != window.npos) {
    scanned_ = 0;
    return found(at + end_.size(), in.first(at), in);
  }
  if (in.size() >= limits_.frame + end_.size()) return fail(errc::frame_too_large, in);
  scanned_ = in.size() - std::min(in.size(), end_.size() - 1);
  return need(in.size() + 1);
}

// The end may also arise where the frame and its end meet: "a-" with the end "--".
errc delimiter::wrap(bytes frame, envelope& around) const noexcept {
  if (frame.size() > limits_.frame) return errc::frame_too_large;
  const auto text = detail::chars(frame);
  if (text.find(end_) != text.npos) return errc::contains_end;
  for (std::size_t n = std::min(text.size(), end_.size() - 1); n > 0; --n) {
    // n bytes of the frame and the rest of the end read as an end that begins earlier
    const std::string_view end = end_;
    if (text.substr(text.size() - n) == end.substr(0, n) &&
        end.substr(n) == end.substr(0, end.size() - n))
      return errc::contains_end;
  }
  around.head_size = 0;
  around.tail = end_;
  return errc::none;
}

} // namespace creche::framing
