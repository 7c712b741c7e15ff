// socket_address.hpp: an endpoint as the kernel wants it.
#pragma once

#include "actors/stack/internal/packed_endpoint.hpp"

#include <netinet/in.h>
#include <sys/socket.h>

namespace creche::internal {

/// A plain value. Room for any address; `size` says how much of it is used.
struct socket_address {
  sockaddr_storage bytes{};
  socklen_t size = 0;

  socket_address() noexcept = default;
  explicit socket_address(const endpoint& e) noexcept;
  /// The path of a unix socket, or "".
  std::string_view path() const noexcept;
  int family() const noexcept { return bytes.ss_family; }
  /// 0: it has none.
  std::uint16_t port() const noexcept;
  /// Of a unix socket: that it is one. ::ffff:1.2.3.4 is 1.2.3.4.
  packed_endpoint packed() const noexcept;
  /// The same family, address and port.
  bool same_as(const socket_address& other) const noexcept;
  sockaddr* get() noexcept { return reinterpret_cast<sockaddr*>(&bytes); }
  const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&bytes); }
};

} // namespace creche::internal
