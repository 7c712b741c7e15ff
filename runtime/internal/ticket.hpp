// ticket.hpp: news for a task that waits, from any loop or thread.
//
// Shared by the wait and by whoever will end it; the last of them frees it. The task's loop may be
// gone by the time the news comes, with its whole system: the ticket knows, and drops the news.
#pragma once

#include "runtime/internal/runtime_system.hpp"
#include "runtime/internal/task_actor.hpp"

namespace creche::internal {

class ticket final : public wakeup, public detail::pooled {
public:
  /// For `waiter` in task `r`. The caller's reference.
  ticket(detail::task_run& r, detail::leaf& waiter)
      : run_(&r), waiter_(&waiter), home_(static_cast<task_actor&>(r).home()) {
    if (home_.owner) gate_ = &home_.owner->gate();
    if (gate_) gate_->hold();
    woken = [](wakeup& w, bool run) noexcept {
      auto& self = static_cast<ticket&>(w);
      run ? self.tell() : self.drop();
    };
  }
  ticket(const ticket&) = delete;

  void hold() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  /// It waits no longer. Home thread.
  void forget() noexcept { waiter_ = nullptr; }
  /// The task goes on, in a turn of its own. Takes over one reference. Any thread.
  void send() noexcept {
    if (home_.at_home()) return tell();
    // a loop outlives the turns of the other loops of its system, but no foreign thread
    if (auto* l = loop::current(); !gate_ || (l && l->owner && &l->owner->gate() == gate_))
      return home_.post(*this);
    std::lock_guard hold(gate_->lock);
    if (gate_->closed) return drop();
    home_.post(*this);
  }

  ticket* following = nullptr; // in the list of whoever ends the wait

private:
  ~ticket() {
    if (gate_) gate_->drop();
  }
  void tell() noexcept {
    if (auto* w = std::exchange(waiter_, nullptr)) run_->ready(*w);
    drop();
  }

  std::atomic<int> refs_{1};
  detail::task_run* run_;
  detail::leaf* waiter_; // home thread; null when it no longer waits
  loop& home_;
  door* gate_ = nullptr;
};

} // namespace creche::internal
