#include "actors/internal/served_stack.hpp"

#include <unistd.h>

namespace creche::internal {

namespace {

class accepted_part final : public detail::layer_part {
public:
  accepted_part() : layer_part("tcp", speech::nothing, speech::octets) {}
  void add_to(stack_actor& s) const override { static_cast<served_stack&>(s).add_transport(); }
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

stack_service::stack_service(const any_stack& upper, listener::handler h)
    : whole(any_stack(detail::part::make<accepted_part>()).on_top(upper)), serve(std::move(h)) {
  if (serve && whole.above() == speech::nothing)
    throw std::invalid_argument("listener: there is nothing to say to the top layer of " +
                                whole.to_text() + ", so it takes no handler");
}

served_stack::served_stack(caf::actor_config& cfg, child_record* r, int fd,
                           std::shared_ptr<const stack_service> service,
                           connection_counters& counters, const tcp_limits& limits)
    : opened_stack(cfg, r, service->whole), fd_(fd), service_(std::move(service)),
      counters_(counters), limits_(limits) {}

served_stack::~served_stack() {
  if (fd_ >= 0) ::close(fd_); // it may never have started
}

void served_stack::add_transport() {
  add_layer<tcp_layer>("tcp", nullptr, std::exchange(fd_, -1), counters_, limits_);
}

void served_stack::opened() {
  if (!has_user()) return;
  auto c = handle();
  top_state::name_child(c, child_access::handle(*record()));
  start_task("handler", handler_call{service_, std::move(c)});
}

} // namespace creche::internal
