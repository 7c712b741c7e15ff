// tcp_layer.hpp: a TCP socket as a transport: one that was accepted, or one that connects first.
#pragma once

#include "actors/transport/internal/socket_address.hpp"
#include "actors/transport/internal/stream_layer.hpp"

namespace creche::internal {

/// What it connects to. Outlives the layer.
struct tcp_target {
  socket_address address;
  std::string text;
  clock_duration within = std::chrono::seconds(10);
};

class tcp_layer final : public stream_layer {
public:
  /// A connected socket, which is ours from now on.
  tcp_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack, int fd,
            const transport_limits& limits)
      : stream_layer(cfg, record, stack, fd, limits) {}
  /// One that connects first. Failure to do so is this layer's failure.
  tcp_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack,
            const tcp_target& target, const transport_limits& limits)
      : stream_layer(cfg, record, stack, -1, limits), target_(&target) {}

  const char* name() const override { return "tcp"; }
  std::string_view kind() const noexcept override { return "tcp"; }

private:
  void open() override;
  std::string open_text() const override { return "connect to " + target_->text; }
  int check_connected() const noexcept override;
  void set_options() noexcept override;

  const tcp_target* target_ = nullptr;
};
static_assert(sizeof(tcp_layer) <= 568, "every connection has one");

} // namespace creche::internal
