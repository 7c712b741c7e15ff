#include "actors/transport/internal/unix_layer.hpp"

#include "actors/transport/unix_socket.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace creche::internal {

void unix_layer::open() {
  if (!target_) {
    note_credentials(fd());
    return opened();
  }
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return open_failed(errno);
  own(fd);
  // Never "in progress": it is connected at once, or (EAGAIN) there is no room in the server's
  // queue.
  if (::connect(fd, target_->address.get(), target_->address.size) != 0) return open_failed(errno);
  packed_endpoint one_end;
  one_end.size = packed_endpoint::is_unix;
  stack().note_ends({one_end, one_end});
  note_credentials(fd);
  opened();
}

// As the peer was when it connected or began to listen; its process may have changed since.
void unix_layer::note_credentials(int fd) {
  ucred theirs{};
  socklen_t size = sizeof theirs;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &theirs, &size) == 0)
    stack().own_facts().set(peer_credentials{theirs.pid, theirs.uid, theirs.gid});
}

} // namespace creche::internal
