// crossing.hpp: waits that other loops and plain threads may end.
//
// The state is counted and guarded by a spin lock that is held for a few stores. A waiter lives in
// the frame that awaits, whose loop is told by a ticket once somebody has unparked it. Between the
// unpark and its news a cancel is refused: the wait ends by itself, and keeps what it was handed.
#pragma once

#include "runtime/parking.hpp"

#include <atomic>
#include <cstdint>

namespace creche::internal {
class ticket;
}

namespace creche::detail {

/// What handles share.
class crossing : public pooled {
public:
  crossing() noexcept = default;
  crossing(const crossing&) = delete;

  void hold() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// One at a time; whoever was unparked in it is told when it is over.
  class section {
  public:
    explicit section(crossing& c) noexcept : crossing_(c) { c.lock(); }
    section(const section&) = delete;
    ~section() { crossing_.unlock(); }

  private:
    crossing& crossing_;
  };

protected:
  virtual ~crossing() = default;

private:
  friend class crossing_wait;
  void lock() noexcept;
  void unlock() noexcept;

  std::atomic<std::uint32_t> refs_{1};
  std::atomic<bool> locked_{false};
  internal::ticket* woken_ = nullptr; // in the order they were unparked
  internal::ticket** woken_end_ = &woken_;
};

/// A counted pointer. Never null but after a move.
template <class State> class crossing_ptr {
public:
  explicit crossing_ptr(State* s) noexcept : state_(s) {}
  crossing_ptr(const crossing_ptr& o) noexcept : state_(o.state_) {
    if (state_) state_->hold();
  }
  crossing_ptr(crossing_ptr&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
  crossing_ptr& operator=(crossing_ptr o) noexcept {
    std::swap(state_, o.state_);
    return *this;
  }
  ~crossing_ptr() {
    if (state_) state_->drop();
  }
  State& operator*() const noexcept { return *state_; }
  State* operator->() const noexcept { return state_; }

private:
  State* state_;
};

/// As try_awaiter: a checkpoint that parks unless over(), which is called in a section.
class crossing_wait : public parked {
public:
  bool await_ready();
  bool await_suspend(std::coroutine_handle<>);
  bool again() override;
  aborted abort() noexcept override;
  void unparked() noexcept override;
  bool stops() const noexcept override { return false; } // nobody else may ask its task

protected:
  crossing_wait(task_run& r, crossing& c, parking& lot, const char* kind, void* at) noexcept
      : parked(r, lot, kind, at), crossing_(c) {}
  ~crossing_wait();
  /// From the destructor of the class that owns the place: nobody fills it after this.
  void withdraw() noexcept;

private:
  virtual bool over() = 0;
  bool try_or_join();

  crossing& crossing_;
  internal::ticket* ticket_ = nullptr; // once it has begun to wait
  bool tried_ = false, holds_ = false;
};

} // namespace creche::detail
