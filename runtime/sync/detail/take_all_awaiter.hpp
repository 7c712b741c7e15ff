// take_all_awaiter.hpp: the awaiter of runtime/sync/unbounded_mailbox.hpp.
#pragma once

#include "runtime/sync/unbounded_mailbox.hpp"

namespace creche::detail {

template <class T> class take_all_awaiter final : public try_awaiter {
public:
  take_all_awaiter(task_run& run, unbounded_mailbox<T>& mailbox) noexcept
      : try_awaiter(run, mailbox.takers_, "mailbox", &batch_), mailbox_(mailbox) {}
  std::vector<T> await_resume() noexcept { return std::move(batch_); }

private:
  bool over() override {
    batch_.swap(mailbox_.items_);
    return !batch_.empty();
  }
  unbounded_mailbox<T>& mailbox_;
  std::vector<T> batch_;
};

} // namespace creche::detail
