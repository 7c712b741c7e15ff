// frame.hpp: how the frames of a task run, wait, and are taken down.
//
// A task is a chain of coroutine frames, each awaiting the next. Nothing resumes a frame but the
// task's trampoline (task_run::step): awaiters only set what comes next, so the machine stack never
// grows, and a frame that is on it is never destroyed. A cancelled await does not resume: the
// frames between it and a boundary are destroyed, leaf first, one by one, and the boundary goes on.
// Everything here runs on the task's home loop.
#pragma once

#include "runtime/clock.hpp"
#include "runtime/pool.hpp"

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <source_location>
#include <utility>

namespace creche {
struct timer;
} // namespace creche

namespace creche::detail {

class task_run;
struct boundary;

/// The base of every promise: one coroutine frame of a task.
struct frame : pooled {
  task_run* run = nullptr;
  frame* up = nullptr;      // who awaits this one; null when the innermost boundary does
  frame** holder = nullptr; // where the owner keeps it: cleared when the unwinder frees it
  std::coroutine_handle<> self;
  std::exception_ptr error;
  std::source_location at; // its last await
};

/// Where a stop lands: a cancel scope, a nursery, the task itself.
struct boundary {
  task_run* run = nullptr;
  boundary* up = nullptr;
  frame* outer = nullptr; // the frame that awaits the boundary
  bool cancelled = false;
  bool shield = false;
  bool intercepts = false; // has work to do before a stop may pass further out
  bool refused = false;    // after the cancel, a leaf inside could not be stopped
  bool pending = false;    // it or something further out is cancelled, no shield in between
  bool killed = false;     // it or something further out is killed: shields do not help

  boundary() = default;
  boundary(const boundary&) = delete;
  boundary& operator=(const boundary&) = delete;

  /// The body is done, or was stopped and its frames are gone. Called by the trampoline.
  virtual void complete(bool stopped) = 0;

  /// Something further out was cancelled, and no shield stands between: what this boundary looks
  /// after (the children of a nursery) is to stop too, even if the body is shielded for now.
  virtual void cancelled_from_outside() noexcept {}

  /// When it cancels itself; time_point::max(): never.
  virtual time_point deadline() const noexcept { return time_point::max(); }

  /// From the awaiter's await_suspend.
  void enter(task_run& r) noexcept;
  void leave() noexcept;
  /// Idempotent, level-triggered. Home thread.
  void cancel() noexcept;
  /// The same, and no shield inside holds any more.
  void kill() noexcept;
  bool shields() const noexcept { return shield && !killed; }
  /// Something further out is cancelled, and no shield stands between.
  bool pending_outside() const noexcept { return !shields() && up && up->pending; }
  void set_shield(bool on) noexcept;

protected:
  ~boundary() {
    if (run) leave();
  }
};

enum class aborted : std::uint8_t {
  succeeded, // the operation is over; it will not resume its task
  refused,   // it cannot be stopped; it ends by itself and resumes its task then
  told,      // the same, and who it waits for was told to hurry: a nursery's children
};

/// What a task waits for.
struct leaf {
  leaf() = default;
  leaf(const leaf&) = delete;
  leaf& operator=(const leaf&) = delete;

  /// Static text: "sleep", "nursery", … for whoever asks what the task is doing.
  virtual const char* kind() const noexcept = 0;
  /// The task was cancelled while it waits here.
  virtual aborted abort() noexcept = 0;
  /// A data letter arrived. True: the wait is over.
  virtual bool on_mail() { return false; }
  /// The turn that yield(leaf&) asked for, and no cancel came. True: the wait is over.
  virtual bool again() { return true; }

protected:
  ~leaf() = default;
};

/// Drives the frames of one task. The task's actor derives from it.
class task_run {
public:
  static constexpr int awaits_in_a_row = 64;

