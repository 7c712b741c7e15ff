#include "runtime/waiting.hpp"

#include "runtime/internal/task_actor.hpp"

#include <thread>

namespace creche::detail {

// Shared by the waiting task and the list; whoever comes second frees it.
struct wait_ticket : internal::wakeup, pooled {
  std::atomic<int> refs{2};
  internal::loop* home = nullptr;
  wait_awaiter* waiter = nullptr; // home thread; null when it no longer waits
  wait_ticket* next_ticket = nullptr;

  void drop() noexcept {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void tell() noexcept { // home thread
    if (auto* w = std::exchange(waiter, nullptr)) w->run_.ready(*w);
    drop();
  }
};

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
  if (ticket_) ticket_->drop();
  if (owner_) drop_(owner_);
}

void wait_awaiter::await_suspend(std::coroutine_handle<>) {
  if (run_.pending()) return run_.stop();
  if (!list_ || list_->over.load(std::memory_order_acquire)) return run_.yield();
  ticket_ = new wait_ticket;
  ticket_->home = &static_cast<internal::task_actor&>(run_).home();
  ticket_->waiter = this;
  ticket_->fire = [](internal::wakeup& w, bool run) noexcept {
    auto& t = static_cast<wait_ticket&>(w);
    if (run)
      t.tell();
    else
      t.drop();
  };
  {
    list_lock hold(*list_);
    if (!list_->over.load(std::memory_order_relaxed)) {
      ticket_->next_ticket = std::exchange(list_->first, ticket_);
      return run_.wait(*this);
    }
  }
  delete std::exchange(ticket_, nullptr);
  run_.yield();
}

aborted wait_awaiter::abort() noexcept {
  ticket_->waiter = nullptr;
  list_lock hold(*list_);
  for (auto** at = &list_->first; *at; at = &(*at)->next_ticket) {
    if (*at != ticket_) continue;
    *at = ticket_->next_ticket;
    ticket_->refs.fetch_sub(1, std::memory_order_relaxed); // the list's
    break;
  }
  return aborted::succeeded;
}

void wait_list::end() noexcept {
  wait_ticket* t;
  {
    list_lock hold(*this);
    over.store(true, std::memory_order_release);
    t = std::exchange(first, nullptr);
  }
  while (t) {
    auto* next = t->next_ticket;
    if (t->home->at_home())
      t->tell();
    else
      t->home->post(*t);
    t = next;
  }
}

} // namespace creche::detail
