// when.hpp: several tasks at once, for all of them or for the first.
//
// Each runs as a child of a nursery of its own, on this task's loop: there is one form of
// concurrency. Neither returns before all of them have ended. A branch receives what is sent to
// this task, so that a task may wait for a message or for something else:
//
//     task<order> next_order() { co_return co_await receive<order>(); }
//     task<> wait(event& stop) { co_await stop.wait(); }
//     auto got = co_await when_any(next_order(), wait(stop));
//
// One that completes before the cancel can stop it has taken its message: look at all values.
#pragma once

#include "runtime/supervision/nursery.hpp"

#include <optional>
#include <tuple>

namespace creche {

/// Stands for the value of a task<>.
struct nothing {
  friend bool operator==(nothing, nothing) = default;
};

namespace detail {
template <class T> using value_or_nothing = std::conditional_t<std::is_void_v<T>, nothing, T>;
} // namespace detail

/// Runs all of them, and gives their values in order (`nothing` for a task<>). If one fails the
/// others are cancelled, all are waited for, and a failure_group is thrown. Checkpoint.
template <class... T>
  requires(sizeof...(T) > 0)
[[nodiscard]] task<std::tuple<detail::value_or_nothing<T>...>> when_all(task<T>... tasks);

/// What when_any gives. A loser that completed before the cancel could stop it has its value here
/// as well. A when_any that is stopped from outside gives nothing, also if a branch has completed
/// in the same moment (as a nursery of Trio's): a branch that takes what must not be lost puts it
/// where it outlives the when_any.
template <class... T> struct any_of {
  std::size_t first = 0; ///< the index of the one that completed first
  std::tuple<std::optional<detail::value_or_nothing<T>>...> values;
};

/// Runs all of them until one completes; then the others are cancelled and waited for. If one fails
/// first, the rest is cancelled as well, and a failure_group is thrown. Checkpoint.
template <class... T>
  requires(sizeof...(T) > 0)
[[nodiscard]] task<any_of<T...>> when_any(task<T>... tasks);

} // namespace creche

#include "runtime/supervision/detail/when.hpp"
