// listener.hpp: accepts connections and gives each one a stack of its own, as a child.
//
//   n.start(listener("127.0.0.1:8080", http1::server(answer)).as_child("http"));
//   n.start(listener("127.0.0.1:7000", lines(line_end::crlf), [](connection& c) -> task<> {
//             while (auto line = co_await c.frames().next()) co_await c.send(*line);
//           }).as_child("echo"));
//
// One acceptor hands sockets to the loop with most room, and accepts only while its nursery has
// room. Drain: what the kernel has accepted already is still served, then the port is closed and
// every connection finishes what it has in hand.
#pragma once

#include "actors/connection.hpp"
#include "actors/http1.hpp"
#include "runtime/box.hpp"
#include "runtime/child.hpp"

#include <string>
#include <string_view>

namespace creche {

/// A numeric address and a port. Names are not looked up here.
struct endpoint {
  std::string address;
  std::uint16_t port = 0;

  /// "127.0.0.1:8080", "[::1]:0". Throws std::invalid_argument with a sentence.
  static endpoint parse(std::string_view text);
  std::string to_text() const;
};

struct listener_options {
  unsigned connections = 10'000; ///< at a time; more wait in the kernel's queue
  int backlog = 511;
  clock_duration drain = std::chrono::seconds(10); ///< for the connections, then they are cancelled
  /// After the process or the system ran out of descriptors or memory.
  clock_duration pause = std::chrono::milliseconds(100);
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
  /// frames() ends, as if the peer had said its end. Its connection's ended() waits for itself.
  using handler = detail::function<task<>(connection&)>;

  listener(endpoint at, http1::server s);
  listener(std::string_view at, http1::server s) : listener(endpoint::parse(at), std::move(s)) {}
  /// Every connection is tcp / `upper`, as `connection.hpp` has it; an empty `upper` is tcp alone.
  /// Throws std::invalid_argument, with a sentence, if `upper` cannot stand on octets, or speaks to
  /// nobody above.
  listener(std::string_view at, const any_stack& upper, handler h);
  /// One whose top layer speaks to nobody (no_speech), or that lives by itself: what comes out of
  /// its top is then dropped.
  listener(std::string_view at, const any_stack& upper);
  listener(listener&&) noexcept;
  ~listener();

  listener&& most(unsigned connections) && {
    return options_.connections = connections, std::move(*this);
  }
  listener&& options(const listener_options& o) && { return options_ = o, std::move(*this); }
  /// Of a stack of one's own: write_stall and linger. (HTTP: http1::server::timeouts.)
  listener&& timeouts(const tcp_timeouts& t) &&;

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
