// text_arguments.hpp: spans of time in the text of a stack: "30s", "500ms". Any thread.
#pragma once

#include "runtime/clock.hpp"

#include <charconv>
#include <stdexcept>
#include <string>
#include <string_view>

namespace creche::internal {

struct time_unit {
  std::string_view name;
  clock_duration::rep nanoseconds;
};
inline constexpr time_unit time_units[] = {
    {"h", 3'600'000'000'000}, {"m", 60'000'000'000}, {"s", 1'000'000'000},
    {"ms", 1'000'000},        {"us", 1'000},         {"ns", 1}};

/// In the largest unit of which it is a whole number.
inline std::string to_text(clock_duration d) {
  if (d == no_limit) return "no_limit";
  for (auto& u : time_units)
    if (d.count() % u.nanoseconds == 0) return std::to_string(d.count() / u.nanoseconds) += u.name;
  return {}; // not reached: the last unit is one
}

/// Throws std::invalid_argument with a sentence.
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

} // namespace creche::internal
