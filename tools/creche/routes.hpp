// routes.hpp: what the demo answers to which path.
#pragma once

#include "actors/http/http1.hpp"
#include "tools/creche/backend.hpp"
#include "tools/creche/worker.hpp"

#include <atomic>

namespace demo {

/// What the handlers see of the other children. They run on many loops: only what any thread may
/// use.
struct service {
  demo::worker worker;
  demo::backend backend;
  std::atomic<std::uint64_t> seconds{0}; ///< the ticker's
};

/// `/`, `/tree`, `/hello`, `/crash`, `/crash/db`, `/echo`. `s` must outlive the server.
creche::http1::server::handler routes(service& s);

/// 200 with the request's body and content type, as it comes in.
creche::task<creche::http1::response> echo(creche::http1::request& r);

} // namespace demo
