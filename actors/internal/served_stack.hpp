// served_stack.hpp: the stack of an accepted connection: tcp, the layers of a value, and the task
// that talks with their top.
#pragma once

#include "actors/internal/opened_stack.hpp"
#include "actors/internal/tcp_layer.hpp"
#include "actors/listener.hpp"

namespace creche::internal {

/// What a listener makes of every connection.
struct stack_service {
  any_stack whole; // its tcp takes the socket that was accepted
  listener::handler serve;
  tcp_timeouts timeouts{};

  stack_service(const any_stack& upper, listener::handler h);
};

class served_stack final : public opened_stack {
public:
  served_stack(caf::actor_config& cfg, child_record* r, int fd,
               std::shared_ptr<const stack_service> service, connection_counters& counters,
               const tcp_limits& limits);
  ~served_stack() override;
  void opened() override;
  connection_counters* counters() noexcept override { return &counters_; }
  void add_transport();

private:
  bool has_user() const noexcept override { return bool(service_->serve); }
  int fd_;
  std::shared_ptr<const stack_service> service_;
  connection_counters& counters_;
  const tcp_limits& limits_;
};

} // namespace creche::internal
