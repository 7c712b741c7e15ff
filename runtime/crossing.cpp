#include "runtime/crossing.hpp"

#include "runtime/internal/spin.hpp"
#include "runtime/internal/ticket.hpp"

namespace creche::detail {

void crossing::lock() noexcept { internal::spin_lock(locked_); }

void crossing::unlock() noexcept {
  auto* t = std::exchange(woken_, nullptr);
  woken_end_ = &woken_;
  internal::spin_unlock(locked_);
  while (t) {
    auto* next = std::exchange(t->following, nullptr);
    t->send();
    t = next;
  }
}

crossing_wait::~crossing_wait() {
  withdraw();
  if (holds_) crossing_.drop();
}

void crossing_wait::withdraw() noexcept {
  auto* t = std::exchange(ticket_, nullptr);
  if (!t) return;
  {
    crossing::section one(crossing_);
    leave();
  }
  t->forget();
  t->drop();
}

bool crossing_wait::await_ready() {
  tried_ = run_.may_go_on();
  if (!tried_) return false;
  crossing::section one(crossing_);
  return over();
}

bool crossing_wait::await_suspend(std::coroutine_handle<>) {
  if (run_.pending()) return run_.stop(), true;
  crossing_.hold(); // the handle may be gone when the wait ends
  holds_ = true;
  if (!tried_) return run_.yield(*this), true;
  if (try_or_join()) return false;
  run_.wait(*this); // before the news can come: it comes in a turn of this thread
  return true;
}

bool crossing_wait::again() { return try_or_join(); }

bool crossing_wait::try_or_join() {
  auto* t = new internal::ticket(run_, *this);
  {
    crossing::section one(crossing_);
    if (!over()) {
      ticket_ = t;
      join();
      return false;
    }
  }
  t->drop();
  return true;
}

aborted crossing_wait::abort() noexcept {
  if (!ticket_) return aborted::succeeded; // it only yielded
  crossing::section one(crossing_);
  if (!list) return aborted::refused; // served: the news is on its way
  leave();
  return aborted::succeeded;
}

void crossing_wait::unparked() noexcept {
  ticket_->hold();
  *crossing_.woken_end_ = ticket_;
  crossing_.woken_end_ = &ticket_->following;
}

} // namespace creche::detail
