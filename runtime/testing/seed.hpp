// seed.hpp: what a main needs to say how a failed test case is repeated.
//
// Header only, for mains that link nothing else of creche. One thread runs the cases.
#pragma once

#include <string>
#include <string_view>

namespace creche::testing {

/// The command that repeats the test case that runs, its seed included; empty if it draws from
/// none. Set by CRECHE_TEST; the main may clear it before each case.
inline std::string repeat_command;

/// A doctest filter that finds a case by its name. The name may hold what a filter, or the shell
/// within single quotes, takes for something else.
inline std::string filter_of(std::string_view name) {
  std::string filter(name);
  for (char& letter : filter)
    if (letter == ',' || letter == '\'' || letter == '\\') letter = '?';
  return "-tc='" + filter + "'";
}

} // namespace creche::testing
