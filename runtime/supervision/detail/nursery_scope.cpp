#include "runtime/supervision/detail/nursery_scope.hpp"

#include "runtime/supervision/internal/nursery_actor.hpp"
#include "runtime/supervision/internal/task_actor.hpp"

#include <stdexcept>

namespace creche::detail {

nursery_scope::~nursery_scope() = default;

nursery& nursery_scope::open() {
  for (auto wrong : {complaint(options_.budget), complaint(options_.limits)})
    if (!wrong.empty())
      throw std::invalid_argument(std::string(options_.name) + ": " + std::string(wrong));
  intercepts = true;
  auto& owner = static_cast<internal::task_actor&>(run_);
  actor_ = internal::make_resident<internal::nursery_actor>(owner.home(), options_, &owner, this,
                                                            where_);
  join_.scope = this;
  enter(run_);
  if (pending_outside()) actor_->cancel_all(); // children see it, even if the body shields itself
  return actor_->face();
}

void nursery_scope::fail(std::exception_ptr why) noexcept {
  unmade_ = std::move(why);
  run_.finished(*this, false);
}

// First when the body is over, then when the table is empty.
void nursery_scope::complete(bool stopped) {
  if (!std::exchange(body_over_, true)) {
    auto error = std::exchange(unmade_, nullptr);
    if (stopped)
      error = take_thrown();
    else if (body_)
      error = std::move(body_.get().error);
    body_.reset();
    told_ = stopped || pending_outside();
    // a body without a checkpoint has not seen it; our own stop is no reason to hurry the children
    if (pending_outside()) actor_->cancel_all();
    run_.wait(join_, *this); // over() may come at once
    actor_->body_ended(error ? how::failed : stopped ? how::cancelled : how::completed, error);
    return;
  }
  close();
}

// Trio's rule: the end of the body is a checkpoint, and so is the wait for the children. A stop
// that comes from further out goes on from here if it was seen there, or stopped a child.
void nursery_scope::close() {
  const internal::bookkeeping books;
  if (auto list = actor_->take_failures(); !list.empty()) failures_.emplace(std::move(list));
  const bool stopped = told_ || actor_->statistics().cancelled > 0;
  std::exchange(actor_, nullptr)->end({});
  leave();
  if (failures_) return run_.go_on(*this); // a failure beside a stop wins
  if (run_.may_go_on()) return run_.go_on(*this);
  if (!run_.pending()) return run_.yield();
  if (stopped) return run_.stop();
  run_.go_on(*this);
}

void nursery_scope::cancelled_from_outside() noexcept {
  if (!actor_) return;
  if (killed)
    actor_->kill_all();
  else
    actor_->cancel_all();
}

void nursery_scope::rethrow() {
  if (failures_) throw failure_group(*failures_);
}

bool nursery_scope::join::on_mail() {
  scope->actor_->mail_came();
  return false;
}

aborted nursery_scope::join::abort() noexcept {
  if (!scope->cancelled || scope->pending_outside()) { // or it was, before somebody shielded it
    scope->told_ = true;
    scope->actor_->cancel_all();
  }
  return aborted::told; // the children end by themselves, soon
}

} // namespace creche::detail
