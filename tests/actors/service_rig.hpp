// service_rig.hpp: a service on real sockets and loops, with clients on a thread of their own.
#pragma once

#include "actors/listener.hpp"
#include "runtime/run.hpp"
#include "runtime/shared_event.hpp"

#include <thread>

namespace creche::testing {

inline run_options quiet(unsigned loops = 1) {
  return {.loops = loops, .signals = run_options::signals_are::none, .log = false};
}

/// Serves while `clients(port)` runs, then stops in good order.
template <class F> run_result serve_while(unsigned loops, child_spec service, F clients) {
  return run(quiet(loops), [&](nursery& n) -> task<> {
    auto up = co_await n.start_ready<endpoint>(service);
    shared_event done;
    std::thread peers([&] {
      clients(up.value.port);
      done.set();
    });
    co_await done.wait();
    peers.join();
    n.stop();
  });
}

} // namespace creche::testing
