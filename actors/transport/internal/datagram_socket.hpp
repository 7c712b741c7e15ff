// datagram_socket.hpp: a UDP socket: opened, read and written without blocking. One thread.
#pragma once

#include "actors/transport/internal/socket_address.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace creche::internal {

class datagram_socket {
public:
  /// What came of one receive().
  enum class answer : std::uint8_t {
    datagram, ///< `size` bytes of it
    too_long, ///< the room was too small: it is gone
    none,     ///< nothing waits
    refused,  ///< of a connected one: nobody is there
    failed,   ///< errno says why
  };
  struct received {
    datagram_socket::answer answer;
    std::uint32_t size = 0;
  };

  datagram_socket() = default;
  datagram_socket(const datagram_socket&) = delete;
  ~datagram_socket() { close(); }

  /// False: errno says why not.
  bool connect(const socket_address& to) noexcept;
  /// The same for what others send to. With a system's default, the sixth version takes the fourth
  /// as well.
  bool bind(const socket_address& at) noexcept;
  bool is_open() const noexcept { return fd_ >= 0; }
  int fd() const noexcept { return fd_; }
  void close() noexcept;
  /// Where it is; REQUIRES: is_open().
  socket_address local() const noexcept;

  /// `from` gets the sender's address, if it is asked for.
  received receive(std::span<char> room, socket_address* from) noexcept;
  /// Sends to `to`, or to the connected address if that is null. Gives 0, or an errno.
  int send(std::string_view datagram, const socket_address* to) noexcept;
  /// Datagrams that came when the kernel's buffer was full, as far as later ones have told.
  std::uint32_t overflowed() const noexcept { return overflowed_; }

private:
  bool open(int family) noexcept;
  int fd_ = -1;
  std::uint32_t overflowed_ = 0;
};

} // namespace creche::internal
