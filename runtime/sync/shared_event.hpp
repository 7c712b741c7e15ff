// shared_event.hpp: an event for tasks of several loops, set by anybody.
//
// A handle: copies are the same event, which lives as long as one of them. Any thread.
#pragma once

#include "runtime/memory/counted.hpp"
#include "runtime/sync/event.hpp"

namespace creche {

namespace detail {
class shared_event_awaiter;
struct shared_event_state;
using shared_event_op = op<shared_event_awaiter, shared_event_state&>;
} // namespace detail

class shared_event {
public:
  shared_event();

  /// Idempotent; never blocks. Any thread, with a loop or without. Not a checkpoint.
  void set() const noexcept;
  bool is_set() const noexcept;
  /// Goes on once it is set; for tasks of any loop. What was done before set() is seen after it.
  /// Checkpoint, also when it is set already.
  [[nodiscard]] detail::shared_event_op wait() const noexcept;

  event_statistics statistics() const noexcept;

private:
  detail::counted_ptr<detail::shared_event_state> state_;
};

} // namespace creche

#include "runtime/sync/detail/shared_event_awaiter.hpp"
