#include "actors/services/internal/served_stack.hpp"

#include "actors/transport/internal/accepted_socket.hpp"

#include <unistd.h>

namespace creche::internal {

namespace {

class accepted_part final : public detail::layer_part {
public:
  accepted_part(const char* word, speech upward) : layer_part(word, speech::nothing, upward) {}
  void add_to(stack_actor& stack) const override {
    static_cast<served_stack&>(stack).add_transport();
  }
};

struct handler_call {
  std::shared_ptr<const stack_service> service;
  connection peer;

  static task<> invoke(void* self) { return run(*static_cast<handler_call*>(self)); }
  static task<> run(handler_call& self) {
    try {
      auto work = self.service->serve(self.peer);
      co_await std::move(work);
    } catch (const connection_lost&) { // the peer's doing; it stands in the close record
    }
  }
};

} // namespace

stack_service::stack_service(const endpoint& at, const any_stack& upper, listener::handler handler)
    : stack_service(accepted_socket::word(at), speech::octets, upper, std::move(handler)) {}
stack_service::stack_service(const char* word, speech transport, const any_stack& upper,
                             listener::handler handler)
    : whole(any_stack(detail::part::make<accepted_part>(word, transport)).on_top(upper)),
      serve(std::move(handler)) {
  if (serve && whole.above() == speech::nothing)
    throw std::invalid_argument("listener: there is nothing to say to the top layer of " +
                                whole.to_text() + ", so it takes no handler");
}

served_stack::served_stack(caf::actor_config& cfg, child_record* record, int fd,
                           const connection_ends& ends,
                           std::shared_ptr<const stack_service> service,
                           connection_counters& counters, const transport_limits& limits)
    : opened_stack(cfg, record, service->whole), fd_(fd), service_(std::move(service)),
      counters_(counters), limits_(limits) {
  note_ends(ends);
}

served_stack::~served_stack() {
  if (fd_ >= 0) ::close(fd_); // it may never have started
}

void served_stack::add_transport() { accepted_socket::add_to(*this, fd_, limits_); }

void served_stack::opened() {
  if (!has_user()) return;
  auto peer = handle();
  top_state::name_child(peer, child_access::handle(*record()));
  start_handler("handler", service_->handler_rules, handler_call{service_, std::move(peer)});
}

} // namespace creche::internal
