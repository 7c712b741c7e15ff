#include "protocols/http1/chunked_reader.hpp"

#include "protocols/http1/grammar.hpp"

#include <algorithm>
#include <cassert>

namespace creche::http1 {

namespace {
constexpr unsigned most_digits = 16; // what 64 bits hold

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  const char low = static_cast<char>(digit | 0x20);
  return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

bool is_field_char(char next) { return is_field_value({&next, 1}); }
} // namespace

chunked_reader::step chunked_reader::next(std::span<const std::byte> in,
                                          const limits& bounds) noexcept {
  assert(phase_ != phase::done);
  std::size_t used = 0;
  for (; used != in.size(); ++used) {
    if (phase_ == phase::data) {
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size() - used));
      left_ -= n;
      if (left_ == 0) phase_ = phase::data_cr;
      return {event::data, used + n, in.subspan(used, n)};
    }
    if (const errc error = framing(static_cast<char>(in[used]), bounds); error != errc::none)
      return {event::failed, 0, {}, error};
    if (phase_ == phase::done) return {event::end, used + 1, {}};
  }
  return {event::need_more, used, {}};
}

// One byte that is not data.
errc chunked_reader::framing(char next, const limits& bounds) noexcept {
  switch (phase_) {
  case phase::size: return size(next);
  case phase::size_lf: return next == '\n' ? begin_data(bounds) : errc::bare_cr;
  case phase::data_cr:
    phase_ = phase::data_lf;
    return next == '\r' ? errc::none : errc::bad_chunk_end;
  case phase::data_lf: phase_ = phase::size; return next == '\n' ? errc::none : errc::bad_chunk_end;
  default:
    return phase_ <= phase::extension_value_space ? extension(next, bounds) : trailer(next, bounds);
  }
}

errc chunked_reader::size(char next) noexcept {
  if (const int value = hex_value(next); value >= 0) {
    if (digits_ == most_digits) return errc::chunk_size_too_long;
    ++digits_;
    left_ = left_ * 16 + static_cast<unsigned>(value);
    return errc::none;
  }
  if (digits_ == 0 || (next != '\r' && next != ';'))
    return next == '\n' ? errc::bare_lf : errc::bad_chunk_size;
  extension_ = 0;
  phase_ = next == ';' ? phase::extension : phase::size_lf;
  return errc::none;
}

// RFC 9112 §7.1.1: those we do not know are to be ignored, and we know none. Their grammar is kept
// all the same: where a quoted string ends decides where the line ends.
errc chunked_reader::extension(char next, const limits& bounds) noexcept {
  if (next == '\n') return errc::bare_lf;
  if (next == '\r') return extension_may_end() ? enter(phase::size_lf) : errc::bad_chunk_extension;
  if (extension_ == bounds.chunk_extension || extra_ == bounds.chunk_extensions)
    return errc::chunk_extension_too_long;
  ++extension_;
  ++extra_;
  return extension_part(next);
}

bool chunked_reader::extension_may_end() const noexcept {
  return phase_ == phase::extension_name || phase_ == phase::extension_token ||
         phase_ == phase::extension_quoted_end;
}

// *( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )
errc chunked_reader::extension_part(char next) noexcept {
  const bool space = next == ' ' || next == '\t';
  const bool token = is_token_char(next);
  switch (phase_) {
  case phase::extension:
    if (token) return enter(phase::extension_name);
    return space ? errc::none : errc::bad_chunk_extension;
  case phase::extension_name:
    if (token) return errc::none;
    [[fallthrough]];
  case phase::extension_name_space:
    if (next == '=') return enter(phase::extension_value);
    if (next == ';') return enter(phase::extension);
    return space ? enter(phase::extension_name_space) : errc::bad_chunk_extension;
  case phase::extension_value:
    if (next == '"') return enter(phase::extension_quoted);
    if (token) return enter(phase::extension_token);
    return space ? errc::none : errc::bad_chunk_extension;
  case phase::extension_quoted:
    if (next == '"') return enter(phase::extension_quoted_end);
    if (next == '\\') return enter(phase::extension_escaped);
    return is_field_char(next) ? errc::none : errc::bad_chunk_extension;
  case phase::extension_escaped:
    return is_field_char(next) ? enter(phase::extension_quoted) : errc::bad_chunk_extension;
  case phase::extension_token:
    if (token) return errc::none;
    [[fallthrough]];
  default: // behind a value
    if (next == ';') return enter(phase::extension);
    return space ? enter(phase::extension_value_space) : errc::bad_chunk_extension;
  }
}

errc chunked_reader::begin_data(const limits& bounds) noexcept {
  if (left_ > bounds.body - total_) return errc::body_too_large;
  total_ += left_;
  digits_ = 0;
  phase_ = left_ == 0 ? phase::trailer : phase::data;
  if (left_ == 0) extra_ = 0;
  return errc::none;
}

// RFC 9112 §7.1.2: as strict as the gate is with header fields.
errc chunked_reader::trailer(char next, const limits& bounds) noexcept {
  if (phase_ == phase::trailer && next == '\r') {
    phase_ = phase::last_lf;
    return errc::none;
  }
  if (phase_ == phase::last_lf) {
    phase_ = phase::done;
    return next == '\n' ? errc::none : errc::bare_cr;
  }
  if (extra_ == bounds.trailers) return errc::trailers_too_large;
  ++extra_;
  switch (phase_) {
  case phase::trailer:
    phase_ = phase::trailer_name;
    return is_token_char(next) ? errc::none : errc::bad_trailer;
  case phase::trailer_name:
    if (next == ':') phase_ = phase::trailer_value;
    return next == ':' || is_token_char(next) ? errc::none : errc::bad_trailer;
  case phase::trailer_value:
    if (next == '\r') phase_ = phase::trailer_lf;
    return next == '\r' || is_field_char(next) ? errc::none : errc::bad_trailer;
  default: // trailer_lf
    phase_ = phase::trailer;
    return next == '\n' ? errc::none : errc::bare_cr;
  }
}

} // namespace creche::http1
