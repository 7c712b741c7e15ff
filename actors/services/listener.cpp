#include "actors/services/listener.hpp"

#include "actors/http/as_layer.hpp"
#include "actors/services/internal/listener_plan.hpp"

namespace creche {

listener::listener(const endpoint& at, http1::server server)
    : at_(endpoint::parse(at.to_text())), server_(new http1::server(std::move(server))) {}
listener::listener(std::string_view at, const any_stack& upper, handler serve)
    : at_(endpoint::parse(at)),
      service_(new internal::stack_service(at_, upper, std::move(serve))) {}
listener::listener(std::string_view at, const any_stack& upper) : listener(at, upper, handler()) {}
listener::listener(std::string_view at, const any_stack& below, http1::server server)
    : at_(endpoint::parse(at)) {
  const transport_timeouts times{.write_stall = server.timeouts().write_stall,
                                 .linger = server.timeouts().linger};
  service_.reset(new internal::stack_service(at_, below.on_top(http1::as_layer(std::move(server))),
                                             handler()));
  service_->timeouts = times;
}
listener::listener(listener&&) noexcept = default;
listener::~listener() = default;

listener&& listener::timeouts(const transport_timeouts& times) && {
  if (!service_)
    throw std::invalid_argument("listener: the timeouts of HTTP are those of its http1::server");
  service_->timeouts = times;
  return std::move(*this);
}

child_spec listener::as_child(std::string_view name) && {
  auto plan = std::make_unique<internal::listener_plan>(std::move(at_), options_);
  plan->server.reset(server_.release());
  if (service_) service_->handler_rules.stop_within = options_.drain;
  plan->service.reset(service_.release());
  plan->name = name;
  return child_spec(plan.release());
}

} // namespace creche
