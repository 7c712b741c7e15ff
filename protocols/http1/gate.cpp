#include "protocols/http1/gate.hpp"

#include "protocols/http1/grammar.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace creche::http1 {

namespace {
constexpr std::string_view version_form = "HTTP/d.d";
constexpr std::string_view usual_end = "HTTP/1.1\r\n"; // of nearly every request line

bool is_digit(char c) { return c >= '0' && c <= '9'; }

errc stray(char c, errc otherwise) { return c == '\n' ? errc::bare_lf : otherwise; }

// `end` is one past "HTTP/x.y". A higher minor version is refused too: Beast knows none.
bool is_supported(const char* end) { return end[-3] == '1' && (end[-1] == '0' || end[-1] == '1'); }
} // namespace

gate::verdict gate::scan(std::string_view in, const limits& l) noexcept {
  assert(in.size() >= pos_ && error_ == errc::none);
  return phase_ < phase::field ? request_line(in, l) : fields(in, l);
}

void gate::drop_lead() noexcept {
  pos_ -= lead_;
  limit_ -= lead_;
  lead_ = 0;
}

gate::verdict gate::refuse(errc e) noexcept {
  error_ = e;
  return verdict::refused;
}

gate::verdict gate::request_line(std::string_view in, const limits& l) noexcept {
  const char* const base = in.data();
  const char* p = base + pos_;
  const char* end = base + std::min<std::size_t>(in.size(), limit_);
  while (p != end) {
    switch (phase_) {
    case phase::blank:
      phase_ = *p == '\r' ? phase::blank_lf : phase::method;
      if (*p == '\r') ++p;
      break;
    case phase::blank_lf:
      if (*p++ != '\n') return refuse(errc::bare_cr);
      lead_ = 2;
      limit_ += 2;
      end = base + std::min<std::size_t>(in.size(), limit_);
      phase_ = phase::method;
      break;
    case phase::method: {
      const bool first = p == base + lead_;
      const char* const q = skip_token(p, end);
      if (q != end && (*q != ' ' || (first && q == p)))
        return refuse(first && q == p && *q == '\r' ? errc::blank_lines
                                                    : stray(*q, errc::bad_method));
      p = q;
      if (p != end) {
        phase_ = phase::target;
        ++p;
      }
      break;
    }
    case phase::target: {
      const bool first = p[-1] == ' ';
      const char* const q = skip_visible(p, end);
      if (q != end && (*q != ' ' || (first && q == p))) return refuse(stray(*q, errc::bad_target));
      p = q;
      if (p != end) {
        phase_ = phase::version;
        ++p;
      }
      break;
    }
    case phase::version: {
      if (version_seen_ == 0 && end - p >= std::ptrdiff_t(usual_end.size()) &&
          std::memcmp(p, usual_end.data(), usual_end.size()) == 0) {
        p += usual_end.size();
        return line_over(p, in, l);
      }
      const char want = version_form[version_seen_];
      if (want == 'd' ? !is_digit(*p) : *p != want) return refuse(stray(*p, errc::bad_version));
      ++p;
      if (++version_seen_ < version_form.size()) break;
      if (!is_supported(p)) return refuse(errc::version_not_supported);
      phase_ = phase::line_cr;
      break;
    }
    case phase::line_cr:
      if (*p != '\r') return refuse(stray(*p, errc::bad_version));
      ++p;
      phase_ = phase::line_lf;
      break;
    default: // line_lf
      if (*p++ != '\n') return refuse(errc::bare_cr);
      return line_over(p, in, l);
    }
  }
  pos_ = static_cast<std::uint32_t>(p - base);
  return pos_ == limit_ ? refuse(errc::request_line_too_long) : verdict::incomplete;
}

gate::verdict gate::line_over(const char* end, std::string_view in, const limits& l) noexcept {
  pos_ = static_cast<std::uint32_t>(end - in.data());
  limit_ = pos_ + l.header_block;
  phase_ = phase::field;
  return fields(in, l);
}

gate::verdict gate::fields(std::string_view in, const limits& l) noexcept {
  const char* const base = in.data();
  const char* p = base + pos_;
  const char* const end = base + std::min<std::size_t>(in.size(), limit_);
  while (p != end) {
    switch (phase_) {
    case phase::field:
      if (*p == '\r') {
        phase_ = phase::last_lf;
        ++p;
        break;
      }
      if (*p == ' ' || *p == '\t') return refuse(errc::folded_field);
      if (!is_token_char(*p)) return refuse(stray(*p, errc::bad_field_name));
      if (count_ == l.fields) return refuse(errc::too_many_fields);
      ++count_;
      phase_ = phase::name;
      break;
    case phase::name:
      p = skip_token(p, end);
      if (p == end) break;
      if (*p == ' ' || *p == '\t') return refuse(errc::space_before_colon);
      if (*p != ':') return refuse(stray(*p, errc::bad_field_name));
      ++p;
      phase_ = phase::value;
      break;
    case phase::value:
      p = skip_field_value(p, end);
      if (p == end) break;
      if (*p != '\r') return refuse(stray(*p, errc::bad_field_value));
      ++p;
      phase_ = phase::value_lf;
      break;
    case phase::value_lf:
      if (*p++ != '\n') return refuse(errc::bare_cr);
      phase_ = phase::field;
      break;
    default: // last_lf
      if (*p++ != '\n') return refuse(errc::bare_cr);
      pos_ = static_cast<std::uint32_t>(p - base);
      return verdict::complete;
    }
  }
  pos_ = static_cast<std::uint32_t>(p - base);
  return pos_ == limit_ ? refuse(errc::fields_too_large) : verdict::incomplete;
}

} // namespace creche::http1
