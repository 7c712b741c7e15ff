#include "actors/services/udp_listener.hpp"

#include "actors/services/internal/udp_listener_actor.hpp"

#include <stdexcept>

namespace creche {

namespace {

endpoint address_of_udp(std::string_view at) {
  auto parsed = endpoint::parse(at);
  if (parsed.is_unix())
    throw std::invalid_argument("'" + std::string(at) +
                                "' is no address of udp; write it like 127.0.0.1:53");
  return parsed;
}

} // namespace

udp_listener::udp_listener(std::string_view at, handler serve)
    : udp_listener(at, any_stack(), std::move(serve)) {}
udp_listener::udp_listener(std::string_view at, const any_stack& upper, handler serve)
    : at_(address_of_udp(at)),
      service_(new internal::stack_service("udp", speech::frames, upper, std::move(serve))) {}
udp_listener::udp_listener(udp_listener&&) noexcept = default;
udp_listener::~udp_listener() = default;

udp_listener&& udp_listener::options(const udp_listener_options& chosen) && {
  internal::check_datagram_size(chosen.most_bytes);
  if (chosen.waiting == 0)
    throw std::invalid_argument("udp_listener: of each peer at least one datagram waits");
  if (chosen.peers == 0) throw std::invalid_argument("udp_listener: there is at least one peer");
  if (clock_duration(chosen.silence) <= clock_duration::zero())
    throw std::invalid_argument("udp_listener: a peer may be silent for longer than no time");
  options_ = chosen;
  return std::move(*this);
}

child_spec udp_listener::as_child(std::string_view name) && {
  auto plan = std::make_unique<internal::udp_listener_plan>(std::move(at_), options_);
  service_->handler_rules.stop_within = options_.drain;
  plan->service.reset(service_.release());
  plan->name = name;
  return child_spec(plan.release());
}

} // namespace creche
