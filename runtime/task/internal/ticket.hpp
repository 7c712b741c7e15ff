// ticket.hpp: news for a task that waits, from any loop or thread.
//
// Shared by the wait and by what will end it; the last of them frees it. The task's loop may be
// gone by the time the news comes, with its whole system: the ticket knows, and drops the news.
#pragma once

#include "runtime/loop/internal/loop_owner.hpp"
#include "runtime/task/detail/frame.hpp"

namespace creche::internal {

class ticket final : public wakeup, public detail::counted<ticket>, public detail::pooled {
public:
  /// The caller's reference.
  ticket(detail::task_run& run, detail::leaf& waiter)
      : run_(&run), waiter_(&waiter), home_(run.home()),
        door_(door_ptr::share(home_.owner ? &home_.owner->door() : nullptr)) {
    woken = [](wakeup& sent, bool runs) noexcept {
      auto& self = static_cast<ticket&>(sent);
      runs ? self.tell() : self.release();
    };
  }

  /// It waits no longer. Home thread.
  void forget() noexcept { waiter_ = nullptr; }
  /// The task goes on, in a turn of its own. Takes over one reference. Any thread.
  void send() noexcept {
    if (home_.at_home()) return tell();
    // a loop outlives the turns of the other loops of its system, but no foreign thread
    if (!door_ || is_inside(*door_)) return home_.post(*this);
    std::lock_guard hold(door_->lock);
    if (door_->closed) return release();
    home_.post(*this);
  }

  // In the list of what ends the wait.
  ticket* before = nullptr; // null: in none, or the list goes one way only
  ticket* following = nullptr;

private:
  friend counted;
  ~ticket() = default;
  void tell() noexcept {
    if (auto* waiter = std::exchange(waiter_, nullptr))
      run_->ready(*waiter, run_->will_stop() && waiter->may_be_missed());
    release();
  }

  detail::task_run* run_;
  detail::leaf* waiter_; // home thread; null when it no longer waits
  loop& home_;
  door_ptr door_; // null: the loop is nobody's
};

} // namespace creche::internal
