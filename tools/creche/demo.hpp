// demo.hpp: the demo service: a root nursery with an HTTP listener, a worker that fails, a ticker.
#pragma once

#include "actors/services/listener.hpp"
#include "runtime/supervision/rules.hpp"

#include <optional>
#include <string>

namespace demo {

inline constexpr creche::budget root_budget{5, std::chrono::seconds(10)};

struct options {
  creche::endpoint at{"127.0.0.1", 8080};
  std::optional<creche::endpoint> https; ///< here as well
  std::string state;                     ///< the folder of its certificate
  unsigned loops = 0;                    ///< 0: one per hardware thread
  unsigned connections = 10'000;
  bool echo = false;                             ///< nothing but echo, on every path
  bool calm = false;                             ///< the worker fails only when it is asked to
  std::optional<creche::clock_duration> timeout; ///< instead of all of http1::timeouts
};

/// Serves until a signal or a failure ends it; returns the exit status.
int serve(const options& o);

} // namespace demo
