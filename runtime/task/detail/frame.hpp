// frame.hpp: how the frames of a task run, wait, and are taken down.
//
// A task is a chain of coroutine frames, each awaiting the next. Nothing resumes a frame but the
// task's trampoline (task_run::step): awaiters only set what comes next, so the machine stack never
// grows, and a frame that is on it is never destroyed. A cancelled await does not resume: the
// frames between it and a boundary are destroyed, leaf first, one by one, and the boundary goes on.
// Everything here runs on the task's home loop.
#pragma once

#include "runtime/loop/detail/attention.hpp"
#include "runtime/memory/pool.hpp"
#include "runtime/task/detail/task_record.hpp"
#include "runtime/time/clock.hpp"

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <utility>

namespace creche {
struct cancel_reason;
struct timer;
} // namespace creche

namespace creche::internal {
class loop;
class nursery_actor;
} // namespace creche::internal

namespace creche::detail {

class task_run;
struct boundary;

/// The base of every promise: one coroutine frame of a task.
struct frame : pooled {
  task_run* run = nullptr;
  frame* up = nullptr;      // the frame that awaits this one; null: the innermost boundary does
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

  /// Something further out was cancelled, and no shield stands between. What this boundary owns
  /// (the children of a nursery) must stop too, even if the body is shielded for now.
  virtual void cancelled_from_outside() noexcept {}

  /// The same, but it is a shield that stands between.
  virtual void cancelled_behind_shield() noexcept {}

  /// A destructor threw while a stop took the frames inside down: that is the body's failure. The
  /// frame outside keeps it until take_thrown().
  virtual void threw(std::exception_ptr what) noexcept { outer->error = std::move(what); }
  std::exception_ptr take_thrown() noexcept {
    return outer ? std::exchange(outer->error, nullptr) : nullptr;
  }

  /// When it cancels itself; time_point::max(): never.
  virtual time_point deadline() const noexcept { return time_point::max(); }
  /// The first reason that was given for its cancel, or null.
  virtual const cancel_reason* reason() const noexcept { return nullptr; }
  /// The nursery whose scope this is, or null.
  virtual internal::nursery_actor* nursery_here() const noexcept { return nullptr; }

  /// From the awaiter's await_suspend.
  void enter(task_run& in) noexcept;
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
  told,      // the same, and what it waits for was told to hurry: a nursery's children
};

/// What a task waits for.
struct leaf {
  leaf() = default;
  leaf(const leaf&) = delete;
  leaf& operator=(const leaf&) = delete;

  /// Static text: "sleep", "nursery", …: what the tree shows of the task.
  virtual const char* kind() const noexcept = 0;
  /// Of that kind, which one: "to shop". Home thread, or when no loop runs.
  virtual std::string subject() const { return {}; }
  /// The task was cancelled while it waits here.
  virtual aborted abort() noexcept = 0;
  /// A data letter arrived. True: the wait is over.
  virtual bool on_mail() { return false; }
  /// The task is to end in good order. True: the wait is over.
  virtual bool on_told_to_stop() noexcept { return false; }
  /// The turn that yield(leaf&) asked for, and no cancel came. True: the wait is over.
  virtual bool again() { return true; }
  /// The task was cancelled a moment ago, while it waits here: what it waits for, and goes with it,
  /// is marked at once. abort() follows in the task's next turn.
  virtual void task_cancelled() noexcept {}
  /// The wait is over, and its task was cancelled before that. True: nothing is lost if the task
  /// stops here instead of going on.
  virtual bool may_be_missed() const noexcept { return false; }

protected:
  ~leaf() = default;
};

/// What a task awaits and may wait for: the one door to a wait. A task that is cancelled, also in
/// this very turn, stops at the door, and nothing of the wait has begun. A task awaits no leaf that
/// has another `await_suspend` (promise::await_transform).
///
/// `await_ready()` of a derived class is false, or `run_.may_go_on() && ...`.
struct leaf_awaiter : leaf {
  explicit leaf_awaiter(task_run& run) noexcept : run_(run) {}
  inline void await_suspend(std::coroutine_handle<>);

protected:
  ~leaf_awaiter() = default;
  task_run& run_;

private:
  /// No cancel is seen. Begins to wait, or asks for another turn; throws if it cannot.
  virtual void begin_wait() = 0;
};

/// Drives the frames of one task. The task's actor derives from it.
class task_run {
public:
  static constexpr int awaits_in_a_row = 64;

