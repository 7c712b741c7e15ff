// transport_timeouts.hpp: how long a transport waits. A plain value; any thread.
#pragma once

#include "runtime/time/clock.hpp"

namespace creche {

struct transport_timeouts {
  time_span connecting = std::chrono::seconds(10);
  /// The peer takes nothing: reset. One whose kernel still answers has twice that.
  time_span write_stall = std::chrono::seconds(30);
  time_span linger = std::chrono::seconds(2); ///< after our end, for the peer's
};

} // namespace creche
