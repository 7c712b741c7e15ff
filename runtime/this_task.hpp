// this_task.hpp: what a task does with itself: sleep, let others run, look for cancellation.
//
// Awaitable inside a task only. All of them are checkpoints: they look for cancellation first, even
// when they could finish at once, and no task completes more than 64 awaits in a row while others
// on its loop can run.
#pragma once

#include "runtime/frame.hpp"
#include "runtime/wheel.hpp"

namespace creche {

namespace detail {

class sleep_awaiter final : leaf, timer {
public:
  sleep_awaiter(task_run& r, time_point until) noexcept;
  ~sleep_awaiter();
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>);
  void await_resume() const noexcept {}
  const char* kind() const noexcept override { return "sleep"; }
  aborted abort() noexcept override;

private:
  task_run& run_;
  time_point until_;
};

class checkpoint_awaiter {
public:
  explicit checkpoint_awaiter(task_run& r) noexcept : run_(r) {}
  bool await_ready() const noexcept { return run_.may_go_on(); }
  void await_suspend(std::coroutine_handle<>) const noexcept {
    if (run_.pending())
      run_.stop();
    else
      run_.yield();
  }
  void await_resume() const noexcept {}

private:
  task_run& run_;
};

class sleep_op {
public:
  sleep_op(clock_duration d, time_point t, bool relative) noexcept
      : for_(d), until_(t), relative_(relative) {}
  sleep_awaiter bind(task_run& r) const noexcept {
    return {r, relative_ ? later(r.now(), for_) : until_};
  }

private:
  clock_duration for_;
  time_point until_;
  bool relative_;
};

class checkpoint_op {
public:
  checkpoint_op() noexcept {}
  checkpoint_awaiter bind(task_run& r) const noexcept { return checkpoint_awaiter(r); }
};

} // namespace detail

/// Sleeps at least that long; zero or less only lets others run. Checkpoint.
[[nodiscard]] inline detail::sleep_op sleep_for(clock_duration d) noexcept { return {d, {}, true}; }
/// Sleeps until the loop's clock reads `t`. Checkpoint.
[[nodiscard]] inline detail::sleep_op sleep_until(time_point t) noexcept { return {{}, t, false}; }
/// What this thread's loop reads on its clock. Not a checkpoint. Throws std::logic_error on a
/// thread without a loop.
[[nodiscard]] time_point now();
/// Nothing but a checkpoint.
[[nodiscard]] inline detail::checkpoint_op checkpoint() noexcept { return {}; }

} // namespace creche
