// sockets.hpp: the other side of a socket, for tests: blocking, with a time limit that is only met
// when something is broken.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace creche::testing {

class client {
public:
  client() = default;
  explicit client(int fd) : fd_(fd) { limit(std::chrono::seconds(20)); }
  client(client&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  client& operator=(client&& o) noexcept {
    std::swap(fd_, o.fd_);
    return *this;
  }
  ~client() { close(); }

  static client to(std::uint16_t port) {
    client c(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(c.fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0)
      throw std::system_error(errno, std::generic_category(), "connect");
    return c;
  }

  int fd() const { return fd_; }
  void limit(std::chrono::milliseconds t) {
    const timeval v{t.count() / 1000, (t.count() % 1000) * 1000};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &v, sizeof v);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &v, sizeof v);
  }
  /// False: the peer is gone.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(std::size_t(n));
    }
    return true;
  }
  /// At most `n` bytes, in one call; "" at the end, or when nothing comes.
  std::string receive(std::size_t n = 65536) {
    std::string s(n, '\0');
    const auto k = ::recv(fd_, s.data(), n, 0);
    error_ = k < 0 ? errno : 0;
    s.resize(k > 0 ? std::size_t(k) : 0);
    return s;
  }
  /// All until the end.
  std::string rest() {
    std::string all;
    for (std::string s; !(s = receive()).empty();) all += s;
    return all;
  }
  /// Until `what` was received, or the end.
  std::string until(std::string_view what) {
    std::string all;
    while (all.find(what) == all.npos) {
      const auto s = receive();
      if (s.empty()) break;
      all += s;
    }
    return all;
  }
  /// Of the last receive(); 0: bytes, or the end.
  int error() const { return error_; }
  void finish() { ::shutdown(fd_, SHUT_WR); }
  void reset() {
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

private:
  int fd_ = -1;
  int error_ = 0;
};

inline void raise_file_limit() {
  rlimit l{};
  ::getrlimit(RLIMIT_NOFILE, &l);
  l.rlim_cur = l.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &l);
}

inline bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

} // namespace creche::testing
