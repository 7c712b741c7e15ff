#include "runtime/messages/receive.hpp"

#include "runtime/supervision/internal/task_actor.hpp"

namespace creche::detail {

// task_run is a base of nothing but task_actor
static internal::task_actor& actor_of(task_run& run) noexcept {
  return static_cast<internal::task_actor&>(run);
}

std::string mail_wait::subject() const {
  std::string names;
  for (std::size_t i = 0; i < size_; ++i)
    names.append(i == 0 ? "" : " or ").append(types_[i]->name);
  return names;
}

bool mail_wait::find() noexcept {
  auto& self = actor_of(run_);
  const auto& box = self.mailbox();
  if (!found_) found_ = box.find_mail(types_, size_, seen_);
  // of its own mailbox only this await takes any meanwhile
  if (!found_ && &box == &self) seen_ = box.last_mail();
  return found_ != nullptr;
}

void mail_wait::begin_wait() {
  if (find()) return run_.yield(*this);
  run_.wait(*this);
}

bool mail_wait::again() {
  found_ = nullptr; // another branch may have taken it
  return find();
}

mail& mail_wait::take() noexcept {
  actor_of(run_).mailbox().take_mail(*found_);
  return *found_;
}

} // namespace creche::detail
