#include "actors/services/internal/acceptor.hpp"

#include "actors/transport/internal/socket_address.hpp"

#include <unistd.h>

#include <cerrno>

namespace creche::internal {

namespace {

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

} // namespace

void acceptor::open(loop& home, endpoint& at, int backlog, unsigned mode) {
  where_ = at.to_text();
  socket_address address(at);
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) fail(errno, "socket");
  try {
    port_.emplace(home.io().get_executor(), fd); // closes it
  } catch (...) {
    ::close(fd);
    throw;
  }
  const int one = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (!address.path().empty())
    file_.emplace(fd, address, mode, where_);
  else if (::bind(fd, address.get(), address.size) != 0)
    fail(errno, "listen at " + where_);
  if (::listen(fd, backlog) != 0) fail(errno, "listen at " + where_);
  ::getsockname(fd, address.get(), &address.size);
  at.port = address.port();
  local_ = address.packed();
  where_ = at.to_text();
}

void acceptor::close() noexcept {
  file_.reset();
  if (!port_) return;
  asio::error_code ignored;
  static_cast<void>(port_->close(ignored));
  port_.reset();
}

acceptor::accepted acceptor::accept() {
  socket_address address;
  address.size = sizeof address.bytes;
  const int fd =
      ::accept4(port_->native_handle(), address.get(), &address.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    connection_ends ends{address.packed(), local_};
    if (local_.is_any()) {
      address.size = sizeof address.bytes;
      if (::getsockname(fd, address.get(), &address.size) == 0) ends.local = address.packed();
    }
    return {answer::connection, fd, ends};
  }
  switch (errno) {
  case EAGAIN: return {answer::none};
  case EINTR:
  case ECONNABORTED:
  case EPROTO:
  case EPERM:
  case ENETDOWN:
  case EHOSTDOWN:
  case EHOSTUNREACH:
  case ENETUNREACH:
  case ETIMEDOUT: return {answer::again}; // of the connection that came, not of ours (accept(2))
  case EMFILE:
  case ENFILE:
  case ENOBUFS:
  case ENOMEM: return {answer::exhausted};
  default: fail(errno, "accept at " + where_);
  }
}

} // namespace creche::internal
