// channel_core.hpp: what a channel does, and its awaiters.
#pragma once

#include "runtime/memory/pool.hpp"
#include "runtime/sync/channel.hpp"
#include "runtime/sync/parking.hpp"

namespace creche::detail {

[[noreturn]] void fail_channel_closed();

/// A value that waits to be accepted.
template <class T> struct sending {
  T* value;
  bool accepted = false;
};

/// What a channel does, for one user at a time.
/// Invariant, of the waits that are not cancelled: a receiver waits only while nothing is buffered
/// and no sender waits; a sender only while the buffer is full.
template <class T> class channel_core {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                "an item moves into another task's hands: its move constructor and its destructor "
                "must not throw");
  static_assert(alignof(T) <= 16, "items lie in the pool, which aligns to 16");

public:
  explicit channel_core(std::size_t capacity) noexcept { counts.capacity = capacity; }
  channel_core(const channel_core&) = delete;
  ~channel_core() {
    while (head_) delete take_node();
  }

  /// False: full. Throws channel_closed.
  bool try_send(T& value) {
    sending<T> item{&value};
    if (!send_now(item)) return false;
    if (!item.accepted) fail_channel_closed();
    return true;
  }
  /// True: over, and `item` says whether the value was accepted or the channel is closed.
  bool send_now(sending<T>& item) {
    if (counts.closed) return true;
    if (auto* to = receivers.first()) {
      to->emplace(std::move(*item.value));
      ++counts.received;
      receivers.unpark();
    } else if (counts.buffered < counts.capacity) {
      put(new node(std::move(*item.value)));
    } else {
      return false;
    }
    ++counts.sent;
    return item.accepted = true;
  }
  /// True: over, and `out` is the item, or nothing since the channel is closed and empty.
  bool receive_now(std::optional<T>& out) {
    auto* next = senders.first();
    if (head_) {
      auto* oldest = take_node();
      out.emplace(std::move(oldest->value));
      if (next) { // room for the value of the sender that waits longest
        oldest->refill(std::move(*next->value));
        put(oldest);
      } else {
        delete oldest;
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
    // it may die on another loop than its own, when nobody waits
    for (parking* waiting : {static_cast<parking*>(&senders), static_cast<parking*>(&receivers)})
      if (waiting->statistics().waiting != 0) waiting->unpark_all();
  }
  channel_statistics statistics() const noexcept {
    auto now = counts;
    now.waiting_senders = senders.statistics().waiting;
    now.waiting_receivers = receivers.statistics().waiting;
    return now;
  }

  parking_of<sending<T>> senders;
  parking_of<std::optional<T>> receivers;
  channel_statistics counts;

private:
  struct node : pooled {
    T value;
    node* next = nullptr;
    explicit node(T&& item) noexcept : value(std::move(item)) {}
    void refill(T&& item) noexcept {
      value.~T();
      new (&value) T(std::move(item));
    }
  };
  void put(node* newest) noexcept {
    (head_ ? tail_->next : head_) = newest;
    tail_ = newest;
    newest->next = nullptr;
    if (++counts.buffered > counts.peak) counts.peak = counts.buffered;
  }
  node* take_node() noexcept {
    --counts.buffered;
    return std::exchange(head_, head_->next);
  }
  node* head_ = nullptr;
  node* tail_ = nullptr;
};

// The awaits of a channel. `Wait` is how one waits for it (on one loop, or across loops), `Where`
// is the state that holds the core.

template <class T, class Wait> class receive_awaiter final : public Wait {
public:
  template <class Where>
  receive_awaiter(task_run& run, Where& where)
      : Wait(run, where, where.core.receivers, "receive", &item_), core_(where.core) {}
  ~receive_awaiter() { this->withdraw(); }
  std::optional<T> await_resume() noexcept { return std::move(item_); }

private:
  bool over() override { return core_.receive_now(item_); }
  channel_core<T>& core_;
  std::optional<T> item_;
};

// What a send sends: the sender's own value, or a copy.
template <class T> struct named {
  T& value;
  explicit named(T& to_send) noexcept : value(to_send) {}
};
template <class T> struct copied {
  T value;
  explicit copied(const T& to_send) : value(to_send) {}
};

template <class Value, class T, class Wait> class send_awaiter final : Value, public Wait {
public:
  template <class Where>
  send_awaiter(task_run& run, Where& where, Value&& to_send)
      : Value(std::move(to_send)), Wait(run, where, where.core.senders, "send", &item_),
        core_(where.core), item_{&this->value} {}
  ~send_awaiter() { this->withdraw(); }
  void await_resume() const {
    if (!item_.accepted) fail_channel_closed();
  }

private:
  bool over() override { return core_.send_now(item_); }
  channel_core<T>& core_;
  sending<T> item_;
};

// A channel of one's own loop, and how one waits for it.
template <class T> struct own_channel {
  channel_core<T> core;
  own_loop loop;
  explicit own_channel(std::size_t capacity) noexcept : core(capacity) {}
};
class own_wait : public try_awaiter {
public:
  bool await_ready() { return ready_now(); } // the channel's loop was looked at before

protected:
  template <class Where>
  own_wait(task_run& run, Where& where, parking& lot, const char* kind, void* its_place)
      : try_awaiter(run, lot, kind, its_place) {
    where.loop.wait_on(run.home(), kind);
  }
  ~own_wait() = default;
  void withdraw() noexcept {} // nobody on one's own loop fills it meanwhile
};

} // namespace creche::detail
