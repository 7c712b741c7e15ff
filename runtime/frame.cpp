#include "runtime/frame.hpp"

#include <algorithm>

namespace creche::detail {

void boundary::enter(task_run& r) noexcept {
  run = &r;
  outer = r.current_;
  up = r.inner_;
  killed |= up && up->killed;
  pending = cancelled || pending_outside();
  r.inner_ = this;
  r.look();
}

void boundary::leave() noexcept {
  auto& r = *std::exchange(run, nullptr);
  r.inner_ = up;
  r.look();
}

void boundary::cancel() noexcept {
  if (std::exchange(cancelled, true)) return;
  if (!run) return;    // not entered yet: seen on entry
  if (pending) return; // from further out: all inside know
  run->look_at_all();
}

void boundary::kill() noexcept {
  if (std::exchange(killed, true)) return;
  cancelled = true;
  if (run) run->look_at_all();
}

void boundary::set_shield(bool on) noexcept {
  if (shield == on) return;
  shield = on;
  if (!run) return;
  run->look_at_all();
}

// From the innermost outwards, each boundary looked at twice at most.
void task_run::look_at_all() noexcept {
  boundary* open = inner_; // nothing hides the boundaries from here outwards
  for (auto* b = inner_; b; b = b->up) {
    if (b->killed && !(b->up && b->up->killed)) { // no shield inside it counts
      for (auto* inside = inner_; inside != b; inside = inside->up) inside->killed = true;
      open = inner_;
    }
    b->pending = b->cancelled;
    if (b->cancelled) {
      for (auto* inside = open; inside != b; inside = inside->up) inside->pending = true;
      open = b;
    }
    if (b->shields()) open = b->up;
  }
  look();
  if (pending_ && leaf_) must_stop_ = true; // what sleeps now is stopped (Trio)
  news_ = true;
  wake();
}

time_point task_run::effective_deadline() const noexcept {
  auto first = time_point::max();
  for (auto* b = inner_; b; b = b->up) {
    if (b->cancelled) return time_point::min();
    first = std::min(first, b->deadline());
    if (b->shields()) break;
  }
  return first;
}

bool task_run::shielded() const noexcept {
  for (auto* b = inner_; b; b = b->up)
    if (b->shields()) return true;
  return false;
}

void task_run::stop() noexcept {
  obey(); // asked for in this very turn, it is further out than any scope
  boundary* to = nullptr;
  for (auto* b = inner_;; b = b->up) {
    if (b->cancelled || b->intercepts || !b->up) to = b;
    if (b->intercepts || !b->up) break;
    // no cancel so far: somebody shielded what was already on its way out, and that is not taken
    // back
    if (to && !b->pending_outside()) break;
  }
  finished(*to, true);
}

// Tells every boundary inside a cancelled one, up to the last shield on the way in.
void task_run::pass_on_cancel() noexcept {
  for (auto* b = inner_; b; b = b->up)
    if (b->pending_outside()) b->cancelled_from_outside();
}

// Frees every frame inside `to`, the innermost first, so that no destructor ever recurses into
// another frame's. A frame's own destructor drops its awaiters, whose frames are gone by then.
void task_run::unwind(boundary& to) noexcept {
  unwinding_ = true;
  for (bool last = false; !last;) {
    auto* f = current_;
    if (!f || f == to.outer) break; // nothing inside it is left
    auto* up = f->up;
    if (f->holder) *f->holder = nullptr;
    f->self.destroy();
    if (!up) { // its boundary is the innermost now: those that lived in the frame have left
      last = inner_ == &to;
      up = inner_->outer;
    }
    current_ = up;
  }
  unwinding_ = false;
}

void task_run::ready(leaf& l, bool or_stop) noexcept {
  if (leaf_ != &l) return;
  leaf_ = nullptr;
  must_stop_ = false;
  if (auto* b = std::exchange(leaf_of_, nullptr)) {
    finished(*b, false);
  } else {
    parked_ = current_;
    yielded_ = or_stop;
  }
  wake();
}

void task_run::look_at_wait(bool mail) {
  if (std::exchange(news_, false)) pass_on_cancel();
  if (auto* f = std::exchange(parked_, nullptr)) {
    if (std::exchange(yielded_, false) && pending_) return stop();
    next_ = f;
  }
  if (!leaf_) return;
  const bool again = std::exchange(again_, false);
  if (std::exchange(must_stop_, false) || pending_) {
    if (const auto a = leaf_->abort(); a != aborted::succeeded) { // it ends by itself
      for (auto* b = inner_; a == aborted::refused && b; b = b->shields() ? nullptr : b->up)
        b->refused |= b->cancelled;
      return;
    }
    leaf_ = nullptr;
    if (auto* b = std::exchange(leaf_of_, nullptr))
      finished(*b, false);
    else
      stop();
  } else if ((again && leaf_->again()) || (mail && leaf_->on_mail())) {
    leaf_ = nullptr;
    next_ = current_;
  }
}

void task_run::step() {
  if (!leaf_) waits_for_.store(nullptr, std::memory_order_relaxed);
  for (;;) {
    if (next_) {
      std::exchange(next_, nullptr)->self.resume();
    } else if (auto* b = std::exchange(done_, nullptr)) {
      if (done_stopped_) unwind(*b);
      b->complete(done_stopped_);
    } else {
      return;
    }
  }
}

} // namespace creche::detail
