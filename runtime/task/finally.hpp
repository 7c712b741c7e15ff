// finally.hpp: work that must be done however a body ends: with a value, an exception or a stop.
//
// Destructors do what can be done at once; what has to await goes here. The clean-up is shielded by
// default, so that the cancel that ended the body does not end it too, and has a limit of its own,
// so that it cannot keep the tree from ending.
#pragma once

#include "runtime/task/compiler.hpp"
#include "runtime/time/clock.hpp"

#include <utility>

namespace creche {

namespace detail {
template <class B, class C> class finally_op;
} // namespace detail

/// Runs `body()`, which returns task<T>, then `cleanup()`, which returns task<>, in every case;
/// gives the body's value, throws its exception, or stops on. The body's locals are gone when the
/// clean-up begins. A clean-up that takes longer than `limit` is stopped and is a failure
/// (errc::cleanup_overran). What the clean-up throws is thrown; if the body failed, too, both are,
/// as a failure_group: the clean-up's failure, because of the body's. A failure beside a stop wins.
/// Checkpoints are those of body and clean-up.
template <class B, class C>
[[nodiscard]] auto finally(B&& body, C&& cleanup, time_span limit = std::chrono::seconds(5)) {
  CRECHE_NAME_IT(B);
  CRECHE_NAME_IT(C);
  return detail::finally_op<B, C>(limit, std::forward<B>(body), std::forward<C>(cleanup));
}

} // namespace creche

#include "runtime/task/detail/finally_awaiter.hpp"
