// listener.hpp: accepts connections and gives each one a stack of its own, as a child.
//
//   n.start(listener("127.0.0.1:8080", http1::server(answer)).as_child("http"));
//   n.start(listener("127.0.0.1:7000", lines(line_end::crlf), [](connection& c) -> task<> {
//             while (auto line = co_await c.frames().next()) co_await c.send(*line);
//           }).as_child("echo"));
//   n.start(listener("unix:/run/app.sock", http1::server(answer)).as_child("local"));
//
// One acceptor hands sockets to the loop with most room, and accepts only while its nursery has
// room; idle connections make room. Drain: what the kernel has accepted already is still served,
// then the port is closed and every connection finishes what it has in hand.
//
// A unix socket: its file is made when the listener starts, and removed when it ends. One that a
// killed process has left behind is removed first; a socket in use, a symbolic link, and a file
// that is no socket, are not: the child fails. What the kernel knows of the peer stands in the
// facts of its connection or request: peer_credentials (unix_socket.hpp).
#pragma once

#include "actors/http/server.hpp"
#include "actors/stack/connection.hpp"
#include "actors/stack/endpoint.hpp"
#include "actors/transport/transport_timeouts.hpp"
#include "runtime/memory/box.hpp"
#include "runtime/supervision/child.hpp"

#include <string>
#include <string_view>

namespace creche {

struct listener_options {
  /// At a time. When there are as many, and one more waits in the kernel's queue, the one that has
  /// been idle longest is ended for it (an HTTP connection is idle before its first head and
  /// between requests; layer::idle). If none is idle, it waits.
  unsigned connections = 10'000;
  /// A connection that has been idle for less time keeps its place: its request may be on its way.
  time_span least_idle = std::chrono::milliseconds(500);
  /// Of one address (of IPv6: of one /64); more are closed at once. Loopback and unix sockets are
  /// not counted, unless it is said.
  unsigned per_address = 256;
  bool count_loopback = false;
  int backlog = 511;
  /// Who may connect to a unix socket with a path: the permissions of its file.
  unsigned mode = 0600;
  /// How long connections may drain; then they are cancelled. What encloses the listener may give
  /// less: of all limits on the way from the root, run_options::drain first, the shortest wins.
  time_span drain = std::chrono::seconds(10);
  /// After the process or the system ran out of descriptors or memory.
  time_span pause = std::chrono::milliseconds(100);
};

namespace internal {
struct stack_service;
} // namespace internal

/// The service as data: a child that listens at `at`, and serves HTTP/1.1, or a stack of one's own.
class listener {
public:
  /// Called with every connection once bytes can flow through all its layers; a child of its stack,
  /// on the stack's loop: with several loops, on several threads at a time. When it returns, the
  /// connection is closed. What it throws ends its connection and is told to the log, but for
  /// connection_lost, which is the peer's doing; it is no failure of the listener. On drain
  /// frames() ends, as if the peer had said its end. At a bad end it is not cancelled: it reads
  /// what came before, then connection_lost is thrown, and it has as long as a connection may
  /// drain. Its connection's ended() waits for itself.
  using handler = detail::function<task<>(connection&)>;

  /// Throws std::invalid_argument, with a sentence, if `at` is none that can be listened at.
  listener(const endpoint& at, http1::server server);
  listener(std::string_view at, http1::server server)
      : listener(endpoint::parse(at), std::move(server)) {}
  /// Every connection is tcp / `upper`, or unix / `upper`, as `connection.hpp` has it; an empty
  /// `upper` is the socket alone.
  /// Throws std::invalid_argument, with a sentence, if `upper` cannot stand on octets, or speaks to
  /// nobody above.
  listener(std::string_view at, const any_stack& upper, handler serve);
  /// Refuses what is no handler.
  template <class F>
    requires(!std::is_constructible_v<handler, F>)
  listener(std::string_view, const any_stack&, F&&) {
    static_assert(detail::never<F>, "a handler is called with a connection& and returns a task<>");
  }
  /// One whose top layer speaks to nobody (no_speech), or that lives by itself: what comes out of
  /// its top is then dropped.
  listener(std::string_view at, const any_stack& upper);
  /// HTTP/1.1 on layers of one's own: tls(..). The server's write_stall and linger are the
  /// socket's.
  listener(std::string_view at, const any_stack& below, http1::server server);
  listener(listener&&) noexcept;
  ~listener();

  listener&& most(unsigned connections) && {
    return options_.connections = connections, std::move(*this);
  }
  listener&& options(const listener_options& chosen) && {
    return options_ = chosen, std::move(*this);
  }
  /// Of a stack of one's own: write_stall and linger. (HTTP: http1::server::timeouts.)
  listener&& timeouts(const transport_timeouts& times) &&;

  /// For nursery::start, or start_ready<endpoint>, which tells where it listens (port 0: any).
  /// A port in use fails the child: std::system_error(address_in_use).
  child_spec as_child(std::string_view name) &&;

private:
  endpoint at_;
  detail::box<http1::server> server_;            // one of the two
  detail::box<internal::stack_service> service_; //
  listener_options options_;
};

} // namespace creche
