#include "runtime/sync/detail/crossing.hpp"

#include "runtime/task/internal/ticket.hpp"

namespace creche::detail {

void crossing::lock() noexcept { lock_.lock(); }

void crossing::unlock() noexcept {
  auto* ticket = std::exchange(woken_, nullptr);
  woken_end_ = &woken_;
  lock_.unlock();
  while (ticket) {
    auto* next = std::exchange(ticket->following, nullptr);
    ticket->send();
    ticket = next;
  }
}

crossing_wait::~crossing_wait() {
  withdraw();
  if (holds_) crossing_.release();
}

void crossing_wait::withdraw() noexcept {
  auto* ticket = std::exchange(ticket_, nullptr);
  if (!ticket) return;
  {
    crossing::section alone(crossing_);
    leave();
  }
  ticket->forget();
  ticket->release();
}

bool crossing_wait::await_ready() {
  tried_ = run_.may_go_on();
  if (!tried_) return false;
  crossing::section alone(crossing_);
  return over();
}

void crossing_wait::begin_wait() {
  crossing_.add_ref(); // the handle may be gone when the wait ends
  holds_ = true;
  if (!tried_) return run_.yield(*this);
  if (try_or_join()) return run_.go_on_at_once();
  run_.wait(*this); // before the news can come: it comes in a turn of this thread
}

bool crossing_wait::again() { return try_or_join(); }

bool crossing_wait::try_or_join() {
  auto* ticket = new internal::ticket(run_, *this);
  {
    crossing::section alone(crossing_);
    if (!over()) {
      ticket_ = ticket;
      join();
      return false;
    }
  }
  ticket->release();
  return true;
}

aborted crossing_wait::abort() noexcept {
  if (!ticket_) return aborted::succeeded; // it only yielded
  crossing::section alone(crossing_);
  if (!list) return aborted::refused; // served: the news is on its way
  leave();
  return aborted::succeeded;
}

void crossing_wait::unparked() noexcept {
  ticket_->add_ref();
  *crossing_.woken_end_ = ticket_;
  crossing_.woken_end_ = &ticket_->following;
}

} // namespace creche::detail
