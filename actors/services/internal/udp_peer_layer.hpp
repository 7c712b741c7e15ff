// udp_peer_layer.hpp: the transport of one peer of a UDP listener, which shares its socket.
#pragma once

#include "actors/services/internal/udp_peers.hpp"
#include "actors/services/udp_listener.hpp"
#include "actors/transport/internal/datagram_layer.hpp"
#include "actors/transport/internal/datagram_socket.hpp"
#include "runtime/loop/internal/poll_set.hpp"

namespace creche::internal {

/// What the peers of a listener share. It outlives them.
struct udp_port {
  datagram_socket socket;
  udp_peers peers;
  udp_peer_layer* waiting = nullptr; // for room: a list
  const udp_listener_options& options;
  loop& home;
  pollable& told; // of the socket

  udp_port(const udp_listener_options& o, loop& l, pollable& p) noexcept
      : options(o), home(l), told(p) {}
  /// has_room() will be called when there is some. False: it will not.
  bool ask_for_room() noexcept;
  /// Those who wait go on.
  void has_room() noexcept;
};

class udp_peer_layer final : public datagram_layer, timer {
public:
  udp_peer_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack, udp_port& port,
                 std::shared_ptr<udp_peer> peer);
  ~udp_peer_layer() override { leave_port(); } // it may never have started

  void describe(const tree_sink& out) const override;
  /// A datagram waits in the peer.
  void came() noexcept { may_read(); }
  void has_room() noexcept { may_send(); }
  udp_peer_layer* next_waiting = nullptr;

private:
  void attached() override;
  sent send(std::string_view datagram) noexcept override;
  void read() override;
  void on_marks() override;
  void close(ended_by how) override;
  std::uint32_t waits_to_be_read() const noexcept override;
  void on_over() noexcept override;
  void leave_port() noexcept;

  udp_port& port_;
  const std::shared_ptr<udp_peer> peer_;
  bool silent_ = false; // a mark
  bool attached_ = false;
  std::atomic<std::uint64_t> unproven_{0};
};

} // namespace creche::internal
