#include "protocols/http1/grammar.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace creche::http1 {

namespace {
using table = std::array<bool, 256>;

constexpr table token_chars = [] {
  table t{};
  for (const char c : std::string_view{"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"})
    t[static_cast<unsigned char>(c)] = true;
  return t;
}();

constexpr bool is_visible(char c) { return c > 0x20 && c < 0x7f; }

constexpr bool is_value_char(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u >= 0x20 && u != 0x7f) || u == '\t';
}

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

// What a host may have besides letters and digits; a comma would be a list, an @ a userinfo.
constexpr std::size_t longest_host = 1024;
constexpr table host_chars = [] {
  table t{};
  for (const char c : std::string_view{"-._~%!$&'()*+;=0123456789abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"})
    t[static_cast<unsigned char>(c)] = true;
  return t;
}();
bool is_host_char(char c) { return host_chars[static_cast<unsigned char>(c)]; }

bool is_alnum(char c) { return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'); }

bool is_port(std::string_view s) {
  unsigned port = 0;
  if (s.size() > 5) return false;
  for (const char c : s) {
    if (c < '0' || c > '9') return false;
    port = 10 * port + unsigned(c - '0');
  }
  return port <= 65535;
}

// Eight bytes at a time. Each answer has bit 7 set in (at least) the first byte that matches, and
// none when no byte matches; a borrow can only spoil bytes above a match.
constexpr std::uint64_t ones = 0x0101010101010101;
constexpr std::uint64_t tops = 0x8080808080808080;
constexpr std::uint64_t below(std::uint64_t x, unsigned n) { return (x - ones * n) & ~x & tops; }
constexpr std::uint64_t equal(std::uint64_t x, unsigned c) { return below(x ^ (ones * c), 1); }

template <class Suspect, class Good>
const char* skip(const char* p, const char* end, Suspect suspect, Good good) {
  for (;;) {
    if constexpr (std::endian::native == std::endian::little) {
      while (end - p >= 8) {
        std::uint64_t x;
        std::memcpy(&x, p, sizeof x);
        if (const auto hits = suspect(x)) {
          p += std::countr_zero(hits) / 8;
          break;
        }
        p += 8;
      }
    }
    const char* const stop = end - p >= 8 ? p + 1 : end;
    while (p != stop && good(*p)) ++p;
    if (p != stop || p == end) return p;
  }
}
} // namespace

bool is_token_char(char c) noexcept { return token_chars[static_cast<unsigned char>(c)]; }

bool is_token(std::string_view s) noexcept {
  return !s.empty() && skip_token(s.data(), s.data() + s.size()) == s.data() + s.size();
}

bool is_field_value(std::string_view s) noexcept {
  return skip_field_value(s.data(), s.data() + s.size()) == s.data() + s.size();
}

const char* skip_token(const char* p, const char* end) noexcept {
  while (p != end && is_token_char(*p)) ++p;
  return p;
}

const char* skip_visible(const char* p, const char* end) noexcept {
  return skip(
      p, end, [](std::uint64_t x) { return below(x, 0x21) | equal(x, 0x7f) | (x & tops); },
      is_visible);
}

const char* skip_field_value(const char* p, const char* end) noexcept {
  return skip(
      p, end, [](std::uint64_t x) { return below(x, 0x20) | equal(x, 0x7f); }, is_value_char);
}

bool same_name(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

std::string_view trimmed(std::string_view s) noexcept {
  while (!s.empty() && (s.front() == ' ' || s.front() == '\t')) s.remove_prefix(1);
  while (!s.empty() && (s.back() == ' ' || s.back() == '\t')) s.remove_suffix(1);
  return s;
}

std::string_view next_element(std::string_view& list) noexcept {
  const auto comma = list.find(',');
  const auto element = trimmed(list.substr(0, comma));
  list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  return element;
}

bool list_has(std::string_view list, std::string_view token) noexcept {
  while (!list.empty())
    if (same_name(next_element(list), token)) return true;
  return false;
}

bool is_host(std::string_view s) noexcept {
  if (s.size() > longest_host) return false;
  std::size_t host_end = 0;
  if (s.starts_with('[')) {
    host_end = s.find(']');
    if (host_end == std::string_view::npos) return false;
    const auto address = s.substr(1, host_end++ - 1);
    if (address.empty() || !std::all_of(address.begin(), address.end(),
                                        [](char c) { return c == ':' || is_host_char(c); }))
      return false;
  } else {
    while (host_end < s.size() && is_host_char(s[host_end])) ++host_end;
  }
  const auto rest = s.substr(host_end);
  return rest.empty() || (host_end != 0 && rest.front() == ':' && is_port(rest.substr(1)));
}

bool is_target(std::string_view method, std::string_view target) noexcept {
  if (target.find('#') != std::string_view::npos) return false;
  if (method == "CONNECT")
    return target.front() != ':' && target.find(':') != target.npos && is_host(target);
  if (target.front() == '/') return true;
  if (target == "*") return method == "OPTIONS";
  const auto colon = target.find("://");
  if (colon == target.npos || colon == 0) return false;
  const auto authority =
      target.substr(colon + 3, target.find_first_of("/?", colon + 3) - colon - 3);
  return !authority.empty() && is_host(authority) &&
         std::all_of(target.begin(), target.begin() + static_cast<std::ptrdiff_t>(colon),
                     [](char c) { return is_alnum(c) || c == '+' || c == '-' || c == '.'; });
}

} // namespace creche::http1
