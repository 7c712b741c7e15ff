// task.hpp: task<T>, a coroutine that runs inside a child of a nursery.
//
// Lazy: nothing runs before it is awaited. Awaited once, as an rvalue. Inside a task, awaited tasks
// are plain nested frames; concurrency is a nursery's business. Three ways out of an await: a
// value, an exception, or stopped (the frame is destroyed; no handler is entered, destructors run).
// A task object and its frames belong to the loop they run on.
#pragma once

#include "runtime/compiler.hpp"
#include "runtime/frame.hpp"

#include <optional>
#include <type_traits>
#include <utility>

namespace creche {

template <class T = void> class task;

namespace detail {

template <class> inline constexpr bool is_task = false;
template <class T> inline constexpr bool is_task<task<T>> = true;

template <class A>
concept awaitable_in_task = requires(A&& a, task_run& r) { std::forward<A>(a).bind(r); };

[[noreturn]] void fail_empty_task();
void drop_unawaited(frame& f) noexcept;

/// What every task's promise does, whatever its value.
struct promise : frame {
  struct final_awaiter {
    bool await_ready() noexcept { return false; }
    template <class P> void await_suspend(std::coroutine_handle<P> h) noexcept {
      frame& f = h.promise();
      f.run->returned(f);
    }
    void await_resume() noexcept {}
  };

  std::suspend_always initial_suspend() noexcept { return {}; }
  final_awaiter final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { error = std::current_exception(); }

  template <class A>
  auto await_transform(A&& a, std::source_location where = std::source_location::current()) {
    static_assert(!is_task<std::remove_cvref_t<A>> || !std::is_lvalue_reference_v<A>,
                  "a task is awaited once, as an rvalue: co_await std::move(t)");
    static_assert(awaitable_in_task<A>, "not an awaitable of creche: a task awaits tasks and what "
                                        "creche's functions return");
    at = where;
    return std::forward<A>(a).bind(*run);
  }
};

template <class T> struct promise_of : promise {
  std::optional<T> value;
  template <class U = T>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& x) {
    value.emplace(std::forward<U>(x));
  }
  T take() {
    if (error) std::rethrow_exception(std::move(error));
    return std::move(*value);
  }
};
template <> struct promise_of<void> : promise {
  void return_void() noexcept {}
  void take() {
    if (error) std::rethrow_exception(std::move(error));
  }
};

} // namespace detail

template <class T> class [[nodiscard]] task {
  static_assert(!std::is_reference_v<T>, "a task returns a value; return a pointer instead");

public:
  struct promise_type : detail::promise_of<T> {
    task get_return_object() noexcept {
      this->self = std::coroutine_handle<promise_type>::from_promise(*this);
      return task(this);
    }
  };

  task(task&& o) noexcept : frame_(std::exchange(o.frame_, nullptr)) {}
  task& operator=(task&&) = delete;
  /// One that nobody awaited or started makes the task that drops it fail (errc::never_awaited),
  /// unless an exception or a stop is the reason.
  ~task() {
    if (frame_) detail::drop_unawaited(*frame_);
  }

  /// False once it was moved from or awaited.
  explicit operator bool() const noexcept { return frame_ != nullptr; }

  /// One await: owns the frame until it is over.
  class awaiter {
  public:
    awaiter(detail::frame* f, detail::task_run& r) noexcept : frame_(f), run_(r) {
      if (f) f->holder = &frame_;
    }
    awaiter(const awaiter&) = delete;
    ~awaiter() {
      if (frame_) frame_->self.destroy();
    }
    bool await_ready() const noexcept { return frame_ == nullptr; }
    void await_suspend(std::coroutine_handle<>) noexcept { run_.call(*frame_); }
    T await_resume() {
      if (!frame_) detail::fail_empty_task();
      return static_cast<promise_type*>(frame_)->take();
    }

  private:
    detail::frame* frame_;
    detail::task_run& run_;
  };
  awaiter bind(detail::task_run& r) && noexcept { return {std::exchange(frame_, nullptr), r}; }

  /// For boundaries: the frame, now the caller's.
  detail::frame* release() noexcept { return std::exchange(frame_, nullptr); }

private:
  explicit task(promise_type* p) noexcept : frame_(p) {}
  detail::frame* frame_;
};

namespace detail {

/// The frame of a boundary's body, and the way to its value.
template <class T> class body_of {
public:
  body_of() = default;
  body_of(const body_of&) = delete;
  ~body_of() { reset(); }
  void begin(task<T> t, task_run& r) {
    if (!t) fail_empty_task();
    frame_ = t.release();
    frame_->holder = &frame_;
    r.call_body(*frame_);
  }
  void reset() noexcept {
    if (auto* f = std::exchange(frame_, nullptr)) f->self.destroy();
  }
  explicit operator bool() const noexcept { return frame_ != nullptr; }
  frame& get() const noexcept { return *frame_; }
  T take() { return static_cast<typename task<T>::promise_type*>(frame_)->take(); }

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

} // namespace detail
} // namespace creche
