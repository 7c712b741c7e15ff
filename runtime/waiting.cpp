#include "runtime/waiting.hpp"

#include "runtime/internal/ticket.hpp"

#include <thread>

namespace creche::detail {

namespace {

struct list_lock {
  std::atomic<bool>& held;
  explicit list_lock(wait_list& l) noexcept : held(l.locked) {
    while (held.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
  }
  ~list_lock() { held.store(false, std::memory_order_release); }
};

} // namespace

wait_awaiter::~wait_awaiter() {
  if (ticket_) ticket_->forget(), ticket_->drop();
  if (owner_) drop_(owner_);
}

void wait_awaiter::await_suspend(std::coroutine_handle<>) {
  if (run_.pending()) return run_.stop();
  if (!list_ || list_->over.load(std::memory_order_acquire)) return run_.yield();
  ticket_ = new internal::ticket(run_, *this);
  {
    list_lock hold(*list_);
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
  list_lock hold(*list_);
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
    list_lock hold(*this);
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
