// listener.hpp: accepts connections and gives each one a stack of its own, as a child.
//
// One acceptor hands sockets to the loop with most room, and accepts only while its nursery has
// room. Drain: what the kernel has accepted already is still served, then the port is closed and
// every connection finishes what it has in hand.
#pragma once

#include "actors/http1.hpp"
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

/// The service as data: a child that listens at `at` and serves HTTP/1.1.
class listener {
public:
  listener(endpoint at, http1::server s) : at_(std::move(at)), server_(std::move(s)) {}
  listener(std::string_view at, http1::server s) : listener(endpoint::parse(at), std::move(s)) {}

  listener&& most(unsigned connections) && {
    return options_.connections = connections, std::move(*this);
  }
  listener&& options(const listener_options& o) && { return options_ = o, std::move(*this); }

  /// For nursery::start, or start_ready<endpoint>, which tells where it listens (port 0: any).
  /// A port in use fails the child: std::system_error(address_in_use).
  child_spec as_child(std::string_view name) &&;

private:
  endpoint at_;
  http1::server server_;
  listener_options options_;
};

} // namespace creche
