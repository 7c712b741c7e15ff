#include "runtime/testing/waiters.hpp"

namespace creche::testing::detail {

waiter_list::~waiter_list() {
  while (first_) first_->unlink();
}

bool waiter_list::wake_all() noexcept {
  const bool any = first_ != nullptr;
  while (first_) first_->wake();
  return any;
}

void waiter_list::waiter::wake() noexcept {
  unlink();
  run_.ready(*this);
}

void waiter_list::waiter::wait_in(waiter_list& l) noexcept {
  if (run_.pending()) return run_.stop();
  list_ = &l;
  prev_ = l.last_;
  (prev_ ? prev_->next_ : l.first_) = this;
  l.last_ = this;
  run_.wait(*this);
}

creche::detail::aborted waiter_list::waiter::abort() noexcept {
  unlink();
  return creche::detail::aborted::succeeded;
}

void waiter_list::waiter::unlink() noexcept {
  auto* l = std::exchange(list_, nullptr);
  if (!l) return;
  (prev_ ? prev_->next_ : l->first_) = next_;
  (next_ ? next_->prev_ : l->last_) = prev_;
  prev_ = next_ = nullptr;
}

} // namespace creche::testing::detail
