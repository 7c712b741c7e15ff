// scope.hpp: a part of a task that can be cancelled by itself, by its deadline or by hand.
//
// A stop unwinds the frames inside the scope, and the scope's awaiter goes on. Scopes nest; of two
// that are cancelled together the outer one is where the task goes on (Trio).
// A scope belongs to its task and that task's loop.
#pragma once

#include "runtime/task.hpp"
#include "runtime/wheel.hpp"

#include <utility>

namespace creche {

/// What the body of a scope gets to end it by.
class cancel_scope : detail::boundary {
public:
  /// Idempotent; takes effect at the body's next checkpoint, also when called from inside. Not a
  /// checkpoint itself. Own loop only.
  void cancel() noexcept { boundary::cancel(); }
  bool cancel_called() const noexcept { return cancelled; }

protected:
  cancel_scope() = default;
  ~cancel_scope() = default;
  detail::boundary& as_boundary() noexcept { return *this; }
  using boundary::enter;
  using boundary::leave;
  using boundary::run;
};

namespace detail {

// A scope's deadline; armed while the body runs.
class scope_with_deadline : public cancel_scope, timer {
protected:
  scope_with_deadline(task_run& r, clock_duration limit) noexcept;
  ~scope_with_deadline();
  void open();
  void close() noexcept;

  task_run& run_;

private:
  clock_duration limit_;
};

template <class F, bool TakesScope> struct scope_body {
  using type = std::invoke_result_t<F&>;
};
template <class F> struct scope_body<F, true> {
  using type = std::invoke_result_t<F&, cancel_scope&>;
};

/// What a scope gives: the body's value or nothing; for a body without a value, whether it was
/// completed.
template <class T> struct or_nothing {
  using type = std::optional<T>;
};
template <> struct or_nothing<void> {
  using type = bool;
};

template <class F> class move_on_awaiter final : scope_with_deadline {
  static constexpr bool takes_scope = std::is_invocable_v<F&, cancel_scope&>;
  using body_task = typename scope_body<F, takes_scope>::type;
  using value = typename task_value<body_task>::type;

public:
  move_on_awaiter(task_run& r, clock_duration limit, F f) noexcept
      : scope_with_deadline(r, limit), f_(static_cast<F&&>(f)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) {
    open();
    if constexpr (takes_scope)
      body_.begin(f_(static_cast<cancel_scope&>(*this)), run_, as_boundary());
    else
      body_.begin(f_(), run_, as_boundary());
  }
  typename or_nothing<value>::type await_resume() {
    if (!body_) return {};
    if constexpr (std::is_void_v<value>) {
      body_.take();
      return true;
    } else {
      return body_.take();
    }
  }

private:
  void complete(bool) override {
    close();
    run_.go_on(as_boundary());
  }
  F f_;
  body_of<value> body_;
};

template <class F> class move_on_op {
public:
  move_on_op(clock_duration d, F f) noexcept : limit_(d), f_(static_cast<F&&>(f)) {}
  move_on_awaiter<F> bind(task_run& r) noexcept { return {r, limit_, static_cast<F&&>(f_)}; }

private:
  clock_duration limit_;
  F f_;
};

} // namespace detail

/// Runs `f()` or `f(cancel_scope&)`, which returns task<T>, for at most `limit`: then its value, or
/// nullopt if it was stopped; for task<>, true or false. A limit of zero or less stops it at its
/// first checkpoint. A stop that comes from further out passes through. The body is a checkpoint if
/// it has one.
template <class F> [[nodiscard]] auto move_on_after(clock_duration limit, F&& f) {
  CRECHE_NAME_IT(F);
  return detail::move_on_op<F>(limit, std::forward<F>(f));
}

} // namespace creche
