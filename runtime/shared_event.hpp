// shared_event.hpp: an event for tasks of several loops, set by anybody.
//
// A handle: copies are the same event, which lives as long as one of them. Any thread.
#pragma once

#include "runtime/crossing.hpp"
#include "runtime/event.hpp"

namespace creche {

namespace detail {

struct shared_event_state final : crossing {
  bool set = false;
  parking waiters;
};

class shared_event_awaiter final : public crossing_wait {
public:
  shared_event_awaiter(task_run& r, shared_event_state& s) noexcept
      : crossing_wait(r, s, s.waiters, "event", nullptr), state_(s) {}
  ~shared_event_awaiter() { withdraw(); }
  void await_resume() const noexcept {}

private:
  bool over() override { return state_.set; }
  shared_event_state& state_;
};

class shared_event_op {
public:
  explicit shared_event_op(shared_event_state& s) noexcept : state_(s) {}
  shared_event_awaiter bind(task_run& r) const noexcept { return {r, state_}; }

private:
  shared_event_state& state_;
};

} // namespace detail

class shared_event {
public:
  shared_event() : state_(new detail::shared_event_state) {}

  /// Idempotent; never blocks. Any thread, with a loop or without. Not a checkpoint.
  void set() const noexcept {
    detail::crossing::section one(*state_);
    state_->set = true;
    state_->waiters.unpark_all();
  }
  bool is_set() const noexcept {
    detail::crossing::section one(*state_);
    return state_->set;
  }
  /// Goes on once it is set; for tasks of any loop. What was done before set() is seen after it.
  /// Checkpoint, also when it is set already.
  [[nodiscard]] detail::shared_event_op wait() const noexcept {
    return detail::shared_event_op(*state_);
  }

  event_statistics statistics() const noexcept {
    detail::crossing::section one(*state_);
    return {state_->set, state_->waiters.statistics().waiting};
  }

private:
  detail::crossing_ptr<detail::shared_event_state> state_;
};

} // namespace creche
