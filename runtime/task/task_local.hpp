// task_local.hpp: values that belong to a task and are inherited by what it starts: a trace id, a
// tenant, a log prefix (Python's contextvars, Java's ScopedValue).
//
// A value is bound for as long as a body runs. A child sees what was bound around the call that
// started it, whichever loop it runs on, and again in every restart. Values are immutable and
// shared, so the threads of several loops may read them at once.
#pragma once

#include "runtime/task/compiler.hpp"
#include "runtime/task/detail/binding.hpp"
#include "runtime/task/task.hpp"

#include <utility>

namespace creche {

/// Lives for the whole program, as a namespace-scope object does.
template <class T> class task_local {
  static_assert(std::is_nothrow_destructible_v<T>, "a value must not throw from its destructor");

public:
  explicit task_local(T fallback = T()) : fallback_(std::move(fallback)) {}
  task_local(const task_local&) = delete;

  /// What is bound around here, or the fallback. Any thread; outside of tasks always the fallback.
  /// The reference is good until the binding's body has ended.
  const T& get() const noexcept {
    for (auto* at = detail::current_bindings(); at; at = at->older)
      if (at->key == &key_) return static_cast<const value_binding*>(at)->value;
    return fallback_;
  }

  /// Runs `body()`, which returns task<U>, with `value` bound, and gives what it gives. A
  /// checkpoint if the body has one.
  template <class F> [[nodiscard]] auto with(T value, F&& body) const {
    CRECHE_NAME_IT(F);
    static_assert(!CRECHE_BROKEN_TEMPORARIES || !std::is_aggregate_v<T> ||
                      std::is_trivially_destructible_v<T>,
                  "g++ 12 miscompiles an owning aggregate in a co_await expression: give T a "
                  "constructor");
    return run(detail::binding_ptr(new value_binding(&key_, std::move(value))),
               std::decay_t<F>(std::forward<F>(body)));
  }

private:
  struct value_binding final : detail::binding {
    const T value;
    value_binding(const void* its_key, T&& bound) : binding(its_key), value(std::move(bound)) {}
  };
  template <class F> static task<detail::value_of<F&>> run(detail::binding_ptr bound, F body) {
    detail::bound_here here(bound.detach());
    co_return co_await body();
  }
  char key_{}; // by its address; our own may be that of a task_local in T, too
  T fallback_;
};

} // namespace creche
