// parking.hpp: the list of parked tasks. All that makes one task wait for another is built on it.
//
// First come, first served (Trio's ParkingLot). Waiters are linked through the frames that await,
// so nothing is allocated. A task that was unparked goes on, also when it is cancelled before its
// turn comes (completed first): what it was handed is never lost. One that is cancelled already
// when somebody unparks is passed over.
// Own loop only. Whoever is parked when the list dies waits on until he is cancelled.
#pragma once

#include "runtime/compiler.hpp"
#include "runtime/frame.hpp"

#include <cstddef>
#include <utility>

namespace creche {

class parking;

namespace detail {

/// One wait in a parking.
class parked : public leaf {
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
  parked(task_run& r, parking& lot, const char* kind, void* where) noexcept
      : place(where), run_(r), parking_(lot), kind_(kind) {}
  ~parked() { leave(); }
  void join() noexcept;
  void leave() noexcept;
  /// It was woken, and will not look: somebody else does.
  void wake_another() noexcept;

  task_run& run_;

private:
  parking& parking_;
  const char* kind_;
};

class park_awaiter final : public parked {
public:
  park_awaiter(task_run& r, parking& lot, const char* kind, void* where) noexcept
      : parked(r, lot, kind, where) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) noexcept {
    if (run_.pending()) return run_.stop();
    run_.wait(*this);
    join(); // at once: who looked at a condition before must not miss the unpark
  }
  void await_resume() const noexcept {}
};

/// Parks unless over(): as a checkpoint does, it looks for cancellation and lets others run first.
class try_awaiter : public parked {
public:
  bool await_ready() { return (tried_ = run_.may_go_on()) && over(); }
  void await_suspend(std::coroutine_handle<>) noexcept {
    if (run_.pending()) return run_.stop();
    if (!tried_) return run_.yield(*this);
    run_.wait(*this);
    join();
  }
  bool again() override {
    if (over()) return true;
    join();
    return false;
  }

protected:
  using parked::parked;
  ~try_awaiter() = default;

private:
  /// Completes the operation if it can be.
  virtual bool over() = 0;

  bool tried_ = false;
};

template <class F> class park_unless_awaiter final : public try_awaiter {
public:
  park_unless_awaiter(task_run& r, parking& lot, const char* kind, F f) noexcept
      : try_awaiter(r, lot, kind, nullptr), f_(static_cast<F&&>(f)) {}
  void await_resume() const noexcept {}

private:
  bool over() override { return f_(); }
  F f_;
};

class park_op {
public:
  park_op(parking& lot, const char* kind, void* place) noexcept
      : parking_(lot), kind_(kind), place_(place) {}
  park_awaiter bind(task_run& r) const noexcept { return {r, parking_, kind_, place_}; }

private:
  parking& parking_;
  const char* kind_;
  void* place_;
};

template <class F> class park_unless_op {
public:
  park_unless_op(parking& lot, const char* kind, F f) noexcept
      : parking_(lot), kind_(kind), f_(static_cast<F&&>(f)) {}
  park_unless_awaiter<F> bind(task_run& r) noexcept {
    return {r, parking_, kind_, static_cast<F&&>(f_)};
  }

private:
  parking& parking_;
  const char* kind_;
  F f_;
};

} // namespace detail

struct parking_statistics {
  std::size_t waiting = 0;
  std::size_t peak = 0; ///< the most that ever waited at once
};

class parking {
public:
  parking() noexcept = default;
  parking(const parking&) = delete;
  parking& operator=(const parking&) = delete;
  ~parking();

  /// Waits until somebody unparks it. `kind`, static text, says in the tree what it waits for.
  /// Checkpoint.
  [[nodiscard]] detail::park_op park(const char* kind = "parked") noexcept {
    return {*this, kind, nullptr};
  }
  /// Looks for cancellation and lets others run when that is due; then goes on if `f()` is true,
  /// and parks if it is false. What `f` does when it gives true takes effect only if the await
  /// completes. `f` must not throw. Checkpoint.
  template <class F> [[nodiscard]] auto park_unless(F&& f, const char* kind = "parked") {
    CRECHE_NAME_IT(F);
    return detail::park_unless_op<F>(*this, kind, std::forward<F>(f));
  }

  /// Lets the first `n` go on, in turns of their own; returns how many there were.
  std::size_t unpark(std::size_t n = 1) noexcept;
  std::size_t unpark_all() noexcept { return unpark(~std::size_t{0}); }

  parking_statistics statistics() const noexcept { return {waiting_, peak_}; }

protected:
  friend class detail::parked;
  /// Who is next, or null; forgets those before him that are cancelled.
  detail::parked* first() noexcept;
  void* first_place() noexcept {
    auto* p = first();
    return p ? p->place : nullptr;
  }

private:
  void push(detail::parked& p) noexcept;
  void remove(detail::parked& p) noexcept;

  detail::parked* head_ = nullptr;
  detail::parked* tail_ = nullptr;
  std::size_t waiting_ = 0, peak_ = 0;
};

/// A parking where every waiter brings a place, in which he is handed something: fill first(), then
/// unpark().
template <class Place> class parking_of : public parking {
public:
  /// `place` outlives the await. Checkpoint.
  [[nodiscard]] detail::park_op park(Place& place, const char* kind = "parked") noexcept {
    return {*this, kind, &place};
  }
  /// The place of the one whom unpark() would let go on, or null.
  Place* first() noexcept { return static_cast<Place*>(first_place()); }
};

} // namespace creche
