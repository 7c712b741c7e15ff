// task_local.hpp: values that belong to a task and are inherited by what it starts: a trace id, a
// tenant, a log prefix (Python's contextvars, Java's ScopedValue).
//
// A value is bound for as long as a body runs. A child sees what was bound around the call that
// started it, whichever loop it runs on, and again in every restart. Values are immutable and
// shared, so they may be read from the threads of several loops at once.
#pragma once

#include "runtime/task.hpp"

#include <atomic>
#include <cstdint>
#include <utility>

namespace creche {

namespace detail {

/// One binding; the newest first. Shared by the tasks that inherited it.
struct binding {
  std::atomic<std::uint32_t> refs{1};
  const void* key;
  binding* older = nullptr; // owned
  binding(const void* k) noexcept : key(k) {}
  binding(const binding&) = delete;
  virtual ~binding() = default;

  static void hold(binding* b) noexcept {
    if (b) b->refs.fetch_add(1, std::memory_order_relaxed);
  }
  static void drop(binding* b) noexcept;
};

/// What the running task has bound; null outside tasks.
binding* current_bindings() noexcept;

/// Binds for as long as it lives. In a frame of a task.
class bound_here {
public:
  explicit bound_here(binding* b) noexcept; // takes it over
  bound_here(const bound_here&) = delete;
  ~bound_here();

private:
  void* record_; // the task's; null outside tasks
};

} // namespace detail

/// Lives for the whole program, as a namespace-scope object does.
template <class T> class task_local {
public:
  explicit task_local(T fallback = T()) : fallback_(std::move(fallback)) {}
  task_local(const task_local&) = delete;

  /// What is bound around here, or the fallback. Any thread; outside of tasks always the fallback.
  /// The reference is good until the binding's body has ended.
  const T& get() const noexcept {
    for (auto* b = detail::current_bindings(); b; b = b->older)
      if (b->key == this) return static_cast<const value_binding*>(b)->value;
    return fallback_;
  }

  /// Runs `f()`, which returns task<U>, with `value` bound, and gives what it gives. A checkpoint
  /// if the body has one.
  template <class F> [[nodiscard]] auto with(T value, F&& f) const {
    CRECHE_NAME_IT(F);
    static_assert(!CRECHE_BROKEN_TEMPORARIES || !std::is_aggregate_v<T> ||
                      std::is_trivially_destructible_v<T>,
                  "g++ 12 miscompiles an owning aggregate in a co_await expression: give T a "
                  "constructor");
    return run(owner(new value_binding(this, std::move(value))),
               std::decay_t<F>(std::forward<F>(f)));
  }

private:
  struct value_binding final : detail::binding {
    const T value;
    value_binding(const void* k, T&& v) : binding(k), value(std::move(v)) {}
  };
  struct owner {
    detail::binding* b;
    explicit owner(detail::binding* x) noexcept : b(x) {}
    owner(owner&& o) noexcept : b(std::exchange(o.b, nullptr)) {}
    ~owner() { detail::binding::drop(b); }
  };
  template <class F>
  static task<typename detail::task_value<std::invoke_result_t<F&>>::type> run(owner o, F f) {
    detail::bound_here here(std::exchange(o.b, nullptr));
    co_return co_await f();
  }
  T fallback_;
};

} // namespace creche
