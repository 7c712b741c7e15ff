// task.hpp: task<T>, a coroutine that runs inside a child of a nursery.
//
// Lazy: nothing runs before it is awaited. Awaited once, as an rvalue. Inside a task, awaited tasks
// are plain nested frames; concurrency is a nursery's business. Three ways out of an await: a
// value, an exception, or stopped (the frame is destroyed; no handler is entered, destructors run).
// A task object and its frames belong to the loop they run on.
#pragma once

#include "runtime/task/compiler.hpp"

#include <type_traits>
#include <utility>

namespace creche {

namespace detail {
struct frame;
template <class T> struct promise_of;
template <class T> class task_awaiter;
class task_run;
void drop_unawaited(frame& dropped) noexcept;
} // namespace detail

template <class T = void> class [[nodiscard]] task {
  static_assert(!std::is_reference_v<T>, "a task returns a value; return a pointer instead");

public:
  using promise_type = detail::promise_of<T>;

  task(task&& other) noexcept : frame_(other.release()) {}
  task& operator=(task&&) = delete;
  /// One that nobody awaited or started makes the task that drops it fail (errc::never_awaited),
  /// unless an exception or a stop is the reason.
  ~task() {
    if (frame_) detail::drop_unawaited(*frame_);
  }

  /// False once it was moved from or awaited.
  explicit operator bool() const noexcept { return frame_ != nullptr; }

  /// `co_await std::move(t)` in a task calls this.
  detail::task_awaiter<T> bind(detail::task_run& run) && noexcept;
  /// For boundaries: the frame, now the caller's.
  detail::frame* release() noexcept { return std::exchange(frame_, nullptr); }

private:
  friend promise_type;
  explicit task(detail::frame& made) noexcept : frame_(&made) {}
  detail::frame* frame_;
};

} // namespace creche

#include "runtime/task/detail/promise.hpp"
