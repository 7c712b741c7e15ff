// stop_token.hpp, continued: how the two worlds are joined.
#pragma once

#include "runtime/task/stop_token.hpp"

namespace creche {

namespace detail {

template <class F>
task<typename or_nothing<value_of<F&>>::type> run_until_stopped(std::stop_token token, F f) {
  auto body = [&](cancel_scope& scope) -> task<value_of<F&>> {
    const auto cancel = [handle = scope.remote()] { handle.cancel("its stop token"); };
    const std::stop_callback link(token, cancel);
    co_return co_await f();
  };
  co_return co_await move_on_after(no_limit, body);
}

/// A boundary that passes a cancel on, and stops nothing itself.
template <class F> class stop_source_awaiter final : boundary {
  using value = value_of<F&, std::stop_token>;

public:
  stop_source_awaiter(task_run& owner, F f) : run_(owner), f_(static_cast<F&&>(f)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) {
    enter(run_);
    if (pending_outside()) source_.request_stop();
    body_.begin(f_(source_.get_token()), run_);
  }
  value await_resume() { return body_.take(); }

private:
  void complete(bool) override {
    leave();
    run_.go_on(*this);
  }
  void cancelled_from_outside() noexcept override { source_.request_stop(); }

  task_run& run_;
  F f_;
  std::stop_source source_;
  body_of<value> body_;
};

template <class F> class stop_source_op {
public:
  explicit stop_source_op(F f) noexcept : f_(static_cast<F&&>(f)) {}
  stop_source_awaiter<F> bind(task_run& run) { return {run, static_cast<F&&>(f_)}; }

private:
  F f_;
};

} // namespace detail

template <class F>
task<typename detail::or_nothing<detail::value_of<F&>>::type> until_stopped(std::stop_token token,
                                                                            F&& f) {
  CRECHE_NAME_IT(F);
  return detail::run_until_stopped<F>(std::move(token), std::forward<F>(f));
}

template <class F> detail::stop_source_op<F> with_stop_token(F&& f) {
  CRECHE_NAME_IT(F);
  return detail::stop_source_op<F>(std::forward<F>(f));
}

} // namespace creche
