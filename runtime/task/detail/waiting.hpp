// waiting.hpp: waiting for the end of something that may live on another loop: a child, a scope.
//
// The list is a member of what ends, which is counted; each waiting task holds one reference.
// Ending and waiting may happen on any thread; a task is woken on its own loop.
#pragma once

#include "runtime/loop/detail/spin.hpp"
#include "runtime/task/detail/frame.hpp"

#include <atomic>
#include <cstdint>

namespace creche::internal {
class ticket;
}

namespace creche::detail {

/// First come, first served. To come, to be cancelled and to be woken take the same time whatever
/// the length.
struct wait_list {
  internal::ticket* first = nullptr;
  internal::spin_lock lock;
  std::atomic<bool> over{false};

  /// REQUIRES: what the waiting tasks will read was written before. Idempotent.
  void end() noexcept;
  /// It is not over after all: tasks that come now wait.
  void begin() noexcept { over.store(false, std::memory_order_release); }
};
static_assert(sizeof(wait_list) <= 16, "every child has one");

/// A checkpoint, also when it is over already.
class wait_awaiter final : public leaf_awaiter {
public:
  /// Takes over one reference to `owner`, whose member the list is; null: over already. An end that
  /// `must_be_seen` is told also to a task that was cancelled before it came; null: none.
  wait_awaiter(task_run& run, wait_list* list, const char* kind, void* owner,
               void (*release)(void*) noexcept, bool (*must_be_seen)(const void*) noexcept,
               std::string (*name)(const void*)) noexcept
      : leaf_awaiter(run), list_(list), kind_(kind), owner_(owner), release_(release),
        must_be_seen_(must_be_seen), name_(name) {}
  ~wait_awaiter();
  bool await_ready() const noexcept { return false; }
  void await_resume() const noexcept {}
  const char* kind() const noexcept override { return kind_; }
  std::string subject() const override { return name_ ? name_(owner_) : std::string(); }
  aborted abort() noexcept override;
  bool may_be_missed() const noexcept override { return !must_be_seen_ || !must_be_seen_(owner_); }

private:
  void begin_wait() override;
  wait_list* list_;
  const char* kind_;
  void* owner_;
  void (*release_)(void*) noexcept;
  bool (*must_be_seen_)(const void*) noexcept;
  std::string (*name_)(const void* owner); // null: it has none
  internal::ticket* ticket_ = nullptr;
};

/// What is awaited. Owns the reference until then.
class wait_op {
public:
  wait_op(wait_list* list, const char* kind, void* owner, void (*release)(void*) noexcept,
          bool (*must_be_seen)(const void*) noexcept = nullptr,
          std::string (*name)(const void*) = nullptr) noexcept
      : list_(list), kind_(kind), owner_(owner), release_(release), must_be_seen_(must_be_seen),
        name_(name) {}
  wait_op(wait_op&& other) noexcept
      : list_(other.list_), kind_(other.kind_), owner_(std::exchange(other.owner_, nullptr)),
        release_(other.release_), must_be_seen_(other.must_be_seen_), name_(other.name_) {}
  ~wait_op() {
    if (owner_) release_(owner_);
  }
  wait_awaiter bind(task_run& run) && noexcept {
    return {run, list_, kind_, std::exchange(owner_, nullptr), release_, must_be_seen_, name_};
  }

private:
  wait_list* list_;
  const char* kind_;
  void* owner_;
  void (*release_)(void*) noexcept;
  bool (*must_be_seen_)(const void*) noexcept;
  std::string (*name_)(const void* owner);
};

} // namespace creche::detail
