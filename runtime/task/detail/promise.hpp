// promise.hpp: the coroutine side of task<T>: its promise, its awaiter, and the body of a boundary.
#pragma once

#include "runtime/task/detail/frame.hpp"
#include "runtime/task/task.hpp"

#include <optional>
#include <type_traits>

namespace creche::detail {

/// A leaf is awaited through leaf_awaiter.
template <class Awaiter>
concept looks_for_cancel_first = !std::is_base_of_v<leaf, Awaiter> ||
                                 std::is_same_v<decltype(&Awaiter::await_suspend),
                                                void (leaf_awaiter::*)(std::coroutine_handle<>)>;

template <class A>
concept awaitable_in_task =
    requires(A&& awaited, task_run& run) { std::forward<A>(awaited).bind(run); };

[[noreturn]] void fail_empty_task();
[[noreturn]] void fail_unwinding();

/// What every task's promise does, whatever its value.
struct promise : frame {
  struct final_awaiter {
    bool await_ready() noexcept { return false; }
    template <class P> void await_suspend(std::coroutine_handle<P> handle) noexcept {
      frame& ended = handle.promise();
      ended.run->returned(ended);
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  final_awaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { error = std::current_exception(); }

  template <class A>
  auto await_transform(A&& awaited, std::source_location where = std::source_location::current()) {
    static_assert(!is_task<std::remove_cvref_t<A>> || !std::is_lvalue_reference_v<A>,
                  "a task is awaited once, as an rvalue: co_await std::move(t)");
    static_assert(awaitable_in_task<A>, "not an awaitable of creche: a task awaits tasks and what "
                                        "creche's functions return");
    if (run->unwinding()) [[unlikely]]
      fail_unwinding();
    at = where;
    static_assert(looks_for_cancel_first<decltype(std::forward<A>(awaited).bind(*run))>,
                  "an awaiter that waits has the await_suspend of leaf_awaiter");
    return std::forward<A>(awaited).bind(*run);
  }
};

template <class T> struct value_promise : promise {
  std::optional<T> value;
  template <class U = T>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& returned) {
    value.emplace(std::forward<U>(returned));
  }
  T take() {
    if (error) std::rethrow_exception(std::move(error));
    return std::move(*value);
  }
};
template <> struct value_promise<void> : promise {
  void return_void() noexcept {}
  void take() {
    if (error) std::rethrow_exception(std::move(error));
  }
};

template <class T> struct promise_of final : value_promise<T> {
  static_assert(std::is_void_v<T> || std::is_nothrow_destructible_v<T>,
                "a task's value must not throw from its destructor");
  task<T> get_return_object() noexcept {
    this->self = std::coroutine_handle<promise_of>::from_promise(*this);
    return task<T>(*this);
  }
};

/// An argument lives until its frame is freed: what it throws then reaches nobody.
template <class A>
inline constexpr bool quiet_argument = std::is_reference_v<A> || std::is_nothrow_destructible_v<A>;

/// One await of a task: owns its frame until it is over.
template <class T> class task_awaiter {
public:
  task_awaiter(frame* owned, task_run& run) noexcept : frame_(owned), run_(run) {
    if (frame_) frame_->holder = &frame_;
  }
  task_awaiter(const task_awaiter&) = delete;
  ~task_awaiter() {
    if (frame_) frame_->self.destroy();
  }
  bool await_ready() const noexcept { return frame_ == nullptr; }
  void await_suspend(std::coroutine_handle<>) noexcept { run_.call(*frame_); }
  T await_resume() {
    if (!frame_) fail_empty_task();
    return static_cast<promise_of<T>*>(frame_)->take();
  }

private:
  frame* frame_;
  task_run& run_;
};

/// The frame of a boundary's body, and the way to its value.
template <class T> class body_of {
public:
  body_of() = default;
  body_of(const body_of&) = delete;
  ~body_of() { reset(); }
  void begin(task<T> body, task_run& run) {
    if (!body) fail_empty_task();
    frame_ = body.release();
    frame_->holder = &frame_;
    run.call_body(*frame_);
  }
  void reset() noexcept {
    if (auto* owned = std::exchange(frame_, nullptr)) owned->self.destroy();
  }
  explicit operator bool() const noexcept { return frame_ != nullptr; }
  frame& get() const noexcept { return *frame_; }
  T take() { return static_cast<promise_of<T>*>(frame_)->take(); }

private:
  frame* frame_ = nullptr;
};

template <class> struct task_value;
template <class T> struct task_value<task<T>> {
  using type = T;
};
/// T, for a callable that returns task<T>.
template <class F, class... A>
using value_of = typename task_value<std::invoke_result_t<F, A...>>::type;

} // namespace creche::detail

template <class T, class... A> struct std::coroutine_traits<creche::task<T>, A...> {
  static_assert((creche::detail::quiet_argument<A> && ...),
                "an argument of a task must not throw from its destructor: a local may");
  using promise_type = creche::detail::promise_of<T>;
};

namespace creche {

template <class T> detail::task_awaiter<T> task<T>::bind(detail::task_run& run) && noexcept {
  return {release(), run};
}

} // namespace creche
