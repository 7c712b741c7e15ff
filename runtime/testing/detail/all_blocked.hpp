// all_blocked.hpp: the await of wait_all_blocked.
#pragma once

#include "runtime/testing/detail/waiters.hpp"

namespace creche::testing::detail {

class all_blocked_awaiter final : public waiter_list::waiter {
public:
  explicit all_blocked_awaiter(creche::detail::task_run& run) noexcept
      : waiter(run, "all blocked") {}
  bool await_ready() const noexcept { return false; }
  void await_resume() const noexcept {}

private:
  void begin_wait() override;
};

} // namespace creche::testing::detail
