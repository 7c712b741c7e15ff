// served_stack.hpp: the stack of an accepted connection: the socket, the layers of a value, and the
// task that talks with their top.
#pragma once

#include "actors/services/internal/connection_counters.hpp"
#include "actors/services/listener.hpp"
#include "actors/stack/internal/opened_stack.hpp"
#include "actors/transport/internal/stream_layer.hpp"

namespace creche::internal {

/// What a listener makes of every connection.
struct stack_service {
  any_stack whole; // its transport takes the socket that was accepted
  listener::handler serve;
  transport_timeouts timeouts{};
  child_rules handler_rules{}; // as long as a connection may drain

  stack_service(const endpoint& at, const any_stack& upper, listener::handler handler);
  /// On a transport that its served_stack makes in add_transport(). `word` is static text.
  stack_service(const char* word, speech transport, const any_stack& upper,
                listener::handler handler);
};

class served_stack : public opened_stack {
public:
  served_stack(caf::actor_config& cfg, child_record* record, int fd, const connection_ends& ends,
               std::shared_ptr<const stack_service> service, connection_counters& counters,
               const transport_limits& limits);
  ~served_stack() override;
  void opened() override;
  void transport_ended(ended_by how) noexcept override { counters_.note_closed(how); }
  const creche::facts* service_facts() const noexcept override { return &counters_.for_layers; }
  virtual void add_transport();

private:
  bool has_user() const noexcept override { return bool(service_->serve); }
  int fd_;
  std::shared_ptr<const stack_service> service_;
  connection_counters& counters_;
  const transport_limits& limits_;
};

} // namespace creche::internal
