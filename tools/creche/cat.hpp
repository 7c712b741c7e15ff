// cat.hpp: what one stack receives is sent to another, both ways.
#pragma once

#include "runtime/time/clock.hpp"

#include <optional>
#include <string>

namespace cat {

struct options {
  std::string from, to = "stdio"; ///< texts of stacks; one of them may begin with listen(ADDR)
  bool verbose = false;
  bool count = false;
  bool once = false; ///< a listener serves one connection
  unsigned connections = 1000;
  std::optional<creche::clock_duration> wait; ///< once one side has said its end, for the other
};

/// Until both sides have said their end, or a signal; returns the exit status.
int join(const options& o);

} // namespace cat
