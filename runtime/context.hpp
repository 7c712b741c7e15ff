// context.hpp: what travels with work from task to task: the task_locals bound around it, and the
// time by which it is wanted.
//
// A child inherits the locals by being started, and deadlines by being inside the scopes of its
// starter. Work that is handed on by a message has neither, so a request carries both: its receiver
// does the work in them, and a request's deadline ends exactly the work it caused, however far
// away.
#pragma once

#include "runtime/scope.hpp"
#include "runtime/task_local.hpp"

namespace creche {

/// A value; any thread.
class context {
public:
  /// Nothing bound, no deadline.
  context() noexcept = default;
  context(const context& o) noexcept : bindings_(o.bindings_), deadline_(o.deadline_) {
    detail::binding::hold(bindings_);
  }
  context(context&& o) noexcept
      : bindings_(std::exchange(o.bindings_, nullptr)), deadline_(o.deadline_) {}
  context& operator=(context o) noexcept {
    std::swap(bindings_, o.bindings_);
    std::swap(deadline_, o.deadline_);
    return *this;
  }
  ~context() { detail::binding::drop(bindings_); }

  /// That of the running task, with the earliest deadline of the scopes around. Outside of tasks an
  /// empty one.
  static context here() noexcept;
  /// The same, wanted by `t` at the latest.
  context until(time_point t) const noexcept {
    auto c = *this;
    if (t < c.deadline_) c.deadline_ = t;
    return c;
  }
  /// time_point::max(): none.
  time_point deadline() const noexcept { return deadline_; }

  /// Runs `f()`, which returns task<T>, with these locals in place of the task's own, and gives its
  /// value. Throws too_slow if it is not done by the deadline. A checkpoint if the body has one.
  template <class F> [[nodiscard]] auto run(F&& f) const {
    CRECHE_NAME_IT(F);
    return run_in(*this, std::decay_t<F>(std::forward<F>(f)));
  }

private:
  // In a frame of a task.
  class adopted {
  public:
    explicit adopted(detail::binding* b) noexcept;
    adopted(const adopted&) = delete;
    ~adopted();

  private:
    void* record_;
    detail::binding* own_ = nullptr;
  };
  template <class F>
  static task<typename detail::task_value<std::invoke_result_t<F&>>::type> run_in(context c, F f) {
    adopted here(c.bindings_);
    co_return co_await fail_at(c.deadline_, f);
  }

  detail::binding* bindings_ = nullptr; // one reference
  time_point deadline_ = time_point::max();
};

/// A message that takes its sender's context along: `c.send(carried(m))`, and in the task
/// `auto x = co_await receive<carried<M>>(); co_await x.origin().run(work);`
template <class M> class carried {
public:
  explicit carried(M m) : message_(std::move(m)), origin_(context::here()) {}
  M& message() noexcept { return message_; }
  const M& message() const noexcept { return message_; }
  const context& origin() const noexcept { return origin_; }

private:
  M message_;
  context origin_;
};

} // namespace creche
