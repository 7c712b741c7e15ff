// request.hpp: a message that wants an answer, between tasks.
//
//     int price = co_await ask<int>(shop, order("tea"), 2s);      // in one task
//
//     auto q = co_await receive<asked<order, int>>();                   // in the other
//     q.answer(price_of(q.message()));
//
// Every request ends, and ends once: with the answer, with the news that there will be none
// (unanswered, receiver_down, receiver_full), at its deadline, or by cancel, at once. What comes
// later is dropped and counted as shed. Loops and threads may differ.
#pragma once

#include "runtime/messages/receive.hpp"
#include "runtime/supervision/child.hpp"
#include "runtime/task/compiler.hpp"
#include "runtime/task/context.hpp"
#include "runtime/task/detail/op.hpp"
#include "runtime/time/clock.hpp"

#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace creche {

namespace detail {
enum class verdict : std::uint8_t;
template <class R> class reply_to;
template <class M, class R> class request_awaiter;
template <class M, class R> using request_op = op<request_awaiter<M, R>, child, M, clock_duration>;
template <class R> using value_or_char = std::conditional_t<std::is_void_v<R>, char, R>;
} // namespace detail

/// Why a request has no answer. A deadline is errc::timed_out.
enum class request_errc {
  unanswered = 1, ///< its receiver took it, and let it go without a word
  receiver_down,  ///< its receiver had ended, or ended before it took it
  receiver_full,  ///< its receiver's mailbox was full
  not_understood, ///< its receiver is no task: it takes no messages of creche's
};
std::error_code make_error_code(request_errc code) noexcept;

/// Thrown by request; its code() says why.
class request_failed final : public std::system_error {
public:
  request_failed(std::error_code code, const std::string& receiver)
      : system_error(code, "request to " + receiver) {}
};

/// A request as its receiver has it: a message, and the duty to answer. Dropped unanswered it tells
/// the requester at once. Movable, to any thread.
template <class M, class R> class [[nodiscard]] asked {
public:
  asked(asked&& other) noexcept(std::is_nothrow_move_constructible_v<M>)
      : message_(std::move(other.message_)), origin_(std::move(other.origin_)),
        reply_(std::exchange(other.reply_, nullptr)) {}
  asked& operator=(asked&&) = delete;
  ~asked();

  M& message() noexcept { return message_; }
  const M& message() const noexcept { return message_; }
  /// The requester's task_locals, and the time by which it wants the answer:
  /// `co_await q.origin().run_while_wanted(work)` does the work in them, and not longer than it is
  /// wanted. (With run(work) a requester's short limit would be the failure of this task.)
  const context& origin() const noexcept { return origin_; }
  /// Once; whatever is said after that is dropped.
  template <class... A>
    requires(std::is_void_v<R> ? sizeof...(A) == 0
                               : std::is_constructible_v<detail::value_or_char<R>, A...>)
  void answer(A&&... value);
  /// False once it was answered, or the requester has given up: the answer would be dropped.
  bool wanted() const noexcept;

  /// What it counts for in a mailbox: as much as its message.
  std::size_t weight() const { return detail::weight_of(message_); }
  /// For the mailbox that could not deliver it.
  void refused(send_result why) noexcept;

private:
  friend class detail::request_awaiter<M, R>;
  asked(M&& message, detail::reply_to<R>& reply, context origin);
  void settle(detail::verdict verdict) noexcept;

  M message_;
  context origin_;
  detail::reply_to<R>* reply_;
};

/// Sends a message to a child's task and waits for its answer, an R. Throws request_failed when
/// there will be none, or none within the time; with no time at all it sends nothing. When
/// cancelled it sends nothing, or gives up at once. Checkpoint.
template <class R, class M>
[[nodiscard]] detail::request_op<std::decay_t<M>, R> ask(const child& to, M&& message,
                                                         time_span within = no_limit);
template <class R, class M, class Number>
  requires std::is_arithmetic_v<Number>
void ask(const child&, M&&, Number) = delete; // the limit of a request is a duration: 2s, 500ms

} // namespace creche

template <> struct std::is_error_code_enum<creche::request_errc> : std::true_type {};

#include "runtime/messages/detail/request.hpp"
