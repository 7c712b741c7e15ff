// request.hpp: a message that wants an answer, between tasks.
//
//     int price = co_await request<int>(shop, order("tea"), 2s);      // in one task
//
//     auto q = co_await receive<ask<order, int>>();                   // in the other
//     q.answer(price_of(q.message()));
//
// Every request ends, and ends once: with the answer, with the news that there will be none
// (unanswered, receiver_down, receiver_full), at its deadline, or by cancel, at once. What comes
// later is dropped and counted as shed. Loops and threads may differ.
#pragma once

#include "runtime/child.hpp"
#include "runtime/clock.hpp"
#include "runtime/context.hpp"
#include "runtime/receive.hpp"
#include "runtime/wheel.hpp"

#include <atomic>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace creche {

namespace internal {
class loop;
struct door;
} // namespace internal

/// Why a request has no answer. A deadline is errc::timed_out.
enum class request_errc {
  unanswered = 1, ///< its receiver took it, and let it go without a word
  receiver_down,  ///< its receiver had ended, or ended before it took it
  receiver_full,  ///< its receiver's mailbox was full
};
std::error_code make_error_code(request_errc e) noexcept;

/// Thrown by request; its code() says why.
class request_failed final : public std::system_error {
public:
  request_failed(std::error_code code, const std::string& receiver)
      : system_error(code, "request to " + receiver) {}
};

template <class M, class R> class ask;

namespace detail {

class request_base;
enum class verdict : std::uint8_t {
  open,
  answered,
  unanswered,
  receiver_down,
  receiver_full,
  late
};

/// What a request and its ask share.
class reply_base {
public:
  reply_base() noexcept = default;
  reply_base(const reply_base&) = delete;
  void hold() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  bool wanted() const noexcept { return wanted_.load(std::memory_order_relaxed); }
  /// From the ask, which is done with it. Any thread.
  void settle(verdict v) noexcept;

protected:
  virtual ~reply_base();

private:
  friend class request_base;
  struct parcel;
  void arrive() noexcept;
  void drop() noexcept;

  std::atomic<std::uint32_t> refs_{1}; // the request's
  std::atomic<bool> wanted_{true};
  verdict verdict_ = verdict::open;
  internal::loop* home_ = nullptr; // of the request
  internal::door* gate_ = nullptr;
  request_base* waiter_ = nullptr; // home thread; null: it waits no longer
};

template <class R> class reply_to final : public reply_base, public pooled {
public:
  std::optional<std::conditional_t<std::is_void_v<R>, char, R>> value;
};

class request_base : leaf, timer {
public:
  bool await_ready() const noexcept { return false; }
  const char* kind() const noexcept override { return "request"; }
  aborted abort() noexcept override;

protected:
  request_base(task_run& r, const child& c, clock_duration within) noexcept
      : run_(r), to_(c), within_(within) {}
  virtual ~request_base();
  /// True: cancelled, nothing is to be sent.
  bool stopped() noexcept;
  /// Where the answer goes; takes over its first reference.
  void expect(reply_base& r) noexcept;
  /// What the receiver's work is to be done in.
  context origin() const noexcept { return context::here().until(later(run_.now(), within_)); }
  /// Begins to wait, and sends.
  void post(mail& m);
  void must_be_answered() const;

private:
  friend class reply_base;
  task_run& run_;
  child to_;
  clock_duration within_;
  reply_base* reply_ = nullptr;
  verdict verdict_ = verdict::open;
};

template <class M, class R> class request_awaiter final : request_base {
public:
  request_awaiter(task_run& r, const child& c, M&& m, clock_duration within)
      : request_base(r, c, within), message_(std::move(m)) {}
  using request_base::await_ready;
  void await_suspend(std::coroutine_handle<>) {
    if (stopped()) return;
    reply_ = new reply_to<R>;
    expect(*reply_);
    post(*new mail_of<ask<M, R>>(ask<M, R>(std::move(message_), *reply_, origin())));
  }
  R await_resume() {
    must_be_answered();
    if constexpr (!std::is_void_v<R>) return std::move(*reply_->value);
  }

private:
  M message_;
  reply_to<R>* reply_ = nullptr;
};

template <class M, class R> class request_op {
public:
  template <class A>
  request_op(const child& c, A&& m, clock_duration within)
      : to_(c), message_(std::forward<A>(m)), within_(within) {}
  request_awaiter<M, R> bind(task_run& r) && { return {r, to_, std::move(message_), within_}; }

private:
  child to_;
  M message_;
  clock_duration within_;
};

} // namespace detail

/// A request as its receiver has it: a message, and the duty to answer. Dropped unanswered it tells
/// the requester at once. Movable, to any thread.
template <class M, class R> class [[nodiscard]] ask {
public:
  ask(ask&& o) noexcept(std::is_nothrow_move_constructible_v<M>)
      : message_(std::move(o.message_)), origin_(std::move(o.origin_)),
        reply_(std::exchange(o.reply_, nullptr)) {}
  ask& operator=(ask&&) = delete;
  ~ask() { settle(detail::verdict::unanswered); }

  M& message() noexcept { return message_; }
  const M& message() const noexcept { return message_; }
  /// The requester's task_locals, and the time by which it wants the answer:
  /// `co_await q.origin().run(work)` does the work in them, and not longer than it is wanted.
  const context& origin() const noexcept { return origin_; }
  /// Once; whatever is said after that is dropped.
  template <class... A>
    requires(std::is_void_v<R>
                 ? sizeof...(A) == 0
                 : std::is_constructible_v<std::conditional_t<std::is_void_v<R>, char, R>, A...>)
  void answer(A&&... value) {
    if (!reply_) return;
    reply_->value.emplace(std::forward<A>(value)...);
    settle(detail::verdict::answered);
  }
  /// False once it was answered, or the requester has given up: the answer would be dropped.
  bool wanted() const noexcept { return reply_ && reply_->wanted(); }

  /// For the mailbox that could not deliver it.
  void refused(send_result why) noexcept {
    settle(why == send_result::shed ? detail::verdict::receiver_full
                                    : detail::verdict::receiver_down);
  }

private:
  friend class detail::request_awaiter<M, R>;
  ask(M&& m, detail::reply_to<R>& r, context origin)
      : message_(std::move(m)), origin_(std::move(origin)), reply_(&r) {
    r.hold();
  }
  void settle(detail::verdict v) noexcept {
    if (auto* r = std::exchange(reply_, nullptr)) r->settle(v);
  }

  M message_;
  context origin_;
  detail::reply_to<R>* reply_;
};

/// Sends a message to a child's task and waits for its answer, an R. Throws request_failed when
/// there will be none, or none within the time. When cancelled it sends nothing, or gives up at
/// once. Checkpoint.
template <class R, class M>
[[nodiscard]] detail::request_op<std::decay_t<M>, R> request(const child& to, M&& message,
                                                             clock_duration within = no_limit) {
  static_assert(!std::is_reference_v<R>, "an answer is a value");
  static_assert(alignof(detail::reply_to<R>) <= 16 && alignof(std::decay_t<M>) <= 16,
                "messages and answers are kept in the pool, aligned to 16");
  static_assert(safe_in_co_await<M> || !std::is_aggregate_v<std::remove_cvref_t<M>>,
                "g++ 12 miscompiles an aggregate that owns something inside a co_await expression: "
                "give its type a constructor, or the message a name first "
                "(co_await request<R>(child, m);)");
  return {to, std::forward<M>(message), within};
}

} // namespace creche

template <> struct std::is_error_code_enum<creche::request_errc> : std::true_type {};
