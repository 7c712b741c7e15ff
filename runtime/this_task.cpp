#include "runtime/this_task.hpp"

#include "runtime/internal/loop.hpp"

#include <stdexcept>

namespace creche {

time_point now() {
  auto* l = internal::loop::current();
  if (!l) throw std::logic_error("now(): this thread runs no loop; call it from a task");
  return l->now();
}

} // namespace creche

namespace creche::detail {

sleep_awaiter::sleep_awaiter(task_run& r, time_point until) noexcept : run_(r), until_(until) {
  fire = [](timer& t) {
    auto& self = static_cast<sleep_awaiter&>(t);
    self.run_.ready(self);
  };
}

sleep_awaiter::~sleep_awaiter() { run_.disarm(*this); }

void sleep_awaiter::await_suspend(std::coroutine_handle<>) {
  if (run_.pending()) return run_.stop();
  if (until_ <= run_.now()) return run_.yield();
  run_.wait(*this);
  if (until_ != time_point::max()) run_.arm(*this, until_);
}

aborted sleep_awaiter::abort() noexcept {
  run_.disarm(*this);
  return aborted::succeeded;
}

} // namespace creche::detail
