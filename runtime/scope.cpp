#include "runtime/scope.hpp"

namespace creche::detail {

scope_with_deadline::scope_with_deadline(task_run& r, clock_duration limit) noexcept
    : run_(r), limit_(limit) {
  fire = [](timer& t) { static_cast<scope_with_deadline&>(t).cancel(); };
}

scope_with_deadline::~scope_with_deadline() { run_.disarm(*this); }

void scope_with_deadline::open() {
  if (limit_ <= clock_duration::zero()) cancel();
  enter(run_);
  if (limit_ > clock_duration::zero() && limit_ != no_limit)
    run_.arm(*this, later(run_.now(), limit_));
}

void scope_with_deadline::close() noexcept {
  run_.disarm(*this);
  leave();
}

} // namespace creche::detail
