// parked.hpp: the awaiters of runtime/sync/parking.hpp.
#pragma once

#include "runtime/sync/parking.hpp"
#include "runtime/task/detail/frame.hpp"

namespace creche {

namespace detail {

/// One wait in a parking.
class parked : public leaf_awaiter {
public:
  const char* kind() const noexcept override { return kind_; }
  aborted abort() noexcept override;

  // ---- for its parking
  /// It was taken off the list.
  virtual void unparked() noexcept { run_.ready(*this); }
  /// It is cancelled, and will be aborted in its task's next turn.
  virtual bool stops() const noexcept { return run_.will_stop(); }
  /// It stops, and somebody else was taken in its place.
  void passed_over() noexcept { run_.must_stop(); }

  void* const place;
  parking* list = nullptr; // where it is linked, or null
  parked* prev = nullptr;
  parked* next = nullptr;

protected:
  parked(task_run& run, parking& lot, const char* kind, void* its_place) noexcept
      : leaf_awaiter(run), place(its_place), parking_(lot), kind_(kind) {}
  ~parked() { leave(); }
  void join() noexcept;
  /// Throws std::logic_error on another loop than the parking's own.
  void must_be_home() { parking_.loop_.wait_on(run_.home(), kind_); }
  void leave() noexcept {
    if (list) unlink();
  }
  /// It was woken, and will not look: somebody else does.
  void wake_another() noexcept;

private:
  void unlink() noexcept;

  parking& parking_;
  const char* kind_;
};

class park_awaiter final : public parked {
public:
  park_awaiter(task_run& run, parking& lot, const char* kind, void* its_place) noexcept
      : parked(run, lot, kind, its_place) {}
  bool await_ready() {
    must_be_home();
    return false;
  }
  void await_resume() const noexcept {}

private:
  void begin_wait() noexcept override {
    run_.wait(*this);
    join(); // at once: a task that looked at a condition before must not miss the unpark
  }
};

/// Parks unless over(): as a checkpoint does, it looks for cancellation and lets others run first.
class try_awaiter : public parked {
public:
  bool await_ready() {
    must_be_home();
    return ready_now();
  }
  bool again() override {
    if (over()) return true;
    join();
    return false;
  }

protected:
  using parked::parked;
  ~try_awaiter() = default;
  bool ready_now() { return (tried_ = run_.may_go_on()) && over(); }

private:
  void begin_wait() noexcept override {
    if (!tried_) return run_.yield(*this);
    run_.wait(*this);
    join();
  }
  /// Completes the operation if it can be.
  virtual bool over() = 0;

  bool tried_ = false;
};

template <class F> class park_unless_awaiter final : public try_awaiter {
public:
  park_unless_awaiter(task_run& run, parking& lot, const char* kind, F&& done) noexcept
      : try_awaiter(run, lot, kind, nullptr), done_(static_cast<F&&>(done)) {}
  void await_resume() const noexcept {}

private:
  bool over() override { return done_(); }
  F done_;
};

} // namespace detail

inline detail::park_op parking::park(const char* kind) noexcept { return {*this, kind, nullptr}; }
template <class Place>
detail::park_op parking_of<Place>::park(Place& place, const char* kind) noexcept {
  return {*this, kind, &place};
}

} // namespace creche
