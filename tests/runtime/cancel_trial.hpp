// cancel_trial.hpp: one run of a program that is cancelled at one chosen moment: its awaits are
// counted, and so is what lets it go on.
#pragma once

#include "runtime/event.hpp"
#include "runtime/nursery.hpp"
#include "runtime/scope.hpp"
#include "runtime/this_task.hpp"

#include <vector>

namespace creche::testing {

/// When the cancel comes.
enum class moment { never, before, waiting, resumed, act_before, act_after, instant };
inline constexpr const char* moment_names[] = {
    "never", "before await", "during await", "after await", "before act", "after act", "instant"};

template <class Op> class watched;

/// One run of one program, with one cancel.
class trial {
public:
  moment when = moment::never;
  int which = 0;    // the how manieth; of `instant`: so many turns into it
  time_point at_{}; // of `instant`

  int awaits = 0, acts = 0;
  std::vector<time_point> instants;
  bool completed = false;
  cancel_scope::handle scope;
  nursery* outside = nullptr; // what is started here is not cancelled with the program
  event now_waiting;

  /// Awaits `op` and counts it.
  template <class Op> watched<Op> at(Op op) { return watched<Op>(*this, std::move(op)); }
  /// Something that lets the program go on.
  template <class F> void act(F f) {
    ++acts;
    cancel_if(moment::act_before, acts);
    f();
    cancel_if(moment::act_after, acts);
    note();
  }

  void cancel_if(moment m, int n) {
    if (when == m && which == n) scope.cancel();
  }
  void note() {
    if (instants.empty() || instants.back() < now()) instants.push_back(now());
  }
};

template <class Op> class watched {
  using inner = decltype(std::declval<Op&&>().bind(std::declval<creche::detail::task_run&>()));

public:
  watched(trial& t, Op&& op) : trial_(t), op_(std::move(op)) {}

  class awaiter {
  public:
    awaiter(trial& t, Op&& op, creche::detail::task_run& r)
        : trial_(t), inner_(std::move(op).bind(r)) {}
    awaiter(const awaiter&) = delete;
    bool await_ready() {
      trial_.cancel_if(moment::before, number_);
      return inner_.await_ready();
    }
    void await_suspend(std::coroutine_handle<> h) {
      inner_.await_suspend(h);
      if (trial_.when == moment::waiting && trial_.which == number_) trial_.now_waiting.set();
    }
    decltype(auto) await_resume() {
      trial_.note();
      trial_.cancel_if(moment::resumed, number_);
      return inner_.await_resume();
    }

  private:
    trial& trial_;
    int number_ = ++trial_.awaits;
    inner inner_;
  };
  awaiter bind(creche::detail::task_run& r) { return awaiter(trial_, std::move(op_), r); }

private:
  trial& trial_;
  Op op_;
};

} // namespace creche::testing
