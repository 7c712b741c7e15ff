// udp_layer.hpp: a UDP socket of its own that is connected to one address.
#pragma once

#include "actors/transport/internal/datagram_layer.hpp"
#include "actors/transport/internal/datagram_socket.hpp"
#include "runtime/loop/internal/poll_set.hpp"

#include <string>

namespace creche::internal {

/// Whom it talks with. Outlives the layer.
struct udp_target {
  socket_address address;
  std::string text;
  std::uint32_t most_bytes = 0;
};

class udp_layer final : public datagram_layer, public pollable {
public:
  udp_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack,
            const udp_target& target)
      : datagram_layer(cfg, record, stack, target.most_bytes), target_(target) {}

  void describe(const tree_sink& out) const override;
  void ready(std::uint32_t events) noexcept override;

private:
  void attached() override;
  sent send(std::string_view datagram) noexcept override;
  void read() override;
  std::uint32_t waits_to_be_read() const noexcept override;
  void on_over() noexcept override;
  void open_failed(int error);

  const udp_target& target_;
  datagram_socket socket_;
  bool in_set_ = false;
  bool refused_ = false; // the kernel has said so: the end, behind what came before
  std::atomic<std::uint64_t> overflowed_{0};
};

} // namespace creche::internal
