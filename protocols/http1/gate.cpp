#include "protocols/http1/gate.hpp"

#include "protocols/http1/grammar.hpp"
#include "protocols/http1/head_notes.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace creche::http1 {

namespace {
constexpr std::string_view version_form = "HTTP/d.d";
constexpr std::string_view usual_end = "HTTP/1.1\r\n"; // of nearly every request line

bool digit(char next) { return next >= '0' && next <= '9'; }

errc stray(char found, errc otherwise) { return found == '\n' ? errc::bare_lf : otherwise; }

// `end` is one past "HTTP/x.y".
bool is_supported(const char* end) { return end[-3] == '1'; }
} // namespace

gate::verdict gate::scan(std::string_view in, const limits& bounds, head_notes& notes) noexcept {
  assert(in.size() >= pos_ && error_ == errc::none);
  return phase_ < phase::field ? request_line(in, bounds, notes) : fields(in, bounds, notes);
}

void gate::drop_lead() noexcept {
  pos_ -= lead_;
  limit_ -= lead_;
  lead_ = 0;
}

gate::verdict gate::refuse(errc error) noexcept {
  error_ = error;
  return verdict::refused;
}

// Both stop at the end of what has arrived, or behind the space; false if refused.
bool gate::pass_method(const char* base, const char*& at, const char* end,
                       head_notes& notes) noexcept {
  const char* const begin = base + lead_;
  const char* const stop = skip_token(at, end);
  const bool empty = stop == begin;
  if (stop != end && (*stop != ' ' || empty)) {
    refuse(empty && *stop == '\r' ? errc::blank_lines : stray(*stop, errc::bad_method));
    return false;
  }
  at = stop;
  if (at == end) return true;
  notes.method(begin, at++);
  phase_ = phase::target;
  return true;
}

bool gate::pass_target(const char*& at, const char* end, head_notes& notes) noexcept {
  const bool first = at[-1] == ' ';
  const char* const stop = skip_visible(at, end);
  if (stop != end && (*stop != ' ' || (first && stop == at))) {
    refuse(stray(*stop, errc::bad_target));
    return false;
  }
  if (stop != end) notes.target(at, stop);
  at = stop;
  if (at == end) return true;
  ++at;
  phase_ = phase::version;
  return true;
}

gate::verdict gate::request_line(std::string_view in, const limits& bounds,
                                 head_notes& notes) noexcept {
  const char* const base = in.data();
  const char* at = base + pos_;
  const char* end = base + std::min<std::size_t>(in.size(), limit_);
  while (at != end) {
    switch (phase_) {
    case phase::blank:
      phase_ = *at == '\r' ? phase::blank_lf : phase::method;
      if (*at == '\r') ++at;
      break;
    case phase::blank_lf:
      if (*at++ != '\n') return refuse(errc::bare_cr);
      lead_ = 2;
      limit_ += 2;
      end = base + std::min<std::size_t>(in.size(), limit_);
      phase_ = phase::method;
      break;
    case phase::method:
      if (!pass_method(base, at, end, notes)) return verdict::refused;
      break;
    case phase::target:
      if (!pass_target(at, end, notes)) return verdict::refused;
      break;
    case phase::version: {
      if (version_seen_ == 0 && end - at >= std::ptrdiff_t(usual_end.size()) &&
          std::memcmp(at, usual_end.data(), usual_end.size()) == 0) {
        at += usual_end.size();
        return line_over(at, in, bounds, notes);
      }
      const char want = version_form[version_seen_];
      if (want == 'd' ? !digit(*at) : *at != want) return refuse(stray(*at, errc::bad_version));
      ++at;
      if (++version_seen_ < version_form.size()) break;
      if (!is_supported(at)) return refuse(errc::version_not_supported);
      phase_ = phase::line_cr;
      break;
    }
    case phase::line_cr:
      if (*at != '\r') return refuse(stray(*at, errc::bad_version));
      ++at;
      phase_ = phase::line_lf;
      break;
    default: // line_lf
      if (*at++ != '\n') return refuse(errc::bare_cr);
      return line_over(at, in, bounds, notes);
    }
  }
  pos_ = static_cast<std::uint32_t>(at - base);
  return pos_ == limit_ ? refuse(errc::request_line_too_long) : verdict::incomplete;
}

gate::verdict gate::line_over(const char* end, std::string_view in, const limits& bounds,
                              head_notes& notes) noexcept {
  notes.line(end[-3], end);
  pos_ = static_cast<std::uint32_t>(end - in.data());
  limit_ = pos_ + bounds.header_block;
  phase_ = phase::field;
  return fields(in, bounds, notes);
}

// A line is passed from case to case; only what comes in pieces goes round the loop.
gate::verdict gate::fields(std::string_view in, const limits& bounds, head_notes& notes) noexcept {
  const char* const base = in.data();
  const char* at = base + pos_;
  const char* const end = base + std::min<std::size_t>(in.size(), limit_);
  const char* begin = at; // of the name, then of the value
  auto which = head_notes::known::none;
  while (at != end) {
    switch (phase_) {
    case phase::field:
      if (*at == '\r') {
        phase_ = phase::last_lf;
        ++at;
        break;
      }
      if (*at == ' ' || *at == '\t') return refuse(errc::folded_field);
      if (!is_token_char(*at)) return refuse(stray(*at, errc::bad_field_name));
      if (count_ == bounds.fields) return refuse(errc::too_many_fields);
      ++count_;
      begin = at;
      phase_ = phase::name;
      [[fallthrough]];
    case phase::name:
      at = skip_token(at, end);
      if (at == end) break;
      if (*at == ' ' || *at == '\t') return refuse(errc::space_before_colon);
      if (*at != ':') return refuse(stray(*at, errc::bad_field_name));
      which = head_notes::known_of(begin, at);
      begin = ++at;
      phase_ = phase::value;
      [[fallthrough]];
    case phase::value:
      at = skip_field_value(at, end);
      if (at == end) break;
      if (*at != '\r') return refuse(stray(*at, errc::bad_field_value));
      if (which != head_notes::known::none)
        notes.field(std::exchange(which, head_notes::known::none),
                    {begin, std::size_t(at - begin)});
      phase_ = phase::value_lf;
      if (++at == end) break;
      [[fallthrough]];
    case phase::value_lf:
      if (*at++ != '\n') return refuse(errc::bare_cr);
      phase_ = phase::field;
      break;
    default: // last_lf
      if (*at++ != '\n') return refuse(errc::bare_cr);
      pos_ = static_cast<std::uint32_t>(at - base);
      return verdict::complete;
    }
  }
  pos_ = static_cast<std::uint32_t>(at - base);
  return pos_ == limit_ ? refuse(errc::fields_too_large) : verdict::incomplete;
}

} // namespace creche::http1
