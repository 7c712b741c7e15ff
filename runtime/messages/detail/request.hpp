// request.hpp, continued: the await, and what it shares with what was asked.
#pragma once

#include "runtime/memory/counted.hpp"
#include "runtime/messages/request.hpp"
#include "runtime/time/wheel.hpp"

#include <atomic>
#include <optional>

namespace creche {

namespace internal {
class loop;
struct door;
} // namespace internal

namespace detail {

class request_base;

enum class verdict : std::uint8_t {
  open,
  answered,
  unanswered,
  receiver_down,
  receiver_full,
  not_understood,
  late
};

/// What a request shares with its `asked`.
class reply_base : public counted<reply_base> {
public:
  reply_base() noexcept = default;
  bool wanted() const noexcept { return wanted_.load(std::memory_order_relaxed); }
  /// From the `asked`, which is done with it. Any thread.
  void settle(verdict verdict) noexcept;

protected:
  virtual ~reply_base();

private:
  friend counted;
  friend class request_base;
  struct parcel;
  void arrive() noexcept;

  std::atomic<bool> wanted_{true};
  verdict verdict_ = verdict::open;
  internal::loop* home_ = nullptr; // of the request
  internal::door* door_ = nullptr;
  request_base* waiter_ = nullptr; // home thread; null: it waits no longer
};

template <class R> class reply_to final : public reply_base, public pooled {
public:
  std::optional<value_or_char<R>> value;
};

class request_base : public leaf_awaiter, timer {
public:
  bool await_ready() const noexcept { return false; }
  const char* kind() const noexcept override { return "request"; }
  std::string subject() const override;
  aborted abort() noexcept override;

protected:
  request_base(task_run& run, const child& to, clock_duration within) noexcept
      : leaf_awaiter(run), to_(to), within_(within) {}
  virtual ~request_base();
  /// Where the answer goes; takes over its first reference.
  void expect(reply_base& reply) noexcept;
  /// What the receiver's work is to be done in.
  context origin() const noexcept { return context::here().until(later(run_.now(), within_)); }
  /// Begins to wait, and sends.
  void post(mail& message);
  void must_be_answered() const;

private:
  friend class reply_base;
  child to_;
  clock_duration within_;
  reply_base* reply_ = nullptr;
  verdict verdict_ = verdict::open;
};

template <class M, class R> class request_awaiter final : public request_base {
public:
  request_awaiter(task_run& run, const child& to, M&& message, clock_duration within)
      : request_base(run, to, within), message_(std::move(message)) {}
  R await_resume() {
    must_be_answered();
    if constexpr (!std::is_void_v<R>) return std::move(*reply_->value);
  }

private:
  void begin_wait() override {
    reply_ = new reply_to<R>;
    expect(*reply_);
    post(*new mail_of<asked<M, R>>(asked<M, R>(std::move(message_), *reply_, origin())));
  }
  M message_;
  reply_to<R>* reply_ = nullptr;
};

} // namespace detail

template <class M, class R>
asked<M, R>::asked(M&& message, detail::reply_to<R>& reply, context origin)
    : message_(std::move(message)), origin_(std::move(origin)), reply_(&reply) {
  reply.add_ref();
}

template <class M, class R> asked<M, R>::~asked() { settle(detail::verdict::unanswered); }

template <class M, class R>
template <class... A>
  requires(std::is_void_v<R> ? sizeof...(A) == 0
                             : std::is_constructible_v<detail::value_or_char<R>, A...>)
void asked<M, R>::answer(A&&... value) {
  if (!reply_) return;
  reply_->value.emplace(std::forward<A>(value)...);
  settle(detail::verdict::answered);
}

template <class M, class R> bool asked<M, R>::wanted() const noexcept {
  return reply_ && reply_->wanted();
}

template <class M, class R> void asked<M, R>::refused(send_result why) noexcept {
  settle(why == send_result::shed        ? detail::verdict::receiver_full
         : why == send_result::unhandled ? detail::verdict::not_understood
                                         : detail::verdict::receiver_down);
}

template <class M, class R> void asked<M, R>::settle(detail::verdict verdict) noexcept {
  if (auto* reply = std::exchange(reply_, nullptr)) reply->settle(verdict);
}

template <class R, class M>
detail::request_op<std::decay_t<M>, R> ask(const child& to, M&& message, time_span within) {
  static_assert(!std::is_reference_v<R>, "an answer is a value");
  static_assert(alignof(detail::reply_to<R>) <= 16 && alignof(std::decay_t<M>) <= 16,
                "messages and answers are kept in the pool, aligned to 16");
  static_assert(safe_in_co_await<M> || !std::is_aggregate_v<std::remove_cvref_t<M>>,
                "g++ 12 miscompiles an aggregate that owns something inside a co_await expression: "
                "give its type a constructor, or the message a name first "
                "(co_await ask<R>(child, m);)");
  return {to, std::forward<M>(message), within};
}

} // namespace creche
