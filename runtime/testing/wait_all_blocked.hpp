// wait_all_blocked.hpp: goes on when nobody else can. (Trio's wait_all_tasks_blocked.)
#pragma once

#include "runtime/testing/waiters.hpp"

namespace creche::testing {

namespace detail {

class all_blocked_awaiter final : waiter_list::waiter {
public:
  explicit all_blocked_awaiter(creche::detail::task_run& r) noexcept : waiter(r, "all blocked") {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>);
  void await_resume() const noexcept {}
};

class all_blocked_op {
public:
  all_blocked_op() noexcept {}
  all_blocked_awaiter bind(creche::detail::task_run& r) const noexcept {
    return all_blocked_awaiter(r);
  }
};

} // namespace detail

/// Goes on when every other task of the system is blocked, before the clock jumps. Of several that
/// wait all go on. Checkpoint. Throws std::logic_error outside a virtual run: where loops have
/// threads, nobody knows.
[[nodiscard]] inline detail::all_blocked_op wait_all_blocked() noexcept { return {}; }

} // namespace creche::testing
