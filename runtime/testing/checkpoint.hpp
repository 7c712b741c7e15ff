// checkpoint.hpp: shows that an operation is a checkpoint, or that it is none.
//
//   co_await testing::require_checkpoint([&] { return sleep_for(0s); });
//
// Inside a task only.
#pragma once

#include "runtime/scope.hpp"

#include <optional>
#include <source_location>

namespace creche::testing {

namespace detail {

/// Who runs this coroutine.
class own_run {
public:
  own_run() noexcept {}
  class awaiter {
  public:
    explicit awaiter(creche::detail::task_run& r) noexcept : run_(r) {}
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    creche::detail::task_run& await_resume() const noexcept { return run_; }

  private:
    creche::detail::task_run& run_;
  };
  awaiter bind(creche::detail::task_run& r) const noexcept { return awaiter(r); }
};

/// What awaiting `A` gives.
template <class A>
using value_of_await = std::remove_cvref_t<
    decltype(std::declval<A>().bind(std::declval<creche::detail::task_run&>()).await_resume())>;
template <class F> struct value_of_op {
  using type = value_of_await<std::invoke_result_t<F&>>;
};
template <class F>
  requires std::is_void_v<std::invoke_result_t<F&>>
struct value_of_op<F> {
  using type = void;
};

[[noreturn]] void fail_at(std::source_location where, const char* sentence);

template <class F> task<> run_once(F& op) {
  if constexpr (std::is_void_v<std::invoke_result_t<F&>>)
    op();
  else
    (void)co_await op();
  co_return;
}

inline void must_have_yielded(creche::detail::task_run& r, std::source_location where) {
  if (r.exhausted())
    fail_at(where, "require_checkpoint: the operation completes without ever letting others run");
}

// F is what was deduced as F&&: a reference to a named callable, or the type of a plain one.
template <class F>
task<typename value_of_op<F>::type> checkpoint_test(F op, std::source_location where) {
  auto once = [&op] { return run_once(op); };
  if (co_await move_on_after(clock_duration::zero(), once))
    fail_at(where, "require_checkpoint: the operation completes in a cancelled scope: it does not "
                   "look for cancellation first");
  auto& run = co_await own_run();
  run.exhaust();
  if constexpr (std::is_void_v<typename value_of_op<F>::type>) {
    co_await op();
    must_have_yielded(run, where);
  } else {
    auto value = co_await op();
    must_have_yielded(run, where);
    co_return value;
  }
}

template <class F> task<> no_checkpoint_test(F op, std::source_location where) {
  auto& run = co_await own_run();
  bool others_ran = false;
  auto once = [&]() -> task<> {
    run.exhaust();
    co_await run_once(op);
    others_ran = !run.exhausted();
  };
  if (!co_await move_on_after(clock_duration::zero(), once))
    fail_at(where, "require_no_checkpoint: the operation stops in a cancelled scope");
  if (others_ran) fail_at(where, "require_no_checkpoint: the operation lets others run");
}

} // namespace detail

/// Runs the operation, `op()`, which returns an awaitable or a task, and gives its value. Throws
/// std::logic_error unless it is a checkpoint in every way that can be told from outside:
/// - in a cancelled scope it must not complete (so `op` is called twice, and what it does before
///   its first checkpoint is done twice);
/// - with its 64 awaits in a row spent, it must let others run before it completes.
/// What the operation throws passes through. Checkpoint.
template <class F>
[[nodiscard]] auto
require_checkpoint(F&& op, std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  static_assert(!std::is_void_v<std::invoke_result_t<F&>>,
                "a function that returns nothing to co_await is no checkpoint");
  return detail::checkpoint_test<F>(std::forward<F>(op), where);
}

/// Runs `op()` once, in a cancelled scope: throws std::logic_error if it stops there, or lets
/// others run. `op` may also be a plain function that returns nothing.
template <class F>
[[nodiscard]] task<>
require_no_checkpoint(F&& op, std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::no_checkpoint_test<F>(std::forward<F>(op), where);
}

} // namespace creche::testing
