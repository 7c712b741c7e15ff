// unix_layer.hpp: a unix socket as a transport: what is written for a new one.
#pragma once

#include "actors/transport/internal/transport_part.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace creche::testing {

class unix_layer final : public internal::stream_layer {
public:
  /// Connects to the socket with this name in the file system.
  unix_layer(caf::actor_config& cfg, internal::child_record* record, internal::stack_actor& stack,
             const std::string& path, const internal::transport_limits& limits)
      : stream_layer(cfg, record, stack, -1, limits), path_(&path) {}
  /// One that is connected: accepted, or of a pair.
  unix_layer(caf::actor_config& cfg, internal::child_record* record, internal::stack_actor& stack,
             int fd, const internal::transport_limits& limits)
      : stream_layer(cfg, record, stack, fd, limits) {}
  std::string_view kind() const noexcept override { return "unix"; }

private:
  void open() override {
    if (!path_) return opened();
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    if (path_->size() >= sizeof to.sun_path) return open_failed(ENAMETOOLONG);
    std::memcpy(to.sun_path, path_->c_str(), path_->size() + 1);
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return open_failed(errno);
    own(fd);
    // never "in progress": it is connected at once, or there is no room in the other's queue
    if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return open_failed(errno);
    opened();
  }
  std::string open_text() const override { return "connect to " + *path_; }

  const std::string* path_ = nullptr;
};

inline stack_of<no_speech, octets> unix_socket(const std::string& path) {
  return internal::transport_value<unix_layer>("unix", "unix(" + path + ")", {}, path);
}
inline stack_of<no_speech, octets> unix_socket(int fd) {
  return internal::transport_value<unix_layer>("unix", "", {}, fd);
}

} // namespace creche::testing
