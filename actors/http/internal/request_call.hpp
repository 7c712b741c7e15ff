// request_call.hpp: what the task of a request runs: the handler, then the streamed body, if there
// is one.
#pragma once

#include "actors/http/internal/exchange.hpp"
#include "actors/http/server.hpp"

namespace creche::http1 {

struct request_call {
  internal::exchange_ref exchange;
  const server* config;

  static task<> invoke(void* self) { return serve(*static_cast<request_call*>(self)); }
  static task<> serve(request_call& self);
};

} // namespace creche::http1
