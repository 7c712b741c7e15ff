#include "runtime/waiting.hpp"

#include "runtime/internal/spin.hpp"
#include "runtime/internal/ticket.hpp"

namespace creche::detail {

wait_awaiter::~wait_awaiter() {
  if (ticket_) ticket_->forget(), ticket_->drop();
  if (owner_) drop_(owner_);
}

void wait_awaiter::await_suspend(std::coroutine_handle<>) {
  if (run_.pending()) return run_.stop();
  if (!list_ || list_->over.load(std::memory_order_acquire)) return run_.yield();
  ticket_ = new internal::ticket(run_, *this);
  {
    const internal::spin_guard hold(list_->locked);
    if (!list_->over.load(std::memory_order_relaxed)) {
      ticket_->hold(); // the list's
      ticket_->following = std::exchange(list_->first, ticket_);
      return run_.wait(*this);
    }
  }
  std::exchange(ticket_, nullptr)->drop();
  run_.yield();
}

aborted wait_awaiter::abort() noexcept {
  ticket_->forget();
  const internal::spin_guard hold(list_->locked);
  for (auto** at = &list_->first; *at; at = &(*at)->following) {
    if (*at != ticket_) continue;
    *at = ticket_->following;
    ticket_->drop(); // the list's
    break;
  }
  return aborted::succeeded;
}

void wait_list::end() noexcept {
  internal::ticket* t;
  {
    const internal::spin_guard hold(locked);
    over.store(true, std::memory_order_release);
    t = std::exchange(first, nullptr);
  }
  while (t) {
    auto* next = t->following;
    t->send();
    t = next;
  }
}

} // namespace creche::detail
