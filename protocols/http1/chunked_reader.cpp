#include "protocols/http1/chunked_reader.hpp"

#include "protocols/http1/grammar.hpp"

#include <algorithm>
#include <cassert>

namespace creche::http1 {

namespace {
constexpr unsigned most_digits = 16; // what 64 bits hold

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char low = static_cast<char>(c | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

bool is_field_char(char c) { return is_field_value({&c, 1}); }
} // namespace

chunked_reader::step chunked_reader::next(std::span<const std::byte> in, const limits& l) noexcept {
  assert(phase_ != phase::done);
  std::size_t used = 0;
  for (; used != in.size(); ++used) {
    if (phase_ == phase::data) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size() - used));
      left_ -= n;
      if (left_ == 0) phase_ = phase::data_cr;
      return {event::data, used + n, in.subspan(used, n)};
    }
    if (const errc e = framing(static_cast<char>(in[used]), l); e != errc::none)
      return {event::failed, 0, {}, e};
    if (phase_ == phase::done) return {event::end, used + 1, {}};
  }
  return {event::need_more, used, {}};
}

// One byte that is not data.
errc chunked_reader::framing(char c, const limits& l) noexcept {
  switch (phase_) {
  case phase::size: return size(c);
  case phase::extension: return extension(c, l);
  case phase::size_lf: return c == '\n' ? begin_data(l) : errc::bare_cr;
  case phase::data_cr: phase_ = phase::data_lf; return c == '\r' ? errc::none : errc::bad_chunk_end;
  case phase::data_lf: phase_ = phase::size; return c == '\n' ? errc::none : errc::bad_chunk_end;
  default: return trailer(c, l);
  }
}

errc chunked_reader::size(char c) noexcept {
  if (const int v = hex_value(c); v >= 0) {
    if (digits_ == most_digits) return errc::chunk_size_too_long;
    ++digits_;
    left_ = left_ * 16 + static_cast<unsigned>(v);
    return errc::none;
  }
  if (digits_ == 0 || (c != '\r' && c != ';'))
    return c == '\n' ? errc::bare_lf : errc::bad_chunk_size;
  extension_ = 0;
  phase_ = c == ';' ? phase::extension : phase::size_lf;
  return errc::none;
}

// RFC 9112 §7.1.1: those we do not know are to be ignored, and we know none.
errc chunked_reader::extension(char c, const limits& l) noexcept {
  if (c == '\r') {
    phase_ = phase::size_lf;
    return errc::none;
  }
  if (!is_field_char(c)) return c == '\n' ? errc::bare_lf : errc::bad_chunk_extension;
  if (extension_ == l.chunk_extension || extra_ == l.chunk_extensions)
    return errc::chunk_extension_too_long;
  ++extension_;
  ++extra_;
  return errc::none;
}

errc chunked_reader::begin_data(const limits& l) noexcept {
  if (left_ > l.body - total_) return errc::body_too_large;
  total_ += left_;
  digits_ = 0;
  phase_ = left_ == 0 ? phase::trailer : phase::data;
  if (left_ == 0) extra_ = 0;
  return errc::none;
}

// RFC 9112 §7.1.2: as strict as the gate is with header fields.
errc chunked_reader::trailer(char c, const limits& l) noexcept {
  if (phase_ == phase::trailer && c == '\r') {
    phase_ = phase::last_lf;
    return errc::none;
  }
  if (phase_ == phase::last_lf) {
    phase_ = phase::done;
    return c == '\n' ? errc::none : errc::bare_cr;
  }
  if (extra_ == l.trailers) return errc::trailers_too_large;
  ++extra_;
  switch (phase_) {
  case phase::trailer:
    phase_ = phase::trailer_name;
    return is_token_char(c) ? errc::none : errc::bad_trailer;
  case phase::trailer_name:
    if (c == ':') phase_ = phase::trailer_value;
    return c == ':' || is_token_char(c) ? errc::none : errc::bad_trailer;
  case phase::trailer_value:
    if (c == '\r') phase_ = phase::trailer_lf;
    return c == '\r' || is_field_char(c) ? errc::none : errc::bad_trailer;
  default: // trailer_lf
    phase_ = phase::trailer;
    return c == '\n' ? errc::none : errc::bare_cr;
  }
}

} // namespace creche::http1
