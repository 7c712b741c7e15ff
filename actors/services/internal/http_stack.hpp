// http_stack.hpp: the stack of an accepted HTTP connection: tcp / http1.
#pragma once

#include "actors/http/server.hpp"
#include "actors/services/internal/connection_counters.hpp"
#include "actors/stack/internal/stack_actor.hpp"
#include "actors/transport/internal/stream_layer.hpp"

namespace creche::internal {

/// What all connections of an HTTP listener share.
struct http_service {
  const http1::server* server;
  connection_counters& counters;
  const transport_limits& limits;
};

class http_stack final : public stack_actor {
public:
  http_stack(caf::actor_config& cfg, child_record* record, int fd, const connection_ends& ends,
             const http_service& service)
      : stack_actor(cfg, record), fd_(fd), service_(service) {
    note_ends(ends);
  }
  ~http_stack() override;

private:
  void build() override;
  void transport_ended(ended_by how) noexcept override { service_.counters.note_closed(how); }
  int fd_;
  const http_service& service_; // the listener's
};

} // namespace creche::internal
