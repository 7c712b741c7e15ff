// channel.hpp: a bounded queue between tasks; a capacity of 0 makes every send meet its receive.
//
// Fair: senders and receivers are served in the order they came, and what was sent first is
// received first (Trio's memory channel; the capacity has no default). Nothing is lost or doubled
// by a cancel: a cancelled send has not moved from its value, a cancelled receive has taken none,
// and who was served before his cancel was seen keeps what he got (completed first).
// Own loop only, and it outlives its users; shared_channel (runtime/shared_channel.hpp) is for
// several loops and threads.
#pragma once

#include "runtime/failure.hpp"
#include "runtime/parking.hpp"
#include "runtime/pool.hpp"

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

[[noreturn]] void fail_channel_closed();

/// A value that waits to be accepted.
template <class T> struct sending {
  T* value;
  bool accepted = false;
};

/// What a channel does. Whoever uses it sees to it that one does at a time.
/// Invariant, of those who wait and are not cancelled: a receiver waits only while nothing is
/// buffered and no sender waits; a sender only while the buffer is full.
template <class T> class channel_core {
  static_assert(std::is_nothrow_move_constructible_v<T>,
                "an item moves into another task's hands: its move constructor must not throw");
  static_assert(alignof(T) <= 16, "items lie in the pool, which aligns to 16");

public:
  explicit channel_core(std::size_t capacity) noexcept { counts.capacity = capacity; }
  channel_core(const channel_core&) = delete;
  ~channel_core() {
    while (head_) delete take_node();
  }

  /// False: full. Throws channel_closed.
  bool try_send(T& value) {
    sending<T> s{&value};
    if (!send_now(s)) return false;
    if (!s.accepted) fail_channel_closed();
    return true;
  }
  /// True: over, and `s` says whether the value was accepted or the channel is closed.
  bool send_now(sending<T>& s) {
    if (counts.closed) return true;
    if (auto* to = receivers.first()) {
      to->emplace(std::move(*s.value));
      ++counts.received;
      receivers.unpark();
    } else if (counts.buffered < counts.capacity) {
      put(new node(std::move(*s.value)));
    } else {
      return false;
    }
    ++counts.sent;
    return s.accepted = true;
  }
  /// True: over, and `out` is the item, or nothing since the channel is closed and empty.
  bool receive_now(std::optional<T>& out) {
    auto* next = senders.first();
    if (head_) {
      auto* n = take_node();
      out.emplace(std::move(n->value));
      if (next) {
        n->refill(std::move(*next->value));
        put(n);
      } else {
        delete n;
      }
    } else if (next) {
      out.emplace(std::move(*next->value));
    } else {
      return counts.closed;
    }
    ++counts.received;
    if (next) {
      ++counts.sent;
      next->accepted = true;
      senders.unpark();
    }
    return true;
  }
  void close() noexcept {
    counts.closed = true;
    senders.unpark_all();
    receivers.unpark_all();
  }
  channel_statistics statistics() const noexcept {
    auto s = counts;
    s.waiting_senders = senders.statistics().waiting;
    s.waiting_receivers = receivers.statistics().waiting;
    return s;
  }

  parking_of<sending<T>> senders;
  parking_of<std::optional<T>> receivers;
  channel_statistics counts;

private:
  struct node : pooled {
    T value;
    node* next = nullptr;
    explicit node(T&& v) noexcept : value(std::move(v)) {}
    void refill(T&& v) noexcept {
      value.~T();
      new (&value) T(std::move(v));
    }
  };
  void put(node* n) noexcept {
    (head_ ? tail_->next : head_) = n;
    tail_ = n;
    n->next = nullptr;
    if (++counts.buffered > counts.peak) counts.peak = counts.buffered;
  }
  node* take_node() noexcept {
    --counts.buffered;
    return std::exchange(head_, head_->next);
  }
  node* head_ = nullptr;
  node* tail_ = nullptr;
};

// The awaits of a channel, whoever guards its core: `Wait` is how such a wait is made, and `Where`
// what it is made of.

template <class T, class Wait> class receive_awaiter final : public Wait {
public:
  template <class Where>
  receive_awaiter(task_run& r, Where& where) noexcept
      : Wait(r, where, where.core.receivers, "receive", &item_), core_(where.core) {}
  ~receive_awaiter() { this->withdraw(); }
  std::optional<T> await_resume() noexcept { return std::move(item_); }

private:
  bool over() override { return core_.receive_now(item_); }
  channel_core<T>& core_;
  std::optional<T> item_;
};

