// spenders.hpp: the children that spent a budget of restarts, by name.
//
// Pure.
#pragma once

#include <algorithm>
#include <span>
#include <string>
#include <vector>

namespace creche::internal {

/// Adds one, and keeps the last `most`; never more than 64.
inline void keep_last(std::vector<std::string>& names, std::string added, std::size_t most) {
  names.push_back(std::move(added));
  const auto left = std::min<std::size_t>(most, 64);
  if (names.size() > left)
    names.erase(names.begin(), names.end() - static_cast<std::ptrdiff_t>(left));
}

/// ", spent by a (2 times) and b"; empty if there are none.
inline std::string spent_text(std::span<const std::string> names) {
  constexpr std::size_t most = 8;
  std::vector<std::pair<std::string, unsigned>> counted;
  for (const auto& name : names) {
    const auto at = std::find_if(counted.begin(), counted.end(),
                                 [&](const auto& one) { return one.first == name; });
    if (at == counted.end())
      counted.emplace_back(name, 1);
    else
      ++at->second;
  }
  std::string text;
  for (std::size_t i = 0; i < counted.size() && i < most; ++i) {
    text += i == 0 ? ", spent by " : i + 1 == counted.size() ? " and " : ", ";
    text += counted[i].first;
    if (counted[i].second > 1) text += " (" + std::to_string(counted[i].second) + " times)";
  }
  if (counted.size() > most) text += " and " + std::to_string(counted.size() - most) + " more";
  return text;
}

} // namespace creche::internal
