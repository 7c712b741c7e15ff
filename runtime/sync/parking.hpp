// parking.hpp: the list of parked tasks. All that makes one task wait for another is built on it.
//
// First come, first served (Trio's ParkingLot). Waiters are linked through the frames that await,
// so nothing is allocated. A task that was unparked goes on, also when it is cancelled before its
// turn comes (completed first): what it was handed is never lost. One that is cancelled already
// when somebody unparks is passed over.
// Own loop only, that of the task that parks first: on another loop a wait or an unpark throws
// std::logic_error. What is parked when the list dies waits on until it is cancelled.
#pragma once

#include "runtime/sync/detail/own_loop.hpp"
#include "runtime/task/compiler.hpp"
#include "runtime/task/detail/op.hpp"

#include <cstddef>
#include <utility>

namespace creche {

class parking;

namespace detail {
class parked;
class park_awaiter;
template <class F> class park_unless_awaiter;
using park_op = op<park_awaiter, parking&, const char*, void*>;
template <class F> using park_unless_op = op<park_unless_awaiter<F>, parking&, const char*, F>;
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
  [[nodiscard]] detail::park_op park(const char* kind = "parked") noexcept;
  /// Looks for cancellation and lets others run when that is due; then goes on if `done()` is true,
  /// and parks if it is false. What `done` does when it gives true takes effect only if the await
  /// completes. `done` must not throw. Checkpoint.
  template <class F> [[nodiscard]] auto park_unless(F&& done, const char* kind = "parked") {
    CRECHE_NAME_IT(F);
    return detail::park_unless_op<F>(*this, kind, std::forward<F>(done));
  }

  /// Lets the first `n` go on, in turns of their own; returns how many there were.
  std::size_t unpark(std::size_t n = 1);
  std::size_t unpark_all() { return unpark(~std::size_t{0}); }

  /// Throws std::logic_error, about `what`, on another loop than its own.
  void must_be_home(const char* what) const { loop_.touch(what); }

  parking_statistics statistics() const noexcept { return {waiting_, peak_}; }

protected:
  friend class detail::parked;
  /// The next one, or null; forgets those before it that are cancelled.
  detail::parked* first() noexcept;
  void* first_place() noexcept { return head_ ? place_of_first() : nullptr; }

private:
  void* place_of_first() noexcept;
  void push(detail::parked& waiter) noexcept;
  void remove(detail::parked& waiter) noexcept;

  detail::own_loop loop_; // not of one that several loops share
  detail::parked* head_ = nullptr;
  detail::parked* tail_ = nullptr;
  std::size_t waiting_ = 0, peak_ = 0;
};

/// A parking where every waiter brings a place in which it is handed something: fill first(), then
/// unpark().
template <class Place> class parking_of : public parking {
public:
  /// `place` outlives the await. Checkpoint.
  [[nodiscard]] detail::park_op park(Place& place, const char* kind = "parked") noexcept;
  /// The place of the one that unpark() would let go on, or null.
  Place* first() noexcept { return static_cast<Place*>(first_place()); }
};

} // namespace creche

#include "runtime/sync/detail/parked.hpp"
