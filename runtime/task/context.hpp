// context.hpp: what travels with work from task to task: the task_locals bound around it, and the
// time by which it is wanted.
//
// A child inherits the locals by being started, and deadlines by being inside the scopes of its
// starter. Work that is handed on by a message has neither, so a request carries both. Its receiver
// does the work in them, and a request's deadline ends exactly the work that it caused, however far
// away.
#pragma once

#include "runtime/task/scope.hpp"
#include "runtime/task/task_local.hpp"

namespace creche {

/// A value; any thread.
class context {
public:
  /// Nothing bound, no deadline.
  context() noexcept = default;

  /// That of the running task, with the earliest deadline of the scopes around. Outside of tasks an
  /// empty one.
  static context here() noexcept;
  /// The same, wanted by `due` at the latest.
  context until(time_point due) const noexcept {
    auto sooner = *this;
    if (due < sooner.deadline_) sooner.deadline_ = due;
    return sooner;
  }
  /// time_point::max(): none.
  time_point deadline() const noexcept { return deadline_; }

  /// Runs `body()`, which returns task<T>, with these locals in place of the task's own, and gives
  /// its value. Throws too_slow if it is not done by the deadline. A checkpoint if the body has
  /// one.
  template <class F> [[nodiscard]] auto run(F&& body) const {
    CRECHE_NAME_IT(F);
    return run_in(*this, std::decay_t<F>(std::forward<F>(body)));
  }
  /// The same for who serves many: false if the deadline came before `body()`, which returns
  /// task<>, was done, and stopped it.
  template <class F> [[nodiscard]] task<bool> run_while_wanted(F&& body) const {
    CRECHE_NAME_IT(F);
    return run_wanted_in(*this, std::decay_t<F>(std::forward<F>(body)));
  }

private:
  // In a frame of a task: the locals are the task's own for as long as it lives.
  class adopted {
  public:
    explicit adopted(detail::binding_ptr bindings) noexcept;
    adopted(const adopted&) = delete;
    ~adopted();

  private:
    internal::task_record* record_ = nullptr; // null outside tasks
    detail::binding* own_ = nullptr;          // the task's, meanwhile
  };
  template <class F> static task<detail::value_of<F&>> run_in(context in, F body) {
    adopted here(in.bindings_);
    co_return co_await fail_at(in.deadline_, body);
  }
  template <class F> static task<bool> run_wanted_in(context in, F body) {
    adopted here(in.bindings_);
    co_return co_await move_on_at(in.deadline_, body);
  }

  detail::binding_ptr bindings_;
  time_point deadline_ = time_point::max();
};

/// A message that takes its sender's context along: `c.send(carried(m))`, and in the task
/// `auto x = co_await receive<carried<M>>(); co_await x.origin().run(work);`
template <class M> class carried {
public:
  explicit carried(M message) : message_(std::move(message)), origin_(context::here()) {}
  M& message() noexcept { return message_; }
  const M& message() const noexcept { return message_; }
  const context& origin() const noexcept { return origin_; }

private:
  M message_;
  context origin_;
};

} // namespace creche
