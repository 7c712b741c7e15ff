#include "runtime/task/detail/frame.hpp"

#include "runtime/loop/internal/loop.hpp"
#include "runtime/memory/internal/bookkeeping.hpp"
#include "runtime/task/failure.hpp"
#include "runtime/task/internal/standard_error.hpp"
#include "runtime/task/task.hpp"

#include <algorithm>
#include <typeinfo>

namespace creche::detail {

void boundary::enter(task_run& in) noexcept {
  run = &in;
  outer = in.current_;
  up = in.inner_;
  killed |= up && up->killed;
  pending = cancelled || pending_outside();
  in.inner_ = this;
  in.look();
}

void boundary::leave() noexcept {
  auto& left = *std::exchange(run, nullptr);
  left.inner_ = up;
  left.look();
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

time_point task_run::now() const noexcept { return loop_->now(); }
void task_run::arm(timer& armed, time_point due) { loop_->arm(armed, due); }
void task_run::disarm(timer& disarmed) noexcept { loop_->disarm(disarmed); }

void drop_unawaited(frame& dropped) noexcept {
  dropped.self.destroy();
  if (std::uncaught_exceptions()) return;
  if (auto* run = task_run::current_run())
    run->lost_a_task();
  else
    internal::last_resort(
        failure(errc::never_awaited, make_error_code(errc::never_awaited).message(), "?"));
}

// From the innermost outwards, each boundary looked at twice at most.
void task_run::look_at_all() noexcept {
  boundary* open = inner_; // nothing hides the boundaries from here outwards
  for (auto* each = inner_; each; each = each->up) {
    if (each->killed && !(each->up && each->up->killed)) { // no shield inside it counts
      for (auto* inside = inner_; inside != each; inside = inside->up) inside->killed = true;
      open = inner_;
    }
    each->pending = each->cancelled;
    if (each->cancelled) {
      for (auto* inside = open; inside != each; inside = inside->up) inside->pending = true;
      open = each;
    }
    if (each->shields()) open = each->up;
  }
  look();
  if (pending_ && leaf_) must_stop_ = true; // what sleeps now is stopped (Trio)
  wake();
  if (!std::exchange(spreading_, true)) spread_cancel();
}

time_point task_run::deadline_from(const boundary* innermost) noexcept {
  auto first = time_point::max();
  while (innermost) {
    const auto* const task = innermost->run;
    for (auto* each = innermost; each; each = each->up) {
      if (each->cancelled) return time_point::min();
      first = std::min(first, each->deadline());
      if (each->shields()) return first;
    }
    auto known = time_point::max();
    innermost = task->around(known);
    first = std::min(first, known);
  }
  return first;
}

bool task_run::shielded() const noexcept {
  for (auto* each = inner_; each; each = each->up)
    if (each->shields()) return true;
  return false;
}

void task_run::stop() noexcept {
  obey(); // asked for in this very turn, it is further out than any scope
  boundary* to = nullptr;
  for (auto* each = inner_;; each = each->up) {
    if (each->cancelled || each->intercepts || !each->up) to = each;
    if (each->intercepts || !each->up) break;
    // no cancel so far: somebody shielded what was already on its way out, and that is not taken
    // back
    if (to && !each->pending_outside()) break;
  }
  finished(*to, true);
}

void task_run::pass_on_cancel() noexcept {
  spreading_ = false;
  if (leaf_ && pending_) leaf_->task_cancelled();
  for (auto* each = inner_; each; each = each->up) {
    if (each->pending_outside())
      each->cancelled_from_outside();
    else if (each->shields() && each->up && each->up->pending)
      each->cancelled_behind_shield();
  }
}

namespace {

// What an await throws in a frame that is being destroyed: not a failure, but the same stop again.
struct stopped_before {};

bool is_failure(const std::exception_ptr& thrown) noexcept {
  return thrown && *thrown.__cxa_exception_type() != typeid(stopped_before);
}

// The failures of several frames as one.
std::exception_ptr joined(std::exception_ptr earlier, std::exception_ptr later) noexcept {
  if (!earlier) return later;
  try {
    return std::make_exception_ptr(failure_group({failure::from(std::move(earlier), "destructor"),
                                                  failure::from(std::move(later), "destructor")}));
  } catch (...) { // no memory: one of them is told
    return std::current_exception();
  }
}

} // namespace

void fail_unwinding() { throw stopped_before(); }

// Gives what a destructor threw, if nobody caught it. Then the compiler goes on as after any
// exception, through the frame's handlers to its final suspension, and the frame is still there.
std::exception_ptr task_run::destroy(frame& dying) noexcept {
  dying.self.destroy();
  if (!std::exchange(revived_, false)) [[likely]]
    return nullptr;
  auto thrown = std::exchange(dying.error, nullptr);
  dying.self.destroy(); // arguments and value, which do not throw
  return is_failure(thrown) ? std::move(thrown) : nullptr;
}

// Frees every frame inside the boundary, the innermost first, so that no destructor ever recurses
// into another frame's. A frame's own destructor drops its awaiters, whose frames are gone by then.
void task_run::unwind(boundary& outermost) noexcept {
  unwinding_ = true;
  std::exception_ptr thrown;
  for (bool last = false; !last;) {
    auto* inmost = current_;
    if (!inmost || inmost == outermost.outer) break; // nothing inside it is left
    auto* up = inmost->up;
    if (inmost->holder) *inmost->holder = nullptr;
    if (auto more = destroy(*inmost)) thrown = joined(std::move(thrown), std::move(more));
    if (!up) { // its boundary is the innermost now: those that lived in the frame have left
      last = inner_ == &outermost;
      up = inner_->outer;
    }
    current_ = up;
  }
  unwinding_ = false;
  if (thrown) outermost.threw(std::move(thrown));
}

void task_run::ready(leaf& waiting, bool or_stop) noexcept {
  if (leaf_ != &waiting) return;
  leaf_ = nullptr;
  must_stop_ = false;
  if (auto* owner = std::exchange(leaf_of_, nullptr)) {
    finished(*owner, false);
  } else {
    parked_ = true;
    yielded_ = or_stop;
  }
  wake();
}

void task_run::look_at_wait(bool mail) {
  if (std::exchange(parked_, false)) {
    if (std::exchange(yielded_, false) && pending_) return stop();
    next_ = current_;
  }
  if (!leaf_) return;
  const bool again = std::exchange(again_, false);
  if (std::exchange(must_stop_, false) || pending_) {
    if (const auto result = leaf_->abort(); result != aborted::succeeded) { // it ends by itself
      for (auto* each = inner_; result == aborted::refused && each;
           each = each->shields() ? nullptr : each->up)
        each->refused |= each->cancelled;
      return;
    }
    leaf_ = nullptr;
    if (auto* owner = std::exchange(leaf_of_, nullptr))
      finished(*owner, false);
    else
      stop();
  } else if (again || mail) {
    const internal::bookkeeping books; // nobody is there who could take an exception
    if (!((again && leaf_->again()) || (mail && leaf_->on_mail()))) return;
    leaf_ = nullptr;
    next_ = current_;
  }
}

void task_run::step() {
  if (!leaf_) waits_for_.store(nullptr, std::memory_order_relaxed);
  for (;;) {
    if (next_) {
      std::exchange(next_, nullptr)->self.resume();
    } else if (auto* over = std::exchange(done_, nullptr)) {
      if (done_stopped_) unwind(*over);
      over->complete(done_stopped_);
    } else {
      return;
    }
  }
}

} // namespace creche::detail
