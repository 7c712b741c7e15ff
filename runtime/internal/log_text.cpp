#include "runtime/internal/log_text.hpp"

namespace creche::internal {

namespace {

// The size of the UTF-8 character at the front; 0: it is none (RFC 3629 §4).
std::size_t character(std::string_view s) {
  const auto at = [&](std::size_t i) {
    return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u;
  };
  const auto follows = [&](std::size_t i) { return (at(i) & 0xc0) == 0x80; };
  const auto c = at(0), d = at(1);
  if (c < 0x80) return 1;
  if (c >= 0xc2 && c <= 0xdf) return follows(1) ? 2 : 0;
  if (c >= 0xe0 && c <= 0xef) {
    const bool good = !(c == 0xe0 && d < 0xa0) && !(c == 0xed && d > 0x9f);
    return good && follows(1) && follows(2) ? 3 : 0;
  }
  if (c >= 0xf0 && c <= 0xf4) {
    const bool good = !(c == 0xf0 && d < 0x90) && !(c == 0xf4 && d > 0x8f);
    return good && follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

// C0, DEL, and C1 (U+0080 to U+009F), which some terminals obey.
bool is_control(std::string_view c) {
  const auto u = static_cast<unsigned char>(c[0]);
  return u < 0x20 || u == 0x7f ||
         (c.size() == 2 && u == 0xc2 && static_cast<unsigned char>(c[1]) < 0xa0);
}

std::string escaped(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto u = static_cast<unsigned char>(c);
    out += {'\\', 'x', digits[u >> 4], digits[u & 15]};
  }
  return out;
}

} // namespace

std::string log_text(std::string_view text, std::size_t most) {
  std::string out;
  while (!text.empty()) {
    const auto n = character(text);
    const auto c = text.substr(0, n ? n : 1);
    std::string shown(c);
    if (c == "\\")
      shown = "\\\\";
    else if (!n || is_control(c))
      shown = escaped(c);
    if (out.size() + shown.size() > most)
      return out + "... (" + std::to_string(text.size()) + " bytes more)";
    out += shown;
    text.remove_prefix(c.size());
  }
  return out;
}

} // namespace creche::internal
