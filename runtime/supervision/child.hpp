// child.hpp: a child as others know it: its handle, how it ended, what became of its messages.
//
// A handle is weak: it keeps nobody alive, may be copied to any thread, and stays valid after the
// child's end and across its restarts.
#pragma once

#include "runtime/supervision/child_spec.hpp"
#include "runtime/task/detail/waiting.hpp"
#include "runtime/task/failure.hpp"
#include "runtime/task/mail.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace creche {

namespace internal {
class nursery_actor;
struct child_access;
struct child_record;
} // namespace internal

namespace detail {
class request_base;
class room_send_op;
} // namespace detail

/// How a child, a body or a run ended; `why` is set for `failed` and `killed`, and for `cancelled`
/// if somebody gave a reason.
struct outcome {
  how kind = how::completed;
  std::optional<failure> why;
};

/// What became of what was sent to a child, by all its incarnations. What was sent when it had
/// ended is in the system's ledger only.
struct child_statistics {
  std::uint32_t handled = 0;     ///< messages that its task received
  std::uint32_t failed = 0;      ///< letters whose handler threw
  std::uint32_t unhandled = 0;   ///< messages that it did not understand
  std::uint32_t undelivered = 0; ///< what waited when an incarnation ended, on the data lane
  std::uint32_t restarts = 0;
};

/// The logical child, across its restarts. Any thread.
class child {
public:
  child() noexcept = default;
  child(const child& other) noexcept;
  child(child&& other) noexcept : record_(std::exchange(other.record_, nullptr)) {}
  child& operator=(child other) noexcept {
    std::swap(record_, other.record_);
    return *this;
  }
  ~child();
  explicit operator bool() const noexcept { return record_ != nullptr; }

  std::string_view name() const noexcept;
  /// For good; but a transient child that completed under one_for_all or rest_for_one lives again
  /// if its group restarts. Until then it counts as ended, here as in wait() and result().
  bool ended() const noexcept;
  /// How it ended; nullopt while it lives or waits for a restart.
  std::optional<outcome> result() const;
  std::uint32_t restarts() const noexcept;
  child_statistics statistics() const noexcept;

  /// Puts a message into its mailbox, for its task to receive<M>(). Never waits, never throws but
  /// for memory or M's own reasons. Messages of one sender arrive in order. What waits when the
  /// task ends is dropped and counted; when it restarts, see restart_mail. Not a checkpoint.
  template <class M> send_result send(M&& message) const;
  /// The same, but waits until there is room for it: `queued`, or `undelivered` if the receiver has
  /// ended. First come, first served. Cancelled, it has sent nothing. Of a handle with a name.
  /// Checkpoint.
  template <class M> [[nodiscard]] detail::room_send_op send_when_room(M&& message) const&;

  /// Asks its nursery to cancel it. Idempotent; overtakes all data; nothing if it has ended. The
  /// first reason is what its result tells, later ones are causes of it.
  void cancel(std::string_view reason = {},
              std::source_location where = std::source_location::current()) const noexcept;
  /// Asks its nursery to end it in good order: children that need it go first, and it may take what
  /// its spec says, before it is cancelled. Idempotent. Any thread; not a checkpoint.
  void stop() const noexcept;
  /// Cancels, and waits for the end; says what came of it. Of a handle with a name. Checkpoint; if
  /// it is stopped while it waits, the cancel stands.
  [[nodiscard]] task<receipt>
  cancel_and_wait(std::string reason = {},
                  std::source_location where = std::source_location::current()) const;

  /// Waits for the end of the logical child; returns nothing and never counts as catching its
  /// failure. Checkpoint.
  /// Of a handle with a name only: `co_await n.start(…).wait()` would take an owning lambda through
  /// a co_await expression, which g++ 12 destroys twice.
  [[nodiscard]] detail::wait_op wait() const& noexcept;
  template <class Never = void> detail::wait_op wait() const&&;

private:
  friend class nursery;
  friend class internal::nursery_actor;
  friend struct internal::child_access;
  friend class detail::request_base;
  explicit child(internal::child_record* record) noexcept : record_(record) {} // takes it over
  send_result send_mail(detail::mail& message) const noexcept;                 // takes it over
  template <class M> detail::mail& make_mail(M&& message) const;
  bool returns_mail() const noexcept;
  internal::child_record* record_ = nullptr;
};

} // namespace creche

#include "runtime/supervision/detail/child.hpp"
