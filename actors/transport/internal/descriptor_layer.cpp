#include "actors/transport/internal/descriptor_layer.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>

namespace creche::internal {

namespace {

int open_anew(int fd, int access) noexcept {
  char name[32];
  std::snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  return ::open(name, access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/// Is there something for read() or write() to do? Else errno says EAGAIN.
bool is_ready(int fd, short events) noexcept {
  pollfd asked{fd, events, 0};
  if (::poll(&asked, 1, 0) > 0) return true;
  errno = EAGAIN;
  return false;
}

} // namespace

direct_descriptor::direct_descriptor(int fd, int access) noexcept : fd_(fd) {
  struct stat found{};
  if (::fstat(fd, &found) != 0) return; // read() and write() tell
  pipe_ = S_ISFIFO(found.st_mode);
  if (S_ISSOCK(found.st_mode)) {
    use_ = use::as_socket;
  } else if (pipe_ || S_ISCHR(found.st_mode)) {
    const int own = open_anew(fd, access);
    if (own >= 0)
      ::close(std::exchange(fd_, own));
    else
      use_ = use::asking_first;
  }
}

void direct_descriptor::close() noexcept {
  const int fd = std::exchange(fd_, -1);
  if (fd >= 0 && owned_) ::close(fd);
}

ssize_t direct_descriptor::read(std::span<char> room) noexcept {
  if (use_ == use::as_socket) return ::recv(fd_, room.data(), room.size(), MSG_DONTWAIT);
  if (use_ == use::asking_first && !is_ready(fd_, POLLIN)) return -1;
  return ::read(fd_, room.data(), room.size());
}

// A pipe that says it has room has it for so many bytes (PIPE_BUF), without blocking.
ssize_t direct_descriptor::write(const iovec* pieces, int count) noexcept {
  if (use_ == use::as_socket) {
    msghdr head{};
    head.msg_iov = const_cast<iovec*>(pieces);
    head.msg_iovlen = std::size_t(count);
    return ::sendmsg(fd_, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  if (use_ == use::directly) return ::writev(fd_, pieces, count);
  if (!is_ready(fd_, POLLOUT)) return -1;
  return ::write(fd_, pieces->iov_base, std::min<std::size_t>(pieces->iov_len, PIPE_BUF));
}

descriptor_layer::descriptor_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack,
                                   int in, int out, const char* word,
                                   const transport_limits& limits)
    : stream_layer(cfg, record, stack, -1, limits), in_(in, O_RDONLY), out_(out, O_WRONLY),
      watch_out_(*this), word_(word) {}

descriptor_layer::~descriptor_layer() = default;

void descriptor_layer::open() {
  own(in_.release());
  watched_ = home_.descriptors().add(out_.fd(), watch_out_, EPOLLOUT);
  opened();
}

// A pipe whose writers are gone is at its end; it is no error.
void descriptor_layer::ready(std::uint32_t events) noexcept {
  const bool end = events & EPOLLHUP;
  stream_layer::ready(end ? (events & ~std::uint32_t(EPOLLHUP)) | EPOLLIN | EPOLLRDHUP : events);
}

// False: it is no socket, and the peer has nothing more to say to us.
bool descriptor_layer::say_end() noexcept {
  const bool shut = out_.fd() >= 0 && ::shutdown(out_.fd(), SHUT_WR) == 0;
  if (std::exchange(watched_, false)) home_.descriptors().remove(out_.fd());
  out_.close();
  return shut;
}

std::uint64_t descriptor_layer::unconfirmed() const noexcept {
  int bytes = 0;
  const bool known = out_.is_pipe() && out_.fd() >= 0 && ::ioctl(out_.fd(), FIONREAD, &bytes) == 0;
  return known && bytes > 0 ? std::uint64_t(bytes) : 0;
}

void descriptor_layer::on_over() noexcept {
  if (std::exchange(watched_, false)) home_.descriptors().remove(out_.fd());
  out_.close();
  stream_layer::on_over();
}

} // namespace creche::internal
