// listener_plan.hpp: what a listener is made of, and made again after a restart.
#pragma once

#include "actors/http/server.hpp"
#include "actors/services/internal/served_stack.hpp"
#include "actors/services/listener.hpp"
#include "actors/transport/internal/stream_layer.hpp"
#include "runtime/supervision/internal/child_actor.hpp"

namespace creche::internal {

struct listener_plan final : detail::plan {
  endpoint at;
  std::shared_ptr<const http1::server> server;  // one of the two
  std::shared_ptr<const stack_service> service; //
  listener_options options;

  listener_plan(endpoint address, const listener_options& given);
  task<> body(detail::ready_slot*) override;
  child_actor* make(child_record& record) override;
  void let_go() noexcept override;
  transport_limits limits() const noexcept;
};

} // namespace creche::internal
