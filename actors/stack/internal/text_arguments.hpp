// text_arguments.hpp: what stands between the parentheses of a word in the text of a stack: counts,
// numbers, spans of time ("30s", "500ms"), sizes ("64KiB"). Any thread. All throw
// std::invalid_argument with a sentence, or stack_argument_error, which says which argument is
// wrong.
#pragma once

#include "actors/stack/stack_words.hpp"
#include "runtime/time/clock.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace creche::internal {

using text_arguments = std::vector<std::string>;

[[noreturn]] inline void refuse_arguments(std::string_view why) {
  throw std::invalid_argument(std::string(why));
}
[[noreturn]] inline void refuse_argument(std::size_t which, std::string_view why) {
  throw stack_argument_error(which, std::string(why));
}
inline void expect_count(const text_arguments& args, std::size_t least, std::size_t most,
                         std::string_view how) {
  if (args.size() < least || args.size() > most) refuse_arguments(how);
}
/// What f() refuses is that argument.
template <class F> auto about_argument(std::size_t which, F f) {
  try {
    return f();
  } catch (const std::invalid_argument& e) {
    refuse_argument(which, e.what());
  }
}

/// "word=value", or a word alone. A view.
struct named_argument {
  std::string_view word, value;
  bool has_value;
  explicit named_argument(std::string_view text) noexcept
      : word(text.substr(0, text.find('='))), has_value(word.size() < text.size()) {
    if (has_value) value = text.substr(word.size() + 1);
  }
  bool is(std::string_view alone) const noexcept { return !has_value && word == alone; }
};

/// Can it stand as an argument, and be read again as it is?
inline bool is_plain_argument(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 32 && byte != 127 && c != ',' && c != ')';
  });
}

inline std::size_t number_of(const text_arguments& args, std::size_t which, const char* what) {
  const auto& text = args[which];
  std::size_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    refuse_argument(which, "'" + text + "' is no " + what);
  return n;
}
/// The last argument, which may be left out.
inline std::size_t byte_limit(const text_arguments& args, std::size_t which, std::size_t usual) {
  return args.size() > which ? number_of(args, which, "limit in bytes") : usual;
}

struct time_unit {
  std::string_view name;
  clock_duration::rep nanoseconds;
};
inline constexpr time_unit time_units[] = {
    {"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000},
    {"ms", 1'000'000},        {"us", 1'000},         {"ns", 1}};

/// In the largest unit of which it is a whole number.
inline std::string to_text(clock_duration time) {
  if (time == no_limit) return "no_limit";
  for (auto& u : time_units)
    if (time.count() % u.nanoseconds == 0)
      return std::to_string(time.count() / u.nanoseconds) += u.name;
  return {}; // not reached: the last unit is one
}

inline clock_duration parse_duration(std::string_view text) {
  if (text == "no_limit") return no_limit;
  clock_duration::rep n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  const std::string_view unit(end, std::size_t(text.data() + text.size() - end));
  if (error == std::errc() && n >= 0)
    for (auto& u : time_units)
      if (u.name == unit && n <= clock_duration::max().count() / u.nanoseconds)
        return clock_duration(n * u.nanoseconds);
  throw std::invalid_argument("'" + std::string(text) +
                              "' is no time, like 30s: a number, then h, m, s, ms, us or ns");
}

struct byte_unit {
  std::string_view name;
  std::int64_t bytes;
};
inline constexpr byte_unit byte_units[] = {
    {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};

/// In the largest unit of which it is a whole number.
inline std::string size_text(std::int64_t bytes) {
  for (auto& u : byte_units)
    if (bytes % u.bytes == 0) return std::to_string(bytes / u.bytes) += u.name;
  return {}; // not reached: the last unit is one
}

inline std::int64_t parse_size(std::string_view text) {
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  const std::string_view unit(end, std::size_t(text.data() + text.size() - end));
  if (error == std::errc() && n >= 0)
    for (auto& u : byte_units)
      if (u.name == unit && n <= std::numeric_limits<std::int64_t>::max() / u.bytes)
        return n * u.bytes;
  throw std::invalid_argument("'" + std::string(text) +
                              "' is no size, like 64KiB: a number, then B, KiB, MiB or GiB");
}

} // namespace creche::internal
