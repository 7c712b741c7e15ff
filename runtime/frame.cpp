#include "runtime/frame.hpp"

namespace creche::detail {

void boundary::enter(task_run& r) noexcept {
  run = &r;
  outer = r.current_;
  up = r.inner_;
  r.inner_ = this;
  if (shield || cancelled) r.look();
}

void boundary::leave() noexcept {
  auto& r = *std::exchange(run, nullptr);
  r.inner_ = up;
  if (r.pending_ || shield) r.look();
}

void boundary::cancel() noexcept {
  if (std::exchange(cancelled, true)) return;
  if (!run) return; // not entered yet: seen on entry
  run->look();
  run->news_ = true;
  run->wake();
}

bool boundary::pending_outside() const noexcept { return !shield && task_run::pending_from(up); }

bool task_run::pending_from(const boundary* innermost) noexcept {
  for (auto* b = innermost; b; b = b->up) {
    if (b->cancelled) return true;
    if (b->shield) return false;
  }
  return false;
}

bool task_run::shielded() const noexcept {
  for (auto* b = inner_; b; b = b->up)
    if (b->shield) return true;
  return false;
}

void task_run::stop() noexcept {
  boundary* outermost = nullptr;
  for (auto* b = inner_; b; b = b->up) {
    if (b->cancelled) outermost = b;
    if (b->shield) break;
  }
  auto* b = inner_;
  while (b != outermost && !b->intercepts) b = b->up;
  finished(*b, true);
}

// Tells every boundary inside a cancelled one, up to the last shield on the way in.
void task_run::pass_on_cancel() noexcept {
  boundary* open = inner_; // nothing hides the boundaries from here outwards
  for (auto* b = inner_; b; b = b->up) {
    if (b->cancelled) {
      for (auto* inside = open; inside != b; inside = inside->up) inside->cancelled_from_outside();
      open = b;
    }
    if (b->shield) open = b->up;
  }
}

// Frees every frame inside `to`, the innermost first, so that no destructor ever recurses into
// another frame's. A frame's own destructor drops its awaiters, whose frames are gone by then.
void task_run::unwind(boundary& to) noexcept {
  for (;;) {
    auto* f = current_;
    if (!f || f == to.outer) return; // nothing inside it is left
    const bool last = f->bound == &to;
    current_ = f->up ? f->up : f->bound->outer;
    if (f->holder) *f->holder = nullptr;
    f->self.destroy();
    if (last) return;
  }
}

void task_run::ready(leaf& l, bool or_stop) noexcept {
  if (leaf_ != &l) return;
  leaf_ = nullptr;
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
  if (pending_) {
    if (leaf_->abort() != aborted::succeeded) return; // refused: it ends by itself
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
