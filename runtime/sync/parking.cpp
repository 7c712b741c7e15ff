#include "runtime/sync/parking.hpp"

namespace creche::detail {

void parked::join() noexcept { parking_.push(*this); }
void parked::unlink() noexcept { list->remove(*this); }
void parked::wake_another() noexcept { parking_.unpark(); }
aborted parked::abort() noexcept {
  leave();
  return aborted::succeeded;
}

} // namespace creche::detail

namespace creche {

parking::~parking() {
  while (head_) remove(*head_);
}

void parking::push(detail::parked& waiter) noexcept {
  waiter.list = this;
  waiter.prev = tail_;
  waiter.next = nullptr;
  (tail_ ? tail_->next : head_) = &waiter;
  tail_ = &waiter;
  if (++waiting_ > peak_) peak_ = waiting_;
}

void parking::remove(detail::parked& waiter) noexcept {
  waiter.list = nullptr;
  (waiter.prev ? waiter.prev->next : head_) = waiter.next;
  (waiter.next ? waiter.next->prev : tail_) = waiter.prev;
  --waiting_;
}

detail::parked* parking::first() noexcept {
  while (head_ && head_->stops()) {
    auto& cancelled = *head_;
    remove(cancelled);
    cancelled.passed_over();
  }
  return head_;
}

void* parking::place_of_first() noexcept {
  auto* next = first();
  return next ? next->place : nullptr;
}

std::size_t parking::unpark(std::size_t n) {
  loop_.touch("unpark");
  std::size_t done = 0;
  for (; done < n; ++done) {
    auto* next = first();
    if (!next) break;
    remove(*next);
    next->unparked();
  }
  return done;
}

} // namespace creche
