#include "actors/stack/hold.hpp"

namespace creche {

holds::~holds() { forget_holds(); }

void holds::forget_holds() noexcept {
  while (first_) first_->unlink();
}

void holds::publish() noexcept {
  blame_.store(first_ ? first_->why_ : "", std::memory_order_relaxed);
}

void hold::link() noexcept {
  next_ = whom_->first_;
  prev_ = nullptr;
  if (next_) next_->prev_ = this;
  whom_->first_ = this;
  ++whom_->count_;
  whom_->publish();
}

void hold::unlink() noexcept {
  (prev_ ? prev_->next_ : whom_->first_) = next_;
  if (next_) next_->prev_ = prev_;
  --whom_->count_;
  whom_->publish();
  whom_ = nullptr;
  prev_ = next_ = nullptr;
}

void hold::take(hold& o) noexcept {
  if (!o.whom_) return;
  o.whom_->must_be_home(o.why_);
  whom_ = o.whom_;
  why_ = o.why_;
  o.unlink();
  link();
}

void hold::release() noexcept {
  auto* w = whom_;
  if (!w) return;
  w->must_be_home(why_);
  unlink();
  if (!w->any()) w->released();
}

} // namespace creche
