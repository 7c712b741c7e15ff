// event_awaiter.hpp: the awaiter of runtime/sync/event.hpp.
#pragma once

#include "runtime/sync/event.hpp"

namespace creche {

namespace detail {

class event_awaiter final : public try_awaiter {
public:
  event_awaiter(task_run& run, parking& waiters, const bool& set) noexcept
      : try_awaiter(run, waiters, "event", nullptr), set_(set) {}
  void await_resume() const noexcept {}

private:
  bool over() override { return set_; }
  const bool& set_;
};

} // namespace detail

inline detail::event_op event::wait() noexcept { return {parking_, set_}; }

} // namespace creche
