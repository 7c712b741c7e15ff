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

#include "runtime/supervision/nursery.hpp"

namespace creche::otp {

/// supervisor:sup_flags() and its defaults: one_for_one, 1 restart in 5 s, auto_shutdown never.
inline nursery_options supervisor(std::string_view name,
                                  creche::strategy choice = strategy::one_for_one) {
  return {.name = name,
          .budget = {1, std::chrono::seconds(5)},
          .strategy = choice,
          .auto_shutdown = auto_shutdown::never};
}

/// supervisor:child_spec() and its defaults: permanent, 5 s to stop. A temporary child's failure is
/// reported, and ends nothing.
inline child_spec worker(child_spec spec, creche::restart policy = restart::permanent) {
  auto made =
      std::move(spec).restart(policy).backoff(no_backoff).stop_within(std::chrono::seconds(5));
  return policy == restart::temporary ? std::move(made).ignore_failure() : std::move(made);
}

} // namespace creche::otp
