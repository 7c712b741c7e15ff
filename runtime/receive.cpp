#include "runtime/receive.hpp"

#include "runtime/internal/task_actor.hpp"

namespace creche::detail {

// task_run is a base of nothing but task_actor
static internal::task_actor& actor_of(task_run& r) noexcept {
  return static_cast<internal::task_actor&>(r);
}

bool mail_wait::find() noexcept {
  auto& a = actor_of(run_);
  if (!found_) found_ = a.find_mail(types_, size_, seen_);
  if (!found_) seen_ = a.last_mail(); // nobody but this await takes any meanwhile
  return found_ != nullptr;
}

void mail_wait::suspend() {
  if (run_.pending()) return run_.stop();
  if (find()) return run_.yield();
  run_.wait(*this);
}

mail& mail_wait::take() noexcept {
  actor_of(run_).take_mail(*found_);
  return *found_;
}

} // namespace creche::detail
