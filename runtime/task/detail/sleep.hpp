// sleep.hpp: the awaiters of runtime/task/this_task.hpp.
#pragma once

#include "runtime/task/detail/frame.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/time/wheel.hpp"

namespace creche {

namespace detail {

class sleep_awaiter final : public leaf_awaiter, timer {
public:
  sleep_awaiter(task_run& run, clock_duration span) noexcept
      : sleep_awaiter(run, later(run.now(), span)) {}
  sleep_awaiter(task_run& run, time_point until) noexcept;
  ~sleep_awaiter();
  bool await_ready() const noexcept { return false; }
  void await_resume() const noexcept {}
  const char* kind() const noexcept override { return "sleep"; }
  aborted abort() noexcept override;

private:
  void begin_wait() override;
  time_point until_;
};

class stopping_awaiter final : public leaf_awaiter {
public:
  explicit stopping_awaiter(task_run& run) noexcept : leaf_awaiter(run) {}
  bool await_ready() const noexcept { return false; }
  void await_resume() const noexcept {}
  const char* kind() const noexcept override { return "stop"; }
  bool on_told_to_stop() noexcept override { return true; }
  aborted abort() noexcept override { return aborted::succeeded; }

private:
  void begin_wait() override {
    if (run_.look_for_stop()) return run_.yield();
    run_.wait(*this);
  }
};

class checkpoint_awaiter {
public:
  explicit checkpoint_awaiter(task_run& run) noexcept : run_(run) {}
  bool await_ready() const noexcept { return run_.may_go_on(); }
  void await_suspend(std::coroutine_handle<>) const noexcept {
    if (run_.will_stop())
      run_.stop();
    else
      run_.yield();
  }
  void await_resume() const noexcept {}

private:
  task_run& run_;
};

} // namespace detail

inline detail::op<detail::sleep_awaiter, clock_duration> sleep_for(time_span span) noexcept {
  return {span};
}
inline detail::op<detail::sleep_awaiter, time_point> sleep_until(time_point due) noexcept {
  return {due};
}
inline detail::op<detail::stopping_awaiter> stopping() noexcept { return {}; }
inline bool is_stopping() noexcept {
  auto* run = detail::task_run::current_run();
  return run && run->look_for_stop();
}
inline detail::op<detail::checkpoint_awaiter> checkpoint() noexcept { return {}; }

} // namespace creche
