// unix_layer.hpp: a unix socket as a transport: one that was accepted, or one that connects first.
#pragma once

#include "actors/transport/internal/socket_address.hpp"
#include "actors/transport/internal/stream_layer.hpp"

namespace creche::internal {

/// What it connects to. Outlives the layer.
struct unix_target {
  socket_address address;
  std::string text;
};

class unix_layer final : public stream_layer {
public:
  /// A connected socket, which is ours from now on.
  unix_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack, int fd,
             const transport_limits& limits)
      : stream_layer(cfg, record, stack, fd, limits) {}
  /// One that connects first. Failure to do so is this layer's failure.
  unix_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack,
             const unix_target& target, const transport_limits& limits)
      : stream_layer(cfg, record, stack, -1, limits), target_(&target) {}

  const char* name() const override { return "unix"; }
  std::string_view kind() const noexcept override { return "unix"; }

private:
  void open() override;
  std::string open_text() const override { return "connect to " + target_->text; }
  void note_credentials(int fd);

  const unix_target* target_ = nullptr;
};

} // namespace creche::internal