// What a send sends: the sender's own value, or a copy.
template <class T> struct lent {
  T& value;
  explicit lent(T& v) noexcept : value(v) {}
};
template <class T> struct copied {
  T value;
  explicit copied(const T& v) : value(v) {}
};

template <class Value, class T, class Wait> class send_awaiter final : Value, public Wait {
public:
  template <class Where>
  send_awaiter(task_run& r, Where& where, Value&& v) noexcept
      : Value(std::move(v)), Wait(r, where, where.core.senders, "send", &item_), core_(where.core),
        item_{&this->value} {}
  ~send_awaiter() { this->withdraw(); }
  void await_resume() const {
    if (!item_.accepted) fail_channel_closed();
  }

private:
  bool over() override { return core_.send_now(item_); }
  channel_core<T>& core_;
  sending<T> item_;
};

template <class T, class Wait, class Where> class receive_op {
public:
  explicit receive_op(Where& w) noexcept : where_(w) {}
  receive_awaiter<T, Wait> bind(task_run& r) const noexcept { return {r, where_}; }

private:
  Where& where_;
};
template <class Value, class T, class Wait, class Where> class send_op {
public:
  template <class V> send_op(Where& w, V& value) : where_(w), value_(value) {}
  send_awaiter<Value, T, Wait> bind(task_run& r) noexcept { return {r, where_, std::move(value_)}; }

private:
  Where& where_;
  Value value_;
};

/// A T as a temporary of a co_await expression is what g++ 12 destroys twice (compiler.hpp).
template <class T>
inline constexpr bool safe_to_send =
    !CRECHE_BROKEN_TEMPORARIES || !std::is_aggregate_v<T> || std::is_trivially_destructible_v<T>;

#define CRECHE_SEND_FROM                                                                           \
  "g++ 12 miscompiles a temporary of this type inside a co_await expression: give the type a "     \
  "constructor, or the value a name (co_await ch.send_from(v);)"

// What a channel of one's own loop is, and how one waits for it.
template <class T> struct own_channel {
  channel_core<T> core;
  explicit own_channel(std::size_t capacity) noexcept : core(capacity) {}
};
class own_wait : public try_awaiter {
protected:
  template <class Where>
  own_wait(task_run& r, Where&, parking& lot, const char* kind, void* at) noexcept
      : try_awaiter(r, lot, kind, at) {}
  ~own_wait() = default;
  void withdraw() noexcept {} // one's own loop fills nothing meanwhile
};

} // namespace detail

template <class T> class channel {
  using state = detail::own_channel<T>;

public:
  /// `capacity` items may lie in it.
  explicit channel(std::size_t capacity) noexcept : state_(capacity) {}
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  ~channel() { close(); }

  /// Waits until the value is received, or has room in the buffer. It is moved from then and not
  /// before: when the send is cancelled, or throws channel_closed, the sender still has it. (A
  /// temporary dies with the sender's statement.) Checkpoint.
  [[nodiscard]] auto send(T&& value) noexcept {
    static_assert(detail::safe_to_send<T>, CRECHE_SEND_FROM);
    return send_from(value);
  }
  /// The same for a value with a name. Checkpoint.
  [[nodiscard]] detail::send_op<detail::lent<T>, T, detail::own_wait, state>
  send_from(T& value) noexcept {
    return {state_, value};
  }
  /// Sends a copy. Checkpoint.
  [[nodiscard]] detail::send_op<detail::copied<T>, T, detail::own_wait, state> send(const T& value)
    requires std::is_copy_constructible_v<T>
  {
    return {state_, value};
  }
  /// Waits for the next item; nothing once the channel is closed and empty. Checkpoint.
  [[nodiscard]] detail::receive_op<T, detail::own_wait, state> receive() noexcept {
    return detail::receive_op<T, detail::own_wait, state>(state_);
  }

  /// False, and the value is left alone, if it would have to wait. Throws channel_closed. Not a
  /// checkpoint.
  bool try_send(T&& value) { return state_.core.try_send(value); }
  bool try_send(const T& value)
    requires std::is_copy_constructible_v<T>
  {
    return try_send(T(value));
  }
  /// Nothing if there is none now. Not a checkpoint.
  std::optional<T> try_receive() {
    std::optional<T> item;
    state_.core.receive_now(item);
    return item;
  }

  /// Receivers take what is left, then get nothing; sends fail, those that wait included. Not a
  /// checkpoint. Idempotent.
  void close() noexcept { state_.core.close(); }
  bool closed() const noexcept { return state_.core.counts.closed; }

  channel_statistics statistics() const noexcept { return state_.core.statistics(); }

private:
  state state_;
};

} // namespace creche
