// acceptor.hpp: a listening socket: opened at an endpoint, waited for, accepted from.
#pragma once

#include "actors/services/internal/socket_file.hpp"
#include "actors/stack/internal/packed_endpoint.hpp"
#include "runtime/loop/internal/loop.hpp"

#include <asio/posix/stream_descriptor.hpp>

#include <optional>
#include <string>

namespace creche::internal {

class acceptor {
public:
  /// What came of one accept().
  enum class answer : std::uint8_t {
    connection, ///< `fd` is the caller's
    none,       ///< nobody waits
    again,      ///< that connection is gone; the next one may be there
    exhausted,  ///< out of descriptors or memory
  };
  struct accepted {
    acceptor::answer answer;
    int fd = -1;
    connection_ends ends{};
  };

  acceptor() = default;
  acceptor(const acceptor&) = delete;
  ~acceptor() { close(); }

  /// Listens. A port that the system chose stands in `at` from then on. `mode`: of a unix socket's
  /// file. Throws std::system_error.
  void open(loop& home, endpoint& at, int backlog, unsigned mode);
  bool is_open() const noexcept { return port_.has_value(); }
  /// "127.0.0.1:8080"; what it is or was opened at.
  const std::string& where() const noexcept { return where_; }
  /// And removes the file of a unix socket, if it is still the one that was made.
  void close() noexcept;
  /// Throws std::system_error for what is no answer. REQUIRES: is_open().
  accepted accept();
  /// Calls `then(error)` once, when a connection waits or the port is closed.
  template <class F> void wait(F then) {
    port_->async_wait(descriptor::wait_read, std::move(then));
  }

private:
  using descriptor = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;
  std::optional<descriptor> port_;
  std::string where_;
  packed_endpoint local_; // of all connections, if it is not any
  std::optional<socket_file> file_;
};

} // namespace creche::internal
