#include "runtime/testing/detail/waiters.hpp"

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

void waiter_list::waiter::wait_in(waiter_list& list) noexcept {
  list_ = &list;
  prev_ = list.last_;
  (prev_ ? prev_->next_ : list.first_) = this;
  list.last_ = this;
  run_.wait(*this);
}

creche::detail::aborted waiter_list::waiter::abort() noexcept {
  unlink();
  return creche::detail::aborted::succeeded;
}

void waiter_list::waiter::unlink() noexcept {
  auto* list = std::exchange(list_, nullptr);
  if (!list) return;
  (prev_ ? prev_->next_ : list->first_) = next_;
  (next_ ? next_->prev_ : list->last_) = prev_;
  prev_ = next_ = nullptr;
}

} // namespace creche::testing::detail
