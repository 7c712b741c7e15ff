// crossing.hpp: waits that other loops and plain threads may end.
//
// The state is counted and guarded by a spin lock that is held for a few stores. A waiter lives in
// the frame that awaits, whose loop is told by a ticket once somebody has unparked it. Between the
// unpark and its news a cancel is refused: the wait ends by itself, and keeps what it was handed.
#pragma once

#include "runtime/loop/detail/spin.hpp"
#include "runtime/memory/counted.hpp"
#include "runtime/memory/pool.hpp"
#include "runtime/sync/parking.hpp"

namespace creche::internal {
class ticket;
}

namespace creche::detail {

/// What handles share.
class crossing : public counted<crossing>, public pooled {
public:
  crossing() noexcept = default;

  /// One thread at a time is in it; the waits that it unparks are told when it is over.
  class section {
  public:
    explicit section(crossing& entered) noexcept : crossing_(entered) { entered.lock(); }
    section(const section&) = delete;
    ~section() { crossing_.unlock(); }

  private:
    crossing& crossing_;
  };

protected:
  virtual ~crossing() = default;

private:
  friend counted;
  friend class crossing_wait;
  void lock() noexcept;
  void unlock() noexcept;

  internal::spin_lock lock_;
  internal::ticket* woken_ = nullptr; // in the order they were unparked
  internal::ticket** woken_end_ = &woken_;
};

/// As try_awaiter: a checkpoint that parks unless over(), which is called in a section.
class crossing_wait : public parked {
public:
  bool await_ready();
  bool again() override;
  aborted abort() noexcept override;
  void unparked() noexcept override;
  bool stops() const noexcept override { return false; } // no other thread may ask its task

protected:
  crossing_wait(task_run& run, crossing& state, parking& lot, const char* kind,
                void* its_place) noexcept
      : parked(run, lot, kind, its_place), crossing_(state) {}
  ~crossing_wait();
  /// From the destructor of the class that owns the place: nobody fills it after this.
  void withdraw() noexcept;

private:
  void begin_wait() override;
  virtual bool over() = 0;
  bool try_or_join();

  crossing& crossing_;
  internal::ticket* ticket_ = nullptr; // once it has begun to wait
  bool tried_ = false, holds_ = false;
};

} // namespace creche::detail