  // ---- for awaiters, in await_ready and await_suspend
  bool pending() const noexcept { return pending_; } // cancelled, and no shield in between
  /// Its wait will be aborted in its next turn. Home thread, in anybody's turn.
  bool will_stop() const noexcept {
    return pending_ || (asked_->load(std::memory_order_relaxed) && !shielded());
  }
  /// Whoever saw that will not come back to its wait: a shield that comes before the next turn
  /// does not take the stop back.
  void must_stop() noexcept { must_stop_ = true; }
  /// The fast path of a checkpoint: not cancelled, and still has awaits to spend.
  bool may_go_on() noexcept {
    return !pending_ && --credits_ > 0 && !asked_->load(std::memory_order_relaxed);
  }
  /// `callee` runs next; the current frame awaits it.
  void call(frame& callee) noexcept {
    callee.run = this;
    callee.up = current_;
    next_ = current_ = &callee;
  }
  /// `body` runs next; the innermost boundary, just entered, awaits it.
  void call_body(frame& body) noexcept {
    body.run = this;
    next_ = current_ = &body;
  }
  /// The frame that awaits the boundary goes on.
  void go_on(boundary& b) noexcept { next_ = current_ = b.outer; }
  /// Waits for `l` in the current frame.
  void wait(leaf& l) noexcept {
    leaf_ = &l;
    waits_for_.store(l.kind(), std::memory_order_relaxed);
  }
  /// Waits for `l` in no frame: when it is ready, `b` completes.
  void wait(leaf& l, boundary& b) noexcept {
    wait(l);
    leaf_of_ = &b;
  }
  /// Lets others of the loop run, then goes on, or stops if it was cancelled meanwhile.
  void yield() noexcept {
    parked_ = current_;
    yielded_ = true;
    wake();
  }
  /// The same, but then `l` says whether its wait is over or only begins.
  void yield(leaf& l) noexcept {
    wait(l);
    again_ = true;
    wake();
  }
  /// From final_suspend: whoever awaits `f` is next.
  void returned(frame& f) noexcept {
    if (f.up) {
      next_ = current_ = f.up;
    } else {
      current_ = inner_->outer; // what was opened inside has left by now
      finished(*inner_, false);
    }
  }
  /// The earliest deadline of the scopes around, up to the first shield; min(): cancelled.
  time_point effective_deadline() const noexcept;
  /// A task was destroyed that nobody had awaited: unless a stop takes everything down, that is a
  /// failure of this one.
  void lost_a_task() noexcept { lost_ |= !unwinding_; }

  /// The cancelled await: unwinds to the outermost cancelled boundary that no shield hides (Trio:
  /// of two cancelled scopes the outer one catches), or to the first on the way that intercepts.
  void stop() noexcept;

  // ---- for what a leaf waits for
  /// The wait is over: the task goes on in a turn of its own. With `or_stop` nothing was completed,
  /// and a task that was cancelled meanwhile stops instead.
  void ready(leaf& l, bool or_stop = false) noexcept;
  bool waits(const leaf& l) const noexcept { return leaf_ == &l; }

  // ---- for the test kit
  /// Leaves no await to spend: the next checkpoint has to let others run.
  void exhaust() noexcept { credits_ = 0; }
  /// Since then no other had its turn.
  bool exhausted() const noexcept { return credits_ <= 0; }

  // ---- for boundaries
  void finished(boundary& b, bool stopped) noexcept {
    done_ = &b;
    done_stopped_ = stopped;
  }

  // ---- the loop's services
  time_point now() const noexcept;
  void arm(timer& t, time_point due);
  void disarm(timer& t) noexcept;

  boundary* innermost() const noexcept { return inner_; }
  frame* current() const noexcept { return current_; }
  /// What the task waits for, or null. Any thread.
  const char* waits_for() const noexcept { return waits_for_.load(std::memory_order_relaxed); }

protected:
  task_run() = default;
  virtual ~task_run() = default;

  /// Queues a turn.
  virtual void wake() noexcept = 0;
  /// If somebody asked for the end of the whole task, its outermost boundary is cancelled now.
  virtual void obey() noexcept = 0;

  /// Before a step: what a cancel or a letter means for the wait. `mail`: a data letter is there.
  void look_at_wait(bool mail);
  /// The trampoline: runs frames until all wait.
  void step();

  std::int32_t credits_ = 0;
  bool lost_ = false;
  const std::atomic<bool>* asked_ = nullptr; // somebody, on some thread, cancelled the whole task

private:
  friend struct boundary;
  void look() noexcept { pending_ = inner_ && inner_->pending; }
  void look_at_all() noexcept;    // a cancel or a shield changed: also news for the next turn
  bool shielded() const noexcept; // from a cancel of the whole task
  void pass_on_cancel() noexcept;
  void unwind(boundary& to) noexcept;

  bool pending_ = false;
  bool done_stopped_ = false;
  bool unwinding_ = false;
  bool yielded_ = false;     // parked_ waits for nothing but its turn
  bool again_ = false;       // leaf_ yielded, and has not begun to wait
  bool news_ = false;        // a boundary was cancelled since the last turn
  bool must_stop_ = false;   // leaf_ is to be aborted, also if a shield came meanwhile
  frame* next_ = nullptr;    // to be resumed
  frame* parked_ = nullptr;  // to be resumed in the next turn
  frame* current_ = nullptr; // the innermost frame
  boundary* inner_ = nullptr;
  boundary* done_ = nullptr; // to be completed
  leaf* leaf_ = nullptr;
  boundary* leaf_of_ = nullptr;
  std::atomic<const char*> waits_for_{nullptr};
};

} // namespace creche::detail
