// when.hpp: several tasks at once, for all of them or for the first.
//
// Each runs as a child of a nursery of its own, on this task's loop: there is one form of
// concurrency. Neither returns before all of them have ended.
#pragma once

#include "runtime/nursery.hpp"
#include "runtime/this_task.hpp"

#include <optional>
#include <tuple>

namespace creche {

/// Stands for the value of a task<>.
struct nothing {
  friend bool operator==(nothing, nothing) = default;
};

namespace detail {

template <class T> using value_or_nothing = std::conditional_t<std::is_void_v<T>, nothing, T>;

template <class T> task<> run_into(task<T> t, std::optional<value_or_nothing<T>>& to) {
  if constexpr (std::is_void_v<T>) {
    co_await std::move(t);
    to.emplace();
  } else {
    to.emplace(co_await std::move(t));
  }
}

/// Some were stopped from further out, and this task was shielded before it saw that: it stops all
/// the same, for it has no values to go on with.
class stop_on_op {
public:
  class awaiter {
  public:
    explicit awaiter(task_run& r) noexcept : run_(r) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) const noexcept { run_.stop(); }
    void await_resume() const noexcept {}

  private:
    task_run& run_;
  };
  stop_on_op() noexcept {}
  awaiter bind(task_run& r) const noexcept { return awaiter(r); }
};

} // namespace detail

/// Runs all of them, and gives their values in order (`nothing` for a task<>). If one fails the
/// others are cancelled, all are waited for, and a failure_group is thrown. Checkpoint.
template <class... T>
  requires(sizeof...(T) > 0)
[[nodiscard]] task<std::tuple<detail::value_or_nothing<T>...>> when_all(task<T>... t) {
  std::tuple<std::optional<detail::value_or_nothing<T>>...> values;
  auto body = [&](nursery& n) -> task<> {
    std::apply(
        [&](auto&... to) {
          (n.start([&to](task<T>& x) { return detail::run_into(std::move(x), to); }, std::move(t)),
           ...);
        },
        values);
    co_return;
  };
  co_await with_nursery(nursery_options{.name = "when_all"}, body);
  co_await checkpoint();
  if (!std::apply([](auto&... v) { return (v.has_value() && ...); }, values))
    co_await detail::stop_on_op();
  auto all = std::apply(
      [](auto&... v) { return std::tuple<detail::value_or_nothing<T>...>(std::move(*v)...); },
      values);
  co_return std::move(all);
}

/// What when_any gives. A loser that completed before the cancel could stop it has its value here
/// as well. A when_any that is stopped from outside gives nothing, also if a branch has completed
/// in the same moment (as a nursery of Trio's): a branch that takes what must not be lost puts it
/// where it outlives the when_any.
template <class... T> struct any_of {
  std::size_t first = 0; ///< who completed first
  std::tuple<std::optional<detail::value_or_nothing<T>>...> values;
};

/// Runs all of them until one completes; then the others are cancelled and waited for. If one fails
/// first, the rest is cancelled as well, and a failure_group is thrown. Checkpoint.
template <class... T>
  requires(sizeof...(T) > 0)
[[nodiscard]] task<any_of<T...>> when_any(task<T>... t) {
  any_of<T...> result;
  bool decided = false;
  auto body = [&](nursery& n) -> task<> {
    std::size_t index = 0;
    std::apply(
        [&](auto&... to) {
          (n.start(
               [&n, &to, &result, &decided, index = index++](task<T>& x) -> task<> {
                 co_await detail::run_into(std::move(x), to);
                 if (!std::exchange(decided, true)) result.first = index;
                 n.cancel();
               },
               std::move(t)),
           ...);
        },
        result.values);
    co_return;
  };
  co_await with_nursery(nursery_options{.name = "when_any"}, body);
  co_await checkpoint();
  if (!decided) co_await detail::stop_on_op();
  co_return std::move(result);
}

} // namespace creche
