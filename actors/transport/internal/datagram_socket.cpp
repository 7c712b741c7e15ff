#include "actors/transport/internal/datagram_socket.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace creche::internal {

bool datagram_socket::open(int family) noexcept {
  close();
  fd_ = ::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) return false;
  const int one = 1; // a kernel that cannot count counts nothing
  ::setsockopt(fd_, SOL_SOCKET, SO_RXQ_OVFL, &one, sizeof one);
  return true;
}

bool datagram_socket::connect(const socket_address& to) noexcept {
  return open(to.family()) && ::connect(fd_, to.get(), to.size) == 0;
}

bool datagram_socket::bind(const socket_address& at) noexcept {
  return open(at.family()) && ::bind(fd_, at.get(), at.size) == 0;
}

void datagram_socket::close() noexcept {
  if (const int fd = std::exchange(fd_, -1); fd >= 0) ::close(fd);
}

socket_address datagram_socket::local() const noexcept {
  socket_address own;
  own.size = sizeof own.bytes;
  if (::getsockname(fd_, own.get(), &own.size) != 0) own.size = 0;
  return own;
}

datagram_socket::received datagram_socket::receive(std::span<char> room,
                                                   socket_address* from) noexcept {
  iovec piece{room.data(), room.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint32_t))];
  msghdr head{};
  if (from) {
    head.msg_name = from->get();
    head.msg_namelen = sizeof from->bytes;
  }
  head.msg_iov = &piece;
  head.msg_iovlen = 1;
  head.msg_control = control;
  head.msg_controllen = sizeof control;
  ssize_t got;
  do got = ::recvmsg(fd_, &head, MSG_DONTWAIT);
  while (got < 0 && errno == EINTR);
  if (got < 0) {
    if (errno == EAGAIN) return {answer::none};
    return {errno == ECONNREFUSED ? answer::refused : answer::failed};
  }
  if (from) from->size = head.msg_namelen;
  for (auto* c = CMSG_FIRSTHDR(&head); c; c = CMSG_NXTHDR(&head, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL)
      std::memcpy(&overflowed_, CMSG_DATA(c), sizeof overflowed_);
  if (head.msg_flags & MSG_TRUNC) return {answer::too_long};
  return {answer::datagram, std::uint32_t(got)};
}

int datagram_socket::send(std::string_view datagram, const socket_address* to) noexcept {
  for (;;) {
    const auto taken = ::sendto(fd_, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                                to ? to->get() : nullptr, to ? to->size : 0);
    if (taken >= 0) return 0;
    if (errno != EINTR) return errno;
  }
}

} // namespace creche::internal
