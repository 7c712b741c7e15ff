#include "actors/services/internal/listener_plan.hpp"

#include "actors/services/internal/listener_actor.hpp"

namespace creche::internal {

listener_plan::listener_plan(endpoint address, const listener_options& given)
    : at(std::move(address)), options(given) {
  wants_ready = true;
  answer = &detail::type_of<endpoint>;
  rules.stop_within = given.drain;
}

task<> listener_plan::body(detail::ready_slot*) {
  throw std::logic_error("a listener has no task");
}

child_actor* listener_plan::make(child_record& record) {
  return make_resident<listener_actor>(*home, &record, *this);
}

void listener_plan::let_go() noexcept {
  server.reset();
  service.reset();
}

transport_limits listener_plan::limits() const noexcept {
  if (service) return {service->timeouts.write_stall, service->timeouts.linger};
  auto& times = server->timeouts();
  return {times.write_stall, times.linger, times.least_bytes(), times.rate_over};
}

} // namespace creche::internal
