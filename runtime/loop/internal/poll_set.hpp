// poll_set.hpp: the descriptors of a loop whose readiness is looked at: each is registered once,
// and its edges are told.
//
// One epoll set, which asio watches as one descriptor: asio stays the loop. Its async_wait would
// ask the kernel anew for every wait (one epoll_ctl a request), and keep 300 bytes for every
// socket. While there is work the loop looks at the set itself, and asks asio now and then. Home
// thread.
#pragma once

#include <cstdint>
#include <memory>

namespace creche::internal {

class loop;

/// Something with a descriptor.
struct pollable {
  /// What epoll says, EPOLLIN and the like. Runs outside every turn: it may mark and wake actors,
  /// never end one.
  virtual void ready(std::uint32_t events) noexcept = 0;

protected:
  ~pollable() = default;
};

class poll_set {
public:
  /// Throws std::system_error without descriptors or memory, as add() does.
  explicit poll_set(loop& home);
  ~poll_set();
  poll_set(const poll_set&) = delete;

  /// Edges of `events` are told until remove(), which must come before the descriptor is closed:
  /// a process that was forked may hold it open. False: it has none, and is always ready (a file).
  bool add(int fd, pollable& target, std::uint32_t events);
  /// Other events from now on; what is so already is told again. False: errno says why not.
  [[nodiscard]] bool change(int fd, pollable& target, std::uint32_t events) noexcept;
  void remove(int fd) noexcept;
  /// Tells what is ready by now, without asio; false: nothing is.
  bool look() noexcept;
  /// Ends the wait of the loop's io_context, or the next one. Needs no memory. Any thread.
  void wake() noexcept;

private:
  struct watched;
  int set_;
  std::shared_ptr<watched> watched_; // asio's handler shares it
};

} // namespace creche::internal
