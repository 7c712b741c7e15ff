#include "protocols/http1/grammar.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <utility>

namespace creche::http1 {

namespace {
using table = std::array<bool, 256>;

constexpr std::string_view alnum = "0123456789abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Letters, digits and `others`.
constexpr table table_of(std::string_view others) {
  table made{};
  for (auto chars : {alnum, others})
    for (const char symbol : chars) made[static_cast<unsigned char>(symbol)] = true;
  return made;
}

constexpr table token_chars = table_of("!#$%&'*+-.^_`|~");

constexpr bool is_visible(char symbol) { return symbol > 0x20 && symbol < 0x7f; }

constexpr bool is_value_char(char symbol) {
  const auto octet = static_cast<unsigned char>(symbol);
  return (octet >= 0x20 && octet != 0x7f) || octet == '\t';
}

constexpr char lower(char symbol) {
  return symbol >= 'A' && symbol <= 'Z' ? static_cast<char>(symbol | 0x20) : symbol;
}

// RFC 3986 §2.2, §2.3, without the percent sign: that begins an encoded byte. A comma in a host
// would be a list to some.
constexpr std::size_t longest_host = 1024;
constexpr table host_chars = table_of("-._~!$&'()*+;=");
constexpr table path_chars = table_of("-._~!$&'()*+,;=:@/"
                                      "[]^|");
constexpr table query_chars = table_of("-._~!$&'()*+,;=:@/?"
                                       "[]^|\\`{}");
constexpr table scheme_chars = table_of("+-.");

bool in(const table& allowed, char symbol) { return allowed[static_cast<unsigned char>(symbol)]; }

bool is_digit(char symbol) { return symbol >= '0' && symbol <= '9'; }
bool is_letter(char symbol) { return (symbol | 0x20) >= 'a' && (symbol | 0x20) <= 'z'; }
bool is_hex(char symbol) {
  return is_digit(symbol) || ((symbol | 0x20) >= 'a' && (symbol | 0x20) <= 'f');
}

/// From `at`: the first byte that is neither in `t` nor an encoded one.
std::size_t skip_encoded(std::string_view text, std::size_t at, const table& allowed) {
  for (; at < text.size(); ++at) {
    if (in(allowed, text[at])) continue;
    if (text[at] != '%' || text.size() - at < 3 || !is_hex(text[at + 1]) || !is_hex(text[at + 2]))
      break;
    at += 2;
  }
  return at;
}

/// RFC 3986 §3.3, §3.4: what stands behind an authority.
bool is_path_and_query(std::string_view text) {
  const auto path = skip_encoded(text, 0, path_chars);
  if (path == text.size()) return true;
  return text[path] == '?' && skip_encoded(text, path + 1, query_chars) == text.size();
}

/// RFC 3986 §3.2.2: IPv4address.
bool is_ipv4(std::string_view text) {
  for (int left = 4; left > 0; --left) {
    unsigned value = 0;
    std::size_t digits = 0;
    for (; digits < text.size() && digits < 4 && is_digit(text[digits]); ++digits)
      value = 10 * value + unsigned(text[digits] - '0');
    if (digits == 0 || value > 255 || (digits > 1 && text.front() == '0')) return false;
    text.remove_prefix(digits);
    if (left == 1) break;
    if (!text.starts_with('.')) return false;
    text.remove_prefix(1);
  }
  return text.empty();
}

/// RFC 3986 §3.2.2: IPv6address.
bool is_ipv6(std::string_view text) {
  constexpr int all = 8;
  int groups = 0;
  bool gap = text.starts_with("::"); // stands for one group of zeros at least
  if (gap) text.remove_prefix(2);
  while (!text.empty()) {
    const auto end = text.find(':');
    const auto group = text.substr(0, end);
    if (end == text.npos && group.find('.') != text.npos) {
      if (!is_ipv4(group)) return false;
      groups += 2;
      break;
    }
    if (group.empty() || group.size() > 4 || !std::all_of(group.begin(), group.end(), is_hex))
      return false;
    ++groups;
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
    if (text.starts_with(':')) {
      if (std::exchange(gap, true)) return false;
      text.remove_prefix(1);
    } else if (text.empty()) {
      return false;
    }
  }
  return gap ? groups < all : groups == all;
}

/// RFC 3986 §3.2.2: IPvFuture.
bool is_ip_of_the_future(std::string_view text) {
  if (text.empty() || (text.front() | 0x20) != 'v') return false;
  const auto dot = text.find('.');
  if (dot == text.npos || dot < 2 || dot + 1 == text.size()) return false;
  const auto version = text.substr(1, dot - 1), rest = text.substr(dot + 1);
  return std::all_of(version.begin(), version.end(), is_hex) &&
         std::all_of(rest.begin(), rest.end(),
                     [](char symbol) { return symbol == ':' || in(host_chars, symbol); });
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  if (text.size() > 5) return false;
  for (const char symbol : text) {
    if (!is_digit(symbol)) return false;
    port = 10 * port + unsigned(symbol - '0');
  }
  return port <= 65535;
}

// Eight bytes at a time. Each answer has bit 7 set in (at least) the first byte that matches, and
// none when no byte matches; a borrow can only spoil bytes above a match.
constexpr std::uint64_t ones = 0x0101010101010101;
constexpr std::uint64_t tops = 0x8080808080808080;
constexpr std::uint64_t below(std::uint64_t word, unsigned n) {
  return (word - ones * n) & ~word & tops;
}
constexpr std::uint64_t equal(std::uint64_t word, unsigned wanted) {
  return below(word ^ (ones * wanted), 1);
}

template <class Suspect, class Good>
const char* skip(const char* at, const char* end, Suspect suspect, Good good) {
  for (;;) {
    if constexpr (std::endian::native == std::endian::little) {
      while (end - at >= 8) {
        std::uint64_t word;
        std::memcpy(&word, at, sizeof word);
        if (const auto hits = suspect(word)) {
          at += std::countr_zero(hits) / 8;
          break;
        }
        at += 8;
      }
    }
    const char* const stop = end - at >= 8 ? at + 1 : end;
    while (at != stop && good(*at)) ++at;
    if (at != stop || at == end) return at;
  }
}
} // namespace

bool is_token_char(char symbol) noexcept { return token_chars[static_cast<unsigned char>(symbol)]; }

bool is_token(std::string_view text) noexcept {
  return !text.empty() &&
         skip_token(text.data(), text.data() + text.size()) == text.data() + text.size();
}

bool is_field_value(std::string_view text) noexcept {
  return skip_field_value(text.data(), text.data() + text.size()) == text.data() + text.size();
}

const char* skip_token(const char* at, const char* end) noexcept {
  while (at != end && is_token_char(*at)) ++at;
  return at;
}

const char* skip_visible(const char* at, const char* end) noexcept {
  return skip(
      at, end,
      [](std::uint64_t word) { return below(word, 0x21) | equal(word, 0x7f) | (word & tops); },
      is_visible);
}

const char* skip_field_value(const char* at, const char* end) noexcept {
  return skip(
      at, end, [](std::uint64_t word) { return below(word, 0x20) | equal(word, 0x7f); },
      is_value_char);
}

bool same_name(std::string_view one, std::string_view other) noexcept {
  if (one.size() != other.size()) return false;
  for (std::size_t i = 0; i < one.size(); ++i)
    if (lower(one[i]) != lower(other[i])) return false;
  return true;
}

std::string_view trimmed(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
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

bool is_host(std::string_view text) noexcept {
  if (text.size() > longest_host) return false;
  std::size_t end = 0;
  if (text.starts_with('[')) {
    end = text.find(']');
    if (end == text.npos) return false;
    const auto address = text.substr(1, end++ - 1);
    if (!is_ipv6(address) && !is_ip_of_the_future(address)) return false;
  } else {
    end = skip_encoded(text, 0, host_chars);
  }
  const auto rest = text.substr(end);
  return rest.empty() || (end != 0 && rest.front() == ':' && is_port(rest.substr(1)));
}

bool is_target(std::string_view method, std::string_view target) noexcept {
  if (method == "CONNECT") // RFC 9110 §9.3.6: a port is named
    return target.find(':') != target.npos && is_digit(target.back()) && is_host(target);
  if (target.front() == '/') return is_path_and_query(target);
  if (target == "*") return method == "OPTIONS";
  std::size_t scheme = 0;
  while (scheme < target.size() && in(scheme_chars, target[scheme])) ++scheme;
  if (scheme == 0 || !is_letter(target.front()) || !target.substr(scheme).starts_with("://"))
    return false;
  const auto authority = authority_of(method, target);
  const auto rest = target.substr(scheme + 3 + authority.size());
  return !authority.empty() && is_host(authority) && is_path_and_query(rest);
}

std::string_view authority_of(std::string_view method, std::string_view target) noexcept {
  if (method == "CONNECT") return target;
  if (target.front() == '/') return {};
  const auto scheme = target.find("://");
  if (scheme == target.npos) return {};
  return target.substr(scheme + 3, target.find_first_of("/?", scheme + 3) - scheme - 3);
}

} // namespace creche::http1
