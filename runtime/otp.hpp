// otp.hpp: a supervisor as OTP's `supervisor` would be, for those who come from there.
//
//     co_await with_nursery(otp::supervisor("workers", strategy::one_for_all), body);
//     n.start(otp::worker(child_spec("w", work), restart::transient));
//
// What creche does otherwise unless asked: it waits before a restart (backoff), its budget is 3 in
// 5 s, significant children count, and the failure of a temporary child ends the nursery.
// Exits map to ends: `normal`, `shutdown` and {shutdown, _} are a task that returns, an error is
// one that throws, a kill is a kill.
#pragma once

#include "runtime/nursery.hpp"

namespace creche::otp {

/// supervisor:sup_flags() and its defaults: one_for_one, 1 restart in 5 s, auto_shutdown never.
inline nursery_options supervisor(std::string_view name,
                                  creche::strategy s = strategy::one_for_one) {
  return {.name = name,
          .budget = {1, std::chrono::seconds(5)},
          .strategy = s,
          .auto_shutdown = auto_shutdown::never};
}

/// supervisor:child_spec() and its defaults: permanent, 5 s to stop. A temporary child's failure is
/// reported, and ends nothing.
inline child_spec worker(child_spec s, creche::restart r = restart::permanent) {
  auto w = std::move(s).restart(r).backoff(no_backoff).stop_within(std::chrono::seconds(5));
  return r == restart::temporary ? std::move(w).ignore_failure() : std::move(w);
}

} // namespace creche::otp
