// stop_token.hpp: std::stop_token into a scope, and out of one.
//
// Not part of <creche/creche.hpp>, for <stop_token> is heavy.
#pragma once

#include "runtime/task/scope.hpp"

#include <stop_token>

namespace creche {

namespace detail {
template <class F> class stop_source_op;
template <class F>
task<typename or_nothing<value_of<F&>>::type> run_until_stopped(std::stop_token token, F f);
} // namespace detail

/// Runs `f()`, which returns task<T>, until `token` is stopped, by whichever thread: gives its
/// value, or nullopt if it was stopped; for task<>, true or false. A stop that comes from further
/// out passes through. The body is a checkpoint if it has one.
template <class F>
[[nodiscard]] task<typename detail::or_nothing<detail::value_of<F&>>::type>
until_stopped(std::stop_token token, F&& f);

/// Runs `f(token)`, which returns task<T>, and gives its value. The token, a std::stop_token for
/// what knows nothing of creche, is stopped when the body is cancelled: by a scope or a nursery
/// further out, or with its task. What is registered with it runs on this loop's thread. The body
/// is a checkpoint if it has one.
template <class F> [[nodiscard]] detail::stop_source_op<F> with_stop_token(F&& f);

} // namespace creche

#include "runtime/task/detail/stop_token.hpp"
