#include "runtime/parking.hpp"

namespace creche::detail {

void parked::join() noexcept { parking_.push(*this); }
void parked::leave() noexcept {
  if (list) list->remove(*this);
}
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

void parking::push(detail::parked& p) noexcept {
  p.list = this;
  p.prev = tail_;
  p.next = nullptr;
  (tail_ ? tail_->next : head_) = &p;
  tail_ = &p;
  if (++waiting_ > peak_) peak_ = waiting_;
}

void parking::remove(detail::parked& p) noexcept {
  p.list = nullptr;
  (p.prev ? p.prev->next : head_) = p.next;
  (p.next ? p.next->prev : tail_) = p.prev;
  --waiting_;
}

detail::parked* parking::first() noexcept {
  while (head_ && head_->stops()) {
    auto& p = *head_;
    remove(p);
    p.passed_over();
  }
  return head_;
}

std::size_t parking::unpark(std::size_t n) noexcept {
  std::size_t done = 0;
  for (; done < n; ++done) {
    auto* p = first();
    if (!p) break;
    remove(*p);
    p->unparked();
  }
  return done;
}

} // namespace creche
