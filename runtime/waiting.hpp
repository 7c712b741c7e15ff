// waiting.hpp: waiting for the end of something that may live on another loop: a child, a scope.
//
// The list is a member of what ends, which is counted; whoever waits holds one reference. Ending
// and waiting may happen on any thread; a task is woken on its own loop.
#pragma once

#include "runtime/frame.hpp"

#include <atomic>

namespace creche::internal {
class ticket;
}

namespace creche::detail {

struct wait_list {
  std::atomic<bool> locked{false};
  std::atomic<bool> over{false};
  internal::ticket* first = nullptr;

  /// What is to be seen by those who waited was written before. Idempotent.
  void end() noexcept;
  /// It is not over after all: those who come now wait.
  void begin() noexcept { over.store(false, std::memory_order_release); }
};

/// A checkpoint, also when it is over already.
class wait_awaiter final : leaf {
public:
  /// Takes over one reference to `owner`, whose member the list is; null: over already.
  wait_awaiter(task_run& r, wait_list* l, const char* kind, void* owner,
               void (*drop)(void*) noexcept) noexcept
      : run_(r), list_(l), kind_(kind), owner_(owner), drop_(drop) {}
  ~wait_awaiter();
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>);
  void await_resume() const noexcept {}
  const char* kind() const noexcept override { return kind_; }
  aborted abort() noexcept override;

private:
  task_run& run_;
  wait_list* list_;
  const char* kind_;
  void* owner_;
  void (*drop_)(void*) noexcept;
  internal::ticket* ticket_ = nullptr;
};

/// What is awaited. Owns the reference until then.
class wait_op {
public:
  wait_op(wait_list* l, const char* kind, void* owner, void (*drop)(void*) noexcept) noexcept
      : list_(l), kind_(kind), owner_(owner), drop_(drop) {}
  wait_op(wait_op&& o) noexcept
      : list_(o.list_), kind_(o.kind_), owner_(std::exchange(o.owner_, nullptr)), drop_(o.drop_) {}
  ~wait_op() {
    if (owner_) drop_(owner_);
  }
  wait_awaiter bind(task_run& r) && noexcept {
    return {r, list_, kind_, std::exchange(owner_, nullptr), drop_};
  }

private:
  wait_list* list_;
  const char* kind_;
  void* owner_;
  void (*drop_)(void*) noexcept;
};

} // namespace creche::detail
