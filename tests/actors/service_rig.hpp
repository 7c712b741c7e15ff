// service_rig.hpp: a service on real sockets and loops, with clients on a thread of their own.
#pragma once

#include "actors/services/listener.hpp"
#include "runtime/sync/shared_event.hpp"
#include "runtime/system/run.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace creche::testing {

inline run_options quiet(unsigned loops = 1) {
  return {.loops = loops, .signals = run_options::signals_are::none, .log = false};
}

/// An HTTP service at a port that the system chooses, as the child "http".
inline child_spec serving(http1::server server, const listener_options& options = {}) {
  return listener("127.0.0.1:0", std::move(server)).options(options).as_child("http");
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

/// What `body()` and all it runs say on standard error: in a process of its own, which must end by
/// itself.
template <class F> std::string said_by(F body) {
  int err[2];
  if (::pipe(err) != 0) return "no pipe";
  const auto process = ::fork();
  if (process == 0) {
    ::dup2(err[1], 2);
    ::close(err[0]);
    body();
    ::_exit(0);
  }
  ::close(err[1]);
  std::string said;
  char some[512];
  for (ssize_t n; (n = ::read(err[0], some, sizeof some)) > 0;) said.append(some, std::size_t(n));
  ::close(err[0]);
  int status = 0;
  ::waitpid(process, &status, 0);
  return WIFEXITED(status) ? said : said + " (and it died)";
}

} // namespace creche::testing
