// scope_awaiter.hpp: the awaiters of runtime/task/scope.hpp.
#pragma once

#include "runtime/task/scope.hpp"

#include <optional>

namespace creche {

namespace detail {

template <class F, bool TakesScope> struct scope_body {
  using type = std::invoke_result_t<F&>;
};
template <class F> struct scope_body<F, true> {
  using type = std::invoke_result_t<F&, cancel_scope&>;
};

template <class T> struct or_nothing {
  using type = std::optional<T>;
};
template <> struct or_nothing<void> {
  using type = bool;
};

[[noreturn]] void fail_too_slow(const scope_limit& limit, std::source_location where);

template <class F, give Given> class scope_awaiter final : cancel_scope {
  static constexpr bool takes_scope = std::is_invocable_v<F&, cancel_scope&>;
  using body_task = typename scope_body<F, takes_scope>::type;
  static_assert(is_task<body_task>, "the body must return a task, as a function that awaits does");
  using value = typename task_value<body_task>::type;
  using given = std::conditional_t<Given == give::maybe, typename or_nothing<value>::type, value>;

public:
  scope_awaiter(task_run& in, scope_limit limit, bool shielded, F&& body,
                std::source_location where) noexcept
      : cancel_scope(in, shielded), limit_(limit), where_(where),
        make_body_(static_cast<F&&>(body)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) {
    const auto now = run_.now();
    deadline_ = limit_.from(now);
    open(now);
    if constexpr (takes_scope)
      body_.begin(make_body_(static_cast<cancel_scope&>(*this)), run_);
    else
      body_.begin(make_body_(), run_);
  }
  given await_resume() {
    if (!body_) [[unlikely]]
      rethrow();
    if constexpr (Given == give::must) {
      if (!body_) fail_too_slow(limit_, where_);
      return body_.take();
    } else if constexpr (std::is_void_v<value>) {
      if (!body_) return false;
      body_.take();
      return true;
    } else {
      if (!body_) return {};
      return body_.take();
    }
  }

private:
  void cancelled_behind_shield() noexcept override {
    if (limit_.after_cancel && deadline_ == time_point::max()) deadline_in(limit_.in);
  }
  void complete(bool stopped) override {
    close(stopped);
    run_.go_on(as_boundary());
  }
  scope_limit limit_;
  std::source_location where_;
  F make_body_;
  body_of<value> body_;
};

class effective_deadline_awaiter {
public:
  explicit effective_deadline_awaiter(task_run& run) noexcept
      : deadline_(run.effective_deadline()) {}
  bool await_ready() const noexcept { return true; }
  void await_suspend(std::coroutine_handle<>) const noexcept {}
  time_point await_resume() const noexcept { return deadline_; }

private:
  time_point deadline_;
};

} // namespace detail

inline detail::op<detail::effective_deadline_awaiter> effective_deadline() noexcept { return {}; }

} // namespace creche
