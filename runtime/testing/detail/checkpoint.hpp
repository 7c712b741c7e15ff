// checkpoint.hpp, continued: how an operation is tried.
#pragma once

#include "runtime/task/detail/op.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/testing/checkpoint.hpp"

#include <optional>

namespace creche::testing {

namespace detail {

/// The run of this coroutine's task.
class own_run_awaiter {
public:
  explicit own_run_awaiter(creche::detail::task_run& run) noexcept : run_(run) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  creche::detail::task_run& await_resume() const noexcept { return run_; }

private:
  creche::detail::task_run& run_;
};
using own_run = creche::detail::op<own_run_awaiter>;

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

inline void must_have_yielded(creche::detail::task_run& run, std::source_location where) {
  if (run.exhausted())
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

template <class F>
task<typename detail::value_of_op<F>::type> require_checkpoint(F&& op, std::source_location where) {
  CRECHE_NAME_IT(F);
  static_assert(!std::is_void_v<std::invoke_result_t<F&>>,
                "a function that returns nothing to co_await is no checkpoint");
  return detail::checkpoint_test<F>(std::forward<F>(op), where);
}

template <class F> task<> require_no_checkpoint(F&& op, std::source_location where) {
  CRECHE_NAME_IT(F);
  return detail::no_checkpoint_test<F>(std::forward<F>(op), where);
}

} // namespace creche::testing
