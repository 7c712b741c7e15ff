#include "runtime/crossing.hpp"

#include "runtime/internal/runtime_system.hpp"
#include "runtime/internal/task_actor.hpp"

#include <thread>

namespace creche::detail {

// What travels to the waiter's loop; whoever of the two lives longer frees it.
struct crossing_ticket : internal::wakeup, pooled {
  std::atomic<int> refs{1};
  crossing_wait* waiter; // home thread; null when it no longer waits
  internal::loop& home;
  internal::door* gate = nullptr;
  crossing_ticket* next_woken = nullptr;

  crossing_ticket(crossing_wait& w, internal::loop& l) : waiter(&w), home(l) {
    if (home.owner) gate = &home.owner->gate();
    if (gate) gate->hold();
    fire = [](internal::wakeup& t, bool run) noexcept {
      auto& self = static_cast<crossing_ticket&>(t);
      run ? self.tell() : self.drop();
    };
  }
  ~crossing_ticket() {
    if (gate) gate->drop();
  }
  void drop() noexcept {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void tell() noexcept { // home thread
    if (auto* w = std::exchange(waiter, nullptr)) w->told();
    drop();
  }
  void send() noexcept { // any thread
    if (home.at_home()) return tell();
    // a loop outlives the turns of the other loops of its system, but no foreign thread
    if (auto* l = internal::loop::current(); !gate || (l && l->owner == home.owner))
      return home.post(*this);
    std::lock_guard hold(gate->lock);
    if (gate->closed) return drop();
    home.post(*this);
  }
};

void crossing::lock() noexcept {
  while (locked_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
}

void crossing::unlock() noexcept {
  auto* t = std::exchange(woken_, nullptr);
  woken_end_ = &woken_;
  locked_.store(false, std::memory_order_release);
  while (t) {
    auto* next = std::exchange(t->next_woken, nullptr);
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
  t->waiter = nullptr;
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
  auto* t = new crossing_ticket(*this, static_cast<internal::task_actor&>(run_).home());
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
  ticket_->refs.fetch_add(1, std::memory_order_relaxed);
  *crossing_.woken_end_ = ticket_;
  crossing_.woken_end_ = &ticket_->next_woken;
}

} // namespace creche::detail
