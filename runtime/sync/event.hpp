// event.hpp: something that happens once, and tasks that wait for it (Trio's Event: no clear).
#pragma once

#include "runtime/sync/parking.hpp"

namespace creche {

struct event_statistics {
  bool set = false;
  std::size_t waiting = 0;
};

namespace detail {
class event_awaiter;
using event_op = op<event_awaiter, parking&, const bool&>;
} // namespace detail

/// Own loop only, that of the task that first waits for it: elsewhere std::logic_error is thrown.
/// It outlives the tasks that wait for it. shared_event (runtime/sync/shared_event.hpp) is for
/// several loops.
class event {
public:
  event() noexcept = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  /// Idempotent; lets all waiters go on, in the order they came. Not a checkpoint.
  void set() {
    parking_.unpark_all();
    set_ = true;
  }
  bool is_set() const noexcept { return set_; }
  /// Goes on once it is set. Checkpoint, also when it is set already.
  [[nodiscard]] detail::event_op wait() noexcept;

  event_statistics statistics() const noexcept { return {set_, parking_.statistics().waiting}; }

private:
  bool set_ = false;
  parking parking_;
};

} // namespace creche

#include "runtime/sync/detail/event_awaiter.hpp"
