#include "runtime/task/internal/log_text.hpp"

namespace creche::internal {

namespace {

// The size of the UTF-8 character at the front; 0: it is none (RFC 3629 §4).
std::size_t character(std::string_view text) {
  const auto at = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto follows = [&](std::size_t i) { return (at(i) & 0xc0) == 0x80; };
  const auto first = at(0), second = at(1);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    const bool good = !(first == 0xe0 && second < 0xa0) && !(first == 0xed && second > 0x9f);
    return good && follows(1) && follows(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    const bool good = !(first == 0xf0 && second < 0x90) && !(first == 0xf4 && second > 0x8f);
    return good && follows(1) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

// C0, DEL, and C1 (U+0080 to U+009F), which some terminals obey.
bool is_control(std::string_view symbol) {
  const auto lead = static_cast<unsigned char>(symbol[0]);
  return lead < 0x20 || lead == 0x7f ||
         (symbol.size() == 2 && lead == 0xc2 && static_cast<unsigned char>(symbol[1]) < 0xa0);
}

std::string escaped(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char byte : bytes) {
    const auto octet = static_cast<unsigned char>(byte);
    out += {'\\', 'x', digits[octet >> 4], digits[octet & 15]};
  }
  return out;
}

} // namespace

std::string log_text(std::string_view text, std::size_t most) {
  std::string out;
  while (!text.empty()) {
    const auto n = character(text);
    const auto symbol = text.substr(0, n ? n : 1);
    std::string shown(symbol);
    if (symbol == "\\")
      shown = "\\\\";
    else if (!n || is_control(symbol))
      shown = escaped(symbol);
    if (out.size() + shown.size() > most)
      return out + "... (" + std::to_string(text.size()) + " bytes more)";
    out += shown;
    text.remove_prefix(symbol.size());
  }
  return out;
}

} // namespace creche::internal
