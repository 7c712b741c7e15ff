// receive.hpp: a task takes a message out of its mailbox.
//
//     auto o = co_await receive<order>();            // an order
//     auto m = co_await receive<order, refund>();    // std::variant<order, refund>, the older one
//
// Selective: the oldest message of these types is taken, and all others stay, in order. What
// child::send puts there is bounded (child_spec::mailbox_limit) and belongs to one incarnation of
// the child. A cancel loses no message: it is taken in the step that receives it.
// A branch of when_all or when_any receives what is sent to the task that awaits it.
// Own loop only.
#pragma once

#include "runtime/task/detail/op.hpp"
#include "runtime/task/mail.hpp"

#include <type_traits>

namespace creche {

namespace detail {
template <class... Ts> class mail_awaiter;
template <class... Ts> using mail_op = op<mail_awaiter<Ts...>>;
} // namespace detail

/// Waits for a message of one of these types, and gives the oldest. Checkpoint.
template <class... Ts> detail::mail_op<Ts...> receive() noexcept {
  static_assert(sizeof...(Ts) > 0, "receive what? receive<order, refund>()");
  static_assert((std::is_same_v<Ts, std::decay_t<Ts>> && ...),
                "a message has a plain type: no reference, no const");
  return {};
}

} // namespace creche

#include "runtime/messages/detail/mail_wait.hpp"
