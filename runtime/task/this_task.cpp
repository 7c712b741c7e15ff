#include "runtime/task/this_task.hpp"

#include "runtime/loop/internal/loop.hpp"

#include <stdexcept>

namespace creche {

time_point now() {
  const auto* loop = internal::loop::current();
  if (!loop) throw std::logic_error("now(): this thread runs no loop; call it from a task");
  return loop->now();
}

} // namespace creche

namespace creche::detail {

sleep_awaiter::sleep_awaiter(task_run& run, time_point until) noexcept
    : leaf_awaiter(run), until_(until) {
  fire = [](timer& elapsed) {
    auto& self = static_cast<sleep_awaiter&>(elapsed);
    self.run_.ready(self, true); // a deadline of the same moment wins
  };
}

sleep_awaiter::~sleep_awaiter() { run_.disarm(*this); }

void sleep_awaiter::begin_wait() {
  if (until_ <= run_.now()) return run_.yield();
  run_.wait(*this);
  if (until_ != time_point::max()) run_.arm(*this, until_);
}

aborted sleep_awaiter::abort() noexcept {
  run_.disarm(*this);
  return aborted::succeeded;
}

} // namespace creche::detail
