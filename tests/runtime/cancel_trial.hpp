// cancel_trial.hpp: one run of a program that is cancelled at one chosen moment, in one of the ways
// in which a task can be cancelled: its awaits are counted, and so is what lets it go on.
#pragma once

#include "runtime/supervision/nursery.hpp"
#include "runtime/sync/event.hpp"
#include "runtime/sync/shared_channel.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"

#include <thread>
#include <vector>

namespace creche::testing {

using namespace std::chrono_literals;

/// When the cancel comes.
enum class moment { never, before, waiting, resumed, act_before, act_after, instant };
inline constexpr const char* moment_names[] = {
    "never", "before await", "during await", "after await", "before act", "after act", "instant"};

/// What is cancelled: a scope around the program, by hand or by its deadline, the task that runs
/// it, the nursery of that task, or the nursery around that nursery's task.
enum class target { scope, deadline, task, nursery, outer_nursery };
inline constexpr const char* target_names[] = {"the scope", "the scope's deadline", "the task",
                                               "its nursery", "the outer nursery"};
/// Who says it: whoever has the turn at that moment, or somebody else meanwhile.
enum class caller { home, thread, loop };
inline constexpr const char* caller_names[] = {"at home", "by a thread", "from another loop"};

template <class Op> class watched;

/// One run of one program, with one cancel.
class trial {
public:
  moment when = moment::never;
  int which = 0;    // the how manieth; of `instant`: so many turns into it
  time_point at_{}; // of `instant`
  target what = target::scope;
  caller who = caller::home;

  int awaits = 0, acts = 0;
  std::vector<time_point> instants;
  bool completed = false;
  bool cancelled = false; // at home, so that every checkpoint from then on must see it
  int hidden = 0;         // the program is behind a shield
  cancel_scope* own_scope = nullptr;
  cancel_scope::handle scope;
  child task;
  nursery::handle inner, outer;
  nursery* outside = nullptr; // what is started here is not cancelled with the program
  event now_waiting;
  shared_channel<int> to_other_loop{1};

  /// Awaits `op`, which is a checkpoint or has one, and counts it.
  template <class Op> watched<Op> at(Op op) { return watched<Op>(*this, std::move(op), false); }
  /// The same, of what goes on behind a shield although it was cancelled before.
  template <class Op> watched<Op> at_shield(Op op) {
    return watched<Op>(*this, std::move(op), true);
  }
  /// Something that lets the program go on.
  template <class F> void act(F f) {
    ++acts;
    cancel_if(moment::act_before, acts);
    f();
    cancel_if(moment::act_after, acts);
    note();
  }

  void cancel_if(moment m, int n) {
    if (when == m && which == n) cancel();
  }
  void cancel() {
    switch (who) {
    case caller::home: cancelled = order(); return;
    case caller::thread: std::thread([this] { order(); }).join(); return;
    case caller::loop: to_other_loop.try_send(1); return;
    }
  }
  /// By a handle, which any thread may use; a deadline is moved at home. False: there is none yet.
  bool order() const {
    switch (what) {
    case target::scope: return scope.cancel(), own_scope != nullptr;
    case target::deadline: return own_scope && (own_scope->deadline_in(0s), true);
    case target::task: return task && (task.cancel(), true);
    case target::nursery: return inner.cancel(), own_scope != nullptr;
    case target::outer_nursery: return outer.cancel(), own_scope != nullptr;
    }
    return false;
  }
  void note() {
    if (instants.empty() || instants.back() < now()) instants.push_back(now());
  }
};

template <class Op> class watched {
  using inner = decltype(std::declval<Op&&>().bind(std::declval<creche::detail::task_run&>()));

public:
  watched(trial& t, Op&& op, bool shields) : trial_(t), op_(std::move(op)), shields_(shields) {}

  class awaiter {
  public:
    awaiter(trial& t, Op&& op, bool shields, creche::detail::task_run& r)
        : trial_(t), shields_(shields), inner_(std::move(op).bind(r)) {}
    awaiter(const awaiter&) = delete;
    bool await_ready() {
      trial_.cancel_if(moment::before, number_);
      must_stop_ = trial_.cancelled && !trial_.hidden && !shields_;
      return inner_.await_ready();
    }
    void await_suspend(std::coroutine_handle<> h) {
      inner_.await_suspend(h);
      if (trial_.when == moment::waiting && trial_.which == number_) trial_.now_waiting.set();
    }
    decltype(auto) await_resume() {
      const check_stop at_the_end(*this);
      trial_.note();
      trial_.cancel_if(moment::resumed, number_);
      return inner_.await_resume();
    }

  private:
    // a failure beside a stop wins
    struct check_stop {
      const awaiter& self;
      int before = std::uncaught_exceptions();
      explicit check_stop(const awaiter& a) noexcept : self(a) {}
      ~check_stop() {
        if (self.must_stop_ && std::uncaught_exceptions() == before)
          FAIL_CHECK("await number ", self.number_, " went on, and it was cancelled before");
      }
    };
    trial& trial_;
    bool shields_;
    bool must_stop_ = false;
    int number_ = ++trial_.awaits;
    inner inner_;
  };
  awaiter bind(creche::detail::task_run& r) { return awaiter(trial_, std::move(op_), shields_, r); }

private:
  trial& trial_;
  Op op_;
  bool shields_;
};

} // namespace creche::testing
