#include "actors/transport/internal/tcp_layer.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

namespace creche::internal {

void tcp_layer::open() {
  if (!target_) return opened();
  const int fd = ::socket(target_->address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return open_failed(errno);
  own(fd);
  if (::connect(fd, target_->address.get(), target_->address.size) == 0) return opened();
  if (errno != EINPROGRESS) return open_failed(errno);
  opening(fd, target_->within);
}

// A connect to a port of the range that the kernel chooses from may be given that port for its own
// end, if nobody listens there: then it is connected to itself.
int tcp_layer::check_connected() const noexcept {
  if (!target_) return 0;
  socket_address own;
  own.size = sizeof own.bytes;
  if (::getsockname(fd(), own.get(), &own.size) != 0) return errno;
  stack().note_ends({target_->address.packed(), own.packed()});
  return own.same_as(target_->address) ? ECONNREFUSED : 0;
}

void tcp_layer::set_options() noexcept {
  const int one = 1;
  ::setsockopt(fd(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

} // namespace creche::internal