  // ---- for awaiters, in await_ready and await_suspend
  bool pending() const noexcept { return pending_; } // cancelled, and no shield in between
  /// Its wait will be aborted in its next turn. Home thread, in anybody's turn.
  bool will_stop() const noexcept { return pending_ || (asked_to_end() && !shielded()); }
  /// Somebody acted on will_stop(): a shield that comes before the next turn does not take the stop
  /// back.
  void must_stop() noexcept { must_stop_ = true; }
  /// The fast path of a checkpoint: not cancelled, still has awaits to spend, and its loop need not
  /// look at the time or at what was posted.
  bool may_go_on() noexcept {
    return !pending_ && --credits_ > 0 && !internal::attention::here().asked();
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
  void go_on(boundary& completed) noexcept { next_ = current_ = completed.outer; }
  /// The current frame waits.
  void wait(leaf& waiting) noexcept {
    leaf_ = &waiting;
    waits_for_.store(waiting.kind(), std::memory_order_relaxed);
  }
  /// No frame waits: when the leaf is ready, `waiter` completes.
  void wait(leaf& waiting, boundary& waiter) noexcept {
    wait(waiting);
    leaf_of_ = &waiter;
  }
  /// The wait is over before it began.
  void go_on_at_once() noexcept { next_ = current_; }
  /// Lets others of the loop run, then goes on, or stops if it was cancelled meanwhile.
  void yield() noexcept {
    parked_ = true;
    yielded_ = true;
    wake();
  }
  /// The same, but then the leaf says whether its wait is over or only begins.
  void yield(leaf& waiting) noexcept {
    wait(waiting);
    again_ = true;
    wake();
  }
  /// From final_suspend: the frame or boundary that awaits `ended` is next.
  void returned(frame& ended) noexcept {
    if (unwinding_) [[unlikely]] {
      revived_ = true;
    } else if (ended.up) {
      next_ = current_ = ended.up;
    } else {
      current_ = inner_->outer; // what was opened inside has left by now
      finished(*inner_, false);
    }
  }
  /// A stop takes its frames down: what awaits now is a handler that caught what a destructor
  /// threw.
  bool unwinding() const noexcept { return unwinding_; }
  /// The earliest deadline of the scopes around, those around its nursery included, up to the first
  /// shield; min(): cancelled.
  time_point effective_deadline() const noexcept { return deadline_from(inner_); }
  static time_point deadline_from(const boundary* innermost) noexcept;
  /// A task was destroyed that nobody had awaited: unless a stop takes everything down, that is a
  /// failure of this one.
  void lost_a_task() noexcept { lost_ |= !unwinding_; }

  /// The cancelled await: unwinds to the outermost cancelled boundary that no shield hides (Trio:
  /// of two cancelled scopes the outer one catches), or to the first on the way that intercepts.
  void stop() noexcept;

  // ---- for what a leaf waits for
  /// The wait is over: the task goes on in a turn of its own. With `or_stop` nothing was completed,
  /// and a task that was cancelled meanwhile stops instead.
  void ready(leaf& waiting, bool or_stop = false) noexcept;
  bool waits(const leaf& waiting) const noexcept { return leaf_ == &waiting; }
  const leaf* awaited() const noexcept { return leaf_; }

  // ---- for what ends in good order
  /// From now on an orderly stop only tells it, and who waits for its end as well, so that they can
  /// say their last words: they are cancelled when its time is up. True: it was told. Home thread.
  virtual bool look_for_stop() noexcept = 0;

  // ---- for the test kit
  /// Leaves no await to spend: the next checkpoint has to let others run.
  void exhaust() noexcept { credits_ = 0; }
  /// Since then no other had its turn.
  bool exhausted() const noexcept { return credits_ <= 0; }

  // ---- for boundaries
  void finished(boundary& completed, bool stopped) noexcept {
    done_ = &completed;
    done_stopped_ = stopped;
  }

  // ---- the loop's services
  time_point now() const noexcept;
  void arm(timer& armed, time_point due);
  void disarm(timer& disarmed) noexcept;

  /// Whose turn it is on this thread, or null.
  static task_run* current_run() noexcept { return current_run_; }
  internal::loop& home() const noexcept { return *loop_; }
  internal::task_record& own_record() const noexcept { return *own_record_; }
  boundary* innermost() const noexcept { return inner_; }
  frame* current() const noexcept { return current_; }
  /// What the task waits for, or null. Any thread.
  const char* waits_for() const noexcept { return waits_for_.load(std::memory_order_relaxed); }

protected:
  task_run(internal::loop& home, internal::task_record& own_record) noexcept
      : loop_(&home), own_record_(&own_record) {}
  virtual ~task_run() = default;

  /// Queues a turn.
  virtual void wake() noexcept = 0;
  /// A boundary was cancelled: pass_on_cancel() is to be called in this very turn of the loop, but
  /// not from within another one's.
  virtual void spread_cancel() noexcept = 0;
  /// Tells every boundary inside a cancelled one, up to the last shield on the way in.
  void pass_on_cancel() noexcept;
  /// If somebody asked for the end of the whole task, its outermost boundary is cancelled now.
  virtual void obey() noexcept = 0;

  /// It is to end in good order: a leaf that waits for that goes on.
  void hear_of_stop() noexcept {
    if (leaf_ && leaf_->on_told_to_stop()) ready(*leaf_);
  }
  /// What is around the whole task: the scope of its nursery, or null if that has none or is on
  /// another loop. Then `known` is the deadline out there, as far as it was told.
  virtual const boundary* around(time_point& known) const noexcept = 0;

  /// Before a step: what a cancel or a letter means for the wait. `mail`: a data letter is there.
  void look_at_wait(bool mail);
  /// The trampoline: runs frames until all wait.
  void step();

  /// Somebody, on some thread, cancelled the whole task.
  bool asked_to_end() const noexcept {
    return own_record_->cancel_asked.load(std::memory_order_relaxed);
  }

  static thread_local constinit inline task_run* current_run_ = nullptr;
  std::int32_t credits_ = 0;
  bool lost_ = false;

private:
  friend struct boundary;
  void look() noexcept { pending_ = inner_ && inner_->pending; }
  void look_at_all() noexcept;    // a cancel or a shield changed
  bool shielded() const noexcept; // from a cancel of the whole task
  void unwind(boundary& outermost) noexcept;
  std::exception_ptr destroy(frame& dying) noexcept;

  internal::loop* const loop_;
  internal::task_record* const own_record_;
  bool pending_ = false;
  bool done_stopped_ = false;
  bool unwinding_ = false;
  bool revived_ = false;     // the frame that was destroyed has come to its end instead
  bool parked_ = false;      // current_ is to be resumed in the next turn
  bool yielded_ = false;     // and waits for nothing but that turn
  bool again_ = false;       // leaf_ yielded, and has not begun to wait
  bool spreading_ = false;   // a cancel is about to be passed on
  bool must_stop_ = false;   // leaf_ is to be aborted, also if a shield came meanwhile
  frame* next_ = nullptr;    // to be resumed
  frame* current_ = nullptr; // the innermost frame
  boundary* inner_ = nullptr;
  boundary* done_ = nullptr; // to be completed
  leaf* leaf_ = nullptr;
  boundary* leaf_of_ = nullptr;
  std::atomic<const char*> waits_for_{nullptr};
};

inline void leaf_awaiter::await_suspend(std::coroutine_handle<>) {
  if (run_.will_stop())
    run_.stop();
  else
    begin_wait();
}

} // namespace creche::detail
