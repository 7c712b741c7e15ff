// udp_listener.hpp: serves datagrams of UDP: every address that sends some is a peer, and has a
// stack of its own, as a child. Each datagram is a frame.
//
//   n.start(udp_listener("127.0.0.1:5300", [](connection& c) -> task<> {
//             while (auto question = co_await c.frames().next())
//               co_await c.send(answer_to(*question));
//           }).as_child("answers"));
//
// Anybody can write any sender's address on a datagram. So a peer is given no more bytes than came
// from it until its address is proven (amplification): one whose address was forged is not flooded.
// What would be more is dropped, and the tree counts it.
//
// What comes while a peer's stack has not taken what came before waits, up to a number of
// datagrams; then the oldest is dropped, and the tree counts it. What is to go waits while the
// kernel has no room. A limit for each address: rate_limit<frames>(rate_per_address) as the lowest
// layer.
//
// All peers live on the loop of the listener, one thread.
#pragma once

#include "actors/services/listener.hpp"
#include "runtime/memory/shared.hpp"

#include <cstdint>
#include <string_view>

namespace creche {

struct udp_listener_options {
  /// At a time. When there are as many, a new one is not served, and the tree counts it; but the
  /// one that has been silent for longest, and for a second, is ended to make room if its address
  /// is not proven.
  unsigned peers = 10'000;
  /// Of one datagram, 1 to 65507. A longer one that comes is dropped, and the tree counts it; to
  /// write a longer one fails its stack with std::length_error.
  std::uint32_t most_bytes = 4096;
  /// Datagrams of one peer that nobody has read yet, at least 1, beside those that its stack takes.
  unsigned waiting = 64;
  /// Nothing came from a peer for so long: its input ends, as if it had said so.
  time_span silence = std::chrono::seconds(30);
  /// How many times the bytes that came from it an address is given before it is proven; 0: there
  /// is no such rule.
  unsigned amplification = 1;
  /// How long peers may drain; then they are cancelled.
  time_span drain = std::chrono::seconds(10);
};

namespace internal {
struct udp_proof;
class udp_peer_layer;
} // namespace internal

/// Among the facts of a peer's connection. On its loop; one thread.
class udp_sender {
public:
  /// The peer has sent what only somebody can know who receives at its address, say a number that
  /// was sent there: the rule of amplification holds for it no longer.
  void is_proven() const noexcept;

private:
  friend class internal::udp_peer_layer;
  explicit udp_sender(detail::shared<internal::udp_proof> proof) noexcept
      : proof_(std::move(proof)) {}
  detail::shared<internal::udp_proof> proof_;
};

/// The service as data, like listener.
class udp_listener {
public:
  using handler = listener::handler;

  /// Throws std::invalid_argument, with a sentence, if `at` is none that can be listened at.
  udp_listener(std::string_view at, handler serve);
  /// On layers of one's own, which speak frames below. Throws std::invalid_argument as well if they
  /// do not, or speak to nobody above.
  udp_listener(std::string_view at, const any_stack& upper, handler serve);
  udp_listener(udp_listener&&) noexcept;
  ~udp_listener();

  /// Throws std::invalid_argument, with a sentence, for numbers that are out of bounds.
  udp_listener&& options(const udp_listener_options& chosen) &&;

  /// For nursery::start, or start_ready<endpoint>, which tells where it listens (port 0: any).
  /// A port in use fails the child: std::system_error(address_in_use). On drain no peer is new, and
  /// each is told to finish what it has in hand.
  child_spec as_child(std::string_view name) &&;

private:
  endpoint at_;
  detail::box<internal::stack_service> service_;
  udp_listener_options options_;
};

} // namespace creche
