// waiters.hpp: tasks that wait until they are let go on; what the test kit's awaits stand on.
//
// Not thread safe. In a virtual run all loops share one thread, and so may a list.
#pragma once

#include "runtime/task/detail/frame.hpp"

namespace creche::testing::detail {

/// Waiting tasks, in the order they came. Those that are in it when it is destroyed wait until they
/// are cancelled.
class waiter_list {
public:
  class waiter;
  waiter_list() = default;
  waiter_list(const waiter_list&) = delete;
  ~waiter_list();

  bool empty() const noexcept { return first_ == nullptr; }
  /// Lets all go on that wait now. Returns whether there were any.
  bool wake_all() noexcept;
  /// The first that waits, or null.
  waiter* first() const noexcept { return first_; }

private:
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

/// One wait. Its frame is its home.
class waiter_list::waiter : public creche::detail::leaf_awaiter {
public:
  /// Goes on, once, in a turn of its own.
  void wake() noexcept;
  waiter* next() const noexcept { return next_; }

protected:
  waiter(creche::detail::task_run& run, const char* kind) noexcept
      : leaf_awaiter(run), kind_(kind) {}
  virtual ~waiter() { unlink(); }

  /// For begin_wait.
  void wait_in(waiter_list& list) noexcept;
  creche::detail::task_run& run() const noexcept { return run_; }

private:
  friend class waiter_list;
  const char* kind() const noexcept final { return kind_; }
  creche::detail::aborted abort() noexcept final;
  void unlink() noexcept;

  const char* kind_;
  waiter_list* list_ = nullptr;
  waiter* prev_ = nullptr;
  waiter* next_ = nullptr;
};

} // namespace creche::testing::detail
