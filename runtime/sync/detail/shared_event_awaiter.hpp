// shared_event_awaiter.hpp: what the handles of runtime/sync/shared_event.hpp share, and its
// awaiter.
#pragma once

#include "runtime/sync/detail/crossing.hpp"
#include "runtime/sync/shared_event.hpp"

namespace creche {

namespace detail {

struct shared_event_state final : crossing {
  bool set = false;
  parking waiters;
};

class shared_event_awaiter final : public crossing_wait {
public:
  shared_event_awaiter(task_run& run, shared_event_state& state) noexcept
      : crossing_wait(run, state, state.waiters, "event", nullptr), state_(state) {}
  ~shared_event_awaiter() { withdraw(); }
  void await_resume() const noexcept {}

private:
  bool over() override { return state_.set; }
  shared_event_state& state_;
};

} // namespace detail

inline shared_event::shared_event() : state_(new detail::shared_event_state) {}
inline void shared_event::set() const noexcept {
  detail::crossing::section alone(*state_);
  state_->set = true;
  state_->waiters.unpark_all();
}
inline bool shared_event::is_set() const noexcept {
  detail::crossing::section alone(*state_);
  return state_->set;
}
inline detail::shared_event_op shared_event::wait() const noexcept { return {*state_}; }
inline event_statistics shared_event::statistics() const noexcept {
  detail::crossing::section alone(*state_);
  return {state_->set, state_->waiters.statistics().waiting};
}

} // namespace creche
