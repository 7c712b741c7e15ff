// this_task.hpp: what a task does with itself: sleep, let others run, look for cancellation.
//
// Awaitable inside a task only. Each await is a checkpoint: it looks for cancellation first, even
// when it could finish at once, and no task completes more than 64 awaits in a row while others on
// its loop can run.
#pragma once

#include "runtime/task/detail/op.hpp"
#include "runtime/time/clock.hpp"

namespace creche {

namespace detail {
class checkpoint_awaiter;
class sleep_awaiter;
class stopping_awaiter;
} // namespace detail

/// Sleeps at least that long; zero or less only lets others run. Checkpoint.
[[nodiscard]] detail::op<detail::sleep_awaiter, clock_duration> sleep_for(time_span span) noexcept;
/// Sleeps until the loop's clock reads `due`. Checkpoint.
[[nodiscard]] detail::op<detail::sleep_awaiter, time_point> sleep_until(time_point due) noexcept;
/// What this thread's loop reads on its clock. Not a checkpoint. Throws std::logic_error on a
/// thread without a loop.
[[nodiscard]] time_point now();
/// Waits until this task is to end in good order: `stop` was called for it, or for what it is a
/// part of; the handler's connection drains, or has ended; or a task above it, in whose nursery it
/// is, was told so. Who has called this or is_stopping() once looks for it: such a task, and those
/// above it, are not cancelled by that stop but told, and have their `stop_within` to end.
/// Checkpoint.
[[nodiscard]] detail::op<detail::stopping_awaiter> stopping() noexcept;
/// Was it? Looks for it from now on, as stopping() does. Not a checkpoint. False outside of tasks.
bool is_stopping() noexcept;
/// Nothing but a checkpoint.
[[nodiscard]] detail::op<detail::checkpoint_awaiter> checkpoint() noexcept;

} // namespace creche

#include "runtime/task/detail/sleep.hpp"
