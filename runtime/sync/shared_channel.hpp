// shared_channel.hpp: a channel between tasks of several loops, and plain threads.
//
// A handle: copies are the same channel, which lives as long as one of them. It has no home loop:
// the end of a system leaves it as it is, so a sender that stops says so by close(). Its promises
// are channel's. Across loops a cancel that comes after the hand-over may be seen a little later.
// An item's move constructor runs under the channel's spin lock.
// Any thread; send, send_from and receive are for tasks, of any loop.
#pragma once

#include "runtime/sync/channel.hpp"
#include "runtime/sync/detail/crossing.hpp"

namespace creche {

namespace detail {

template <class T> struct shared_channel_state final : crossing {
  channel_core<T> core;
  explicit shared_channel_state(std::size_t capacity) noexcept : core(capacity) {}
};

} // namespace detail

template <class T> class shared_channel {
  using state = detail::shared_channel_state<T>;
  using wait = detail::crossing_wait;
  using section = detail::crossing::section;

public:
  /// `capacity` items may lie in it.
  explicit shared_channel(std::size_t capacity) : state_(new state(capacity)) {}

  /// As channel's. Checkpoint.
  [[nodiscard]] auto send(T&& value) const noexcept {
    static_assert(safe_to_send<T>, CRECHE_SEND_FROM);
    return send_from(value);
  }
  /// As channel's. Checkpoint.
  [[nodiscard]] detail::send_op<detail::named<T>, T, wait, state>
  send_from(T& value) const noexcept {
    return {*state_, detail::named<T>(value)};
  }
  /// Sends a copy. Checkpoint.
  [[nodiscard]] detail::send_op<detail::copied<T>, T, wait, state> send(const T& value) const
    requires std::is_copy_constructible_v<T>
  {
    return {*state_, detail::copied<T>(value)};
  }
  /// As channel's. Checkpoint.
  [[nodiscard]] detail::receive_op<T, wait, state> receive() const noexcept { return {*state_}; }

  /// As channel's. Any thread. Not a checkpoint.
  bool try_send(T&& value) const {
    section alone(*state_);
    return state_->core.try_send(value);
  }
  bool try_send(const T& value) const
    requires std::is_copy_constructible_v<T>
  {
    return try_send(T(value));
  }
  /// As channel's. Any thread. Not a checkpoint.
  std::optional<T> try_receive() const {
    std::optional<T> item;
    section alone(*state_);
    state_->core.receive_now(item);
    return item;
  }

  /// As channel's. Any thread. Not a checkpoint.
  void close() const noexcept {
    section alone(*state_);
    state_->core.close();
  }
  bool closed() const noexcept { return statistics().closed; }

  channel_statistics statistics() const noexcept {
    section alone(*state_);
    return state_->core.statistics();
  }

private:
  detail::counted_ptr<state> state_;
};

} // namespace creche
