// news.hpp: the await of a probe: waits for the next value.
#pragma once

#include "runtime/task/detail/op.hpp"
#include "runtime/testing/detail/waiters.hpp"

namespace creche::testing::detail {

/// Waits for the next wake_all() of a list.
class news_awaiter final : public waiter_list::waiter {
public:
  news_awaiter(creche::detail::task_run& run, waiter_list& list) noexcept
      : waiter(run, "probe"), list_(list) {}
  bool await_ready() const noexcept { return false; }
  void await_resume() const noexcept {}

private:
  void begin_wait() noexcept override { wait_in(list_); }
  waiter_list& list_;
};
using news_op = creche::detail::op<news_awaiter, waiter_list&>;

} // namespace creche::testing::detail
