// channel.hpp: a bounded queue between tasks; a capacity of 0 makes every send meet its receive.
//
// Fair: senders and receivers are served in the order they came, and what was sent first is
// received first (Trio's memory channel; the capacity has no default). Nothing is lost or doubled
// by a cancel: a cancelled send has not moved from its value, a cancelled receive has taken none,
// and one that was served before its cancel was seen keeps what it got (completed first).
// Own loop only, that of the task that first waits for it: elsewhere std::logic_error is thrown. It
// outlives its users. shared_channel (runtime/sync/shared_channel.hpp) is for several loops and
// threads.
#pragma once

#include "runtime/task/compiler.hpp"
#include "runtime/task/detail/op.hpp"
#include "runtime/task/failure.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace creche {

/// Thrown by a send to a channel that is closed, or was closed while the send waited.
class channel_closed final : public std::system_error {
public:
  channel_closed();
};

struct channel_statistics {
  std::size_t capacity = 0;
  std::size_t buffered = 0;
  std::size_t peak = 0; ///< the most that ever lay in the buffer
  std::size_t waiting_senders = 0;
  std::size_t waiting_receivers = 0;
  std::uint64_t sent = 0; ///< accepted: received, or in the buffer
  std::uint64_t received = 0;
  bool closed = false;
};

namespace detail {
template <class T> struct copied;
template <class T> struct named;
template <class T> struct own_channel;
class own_wait;
template <class T, class Wait> class receive_awaiter;
template <class Value, class T, class Wait> class send_awaiter;
template <class T, class Wait, class Where> using receive_op = op<receive_awaiter<T, Wait>, Where&>;
template <class Value, class T, class Wait, class Where>
using send_op = op<send_awaiter<Value, T, Wait>, Where&, Value>;
} // namespace detail

template <class T> class channel {
  using state = detail::own_channel<T>;

public:
  /// `capacity` items may lie in it.
  explicit channel(std::size_t capacity) noexcept : state_(capacity) {}
  channel(const channel&) = delete; // a channel stays where it is: pass it by reference
  channel& operator=(const channel&) = delete;
  ~channel() { state_.core.close(); }

  /// Waits until the value is received, or has room in the buffer. It is moved from then and not
  /// before: when the send is cancelled, or throws channel_closed, the sender still has it. (A
  /// temporary dies with the sender's statement.) Checkpoint.
  [[nodiscard]] auto send(T&& value) noexcept {
    static_assert(safe_to_send<T>, CRECHE_SEND_FROM);
    return send_from(value);
  }
  /// The same for a value with a name. Checkpoint.
  [[nodiscard]] detail::send_op<detail::named<T>, T, detail::own_wait, state>
  send_from(T& value) noexcept {
    return {state_, detail::named<T>(value)};
  }
  /// Sends a copy. Checkpoint.
  [[nodiscard]] detail::send_op<detail::copied<T>, T, detail::own_wait, state> send(const T& value)
    requires std::is_copy_constructible_v<T>
  {
    return {state_, detail::copied<T>(value)};
  }
  /// Waits for the next item; nothing once the channel is closed and empty. Checkpoint.
  [[nodiscard]] detail::receive_op<T, detail::own_wait, state> receive() noexcept {
    return {state_};
  }

  /// False, and the value is left alone, if it would have to wait. Throws channel_closed. Not a
  /// checkpoint.
  bool try_send(T&& value) {
    state_.loop.touch("send");
    return state_.core.try_send(value);
  }
  bool try_send(const T& value)
    requires std::is_copy_constructible_v<T>
  {
    return try_send(T(value));
  }
  /// Nothing if there is none now. Not a checkpoint.
  std::optional<T> try_receive() {
    state_.loop.touch("receive");
    std::optional<T> item;
    state_.core.receive_now(item);
    return item;
  }

  /// Receivers take what is left, then get nothing; sends fail, those that wait included. Not a
  /// checkpoint. Idempotent.
  void close() {
    state_.loop.touch("close");
    state_.core.close();
  }
  bool closed() const noexcept { return state_.core.counts.closed; }

  channel_statistics statistics() const noexcept { return state_.core.statistics(); }

private:
  state state_;
};

} // namespace creche

#include "runtime/sync/detail/channel_core.hpp"
