#include "tools/creche/demo.hpp"

#include "runtime/system/run.hpp"
#include "runtime/task/this_task.hpp"
#include "tools/creche/certificate.hpp"
#include "tools/creche/routes.hpp"

#include <cstdio>
#include <limits>

namespace demo {

using namespace creche;
using namespace std::chrono_literals;

namespace {

task<> tick(std::atomic<std::uint64_t>& seconds) {
  for (auto next = system_clock().now() + 1s;; next += 1s) {
    co_await sleep_until(next);
    seconds.fetch_add(1, std::memory_order_relaxed);
  }
}

http1::server server_of(const options& o, service& s) {
  http1::limits sizes;
  sizes.body = std::numeric_limits<std::uint64_t>::max(); // an echo keeps nothing
  sizes.requests = std::numeric_limits<std::uint32_t>::max();
  http1::timeouts times;
  if (const auto t = o.timeout)
    times = {.header = *t,
             .body = *t,
             .idle = *t,
             .write_stall = *t,
             .linger = std::min<clock_duration>(*t, times.linger),
             .rate_over = *t};
  return http1::server(o.echo ? http1::server::handler(&echo) : routes(s))
      .limits(sizes)
      .timeouts(times);
}

} // namespace

int serve(const options& o) {
  service s;
  std::string no_port; // why it cannot listen
  std::string certificate;
  any_stack secure;
  if (o.https) {
    auto kept = certificate_in(o.state, o.https->address);
    certificate = std::move(kept.path);
    secure = tls(kept.shown, {.alpn = {"http/1.1"}});
  }
  const auto main = [&](nursery& n) -> task<> {
    n.start(child_spec("ticker", [&s] { return tick(s.seconds); }).restart(restart::permanent));
    n.start(s.backend.as_child());
    n.start(s.worker.as_child(o.calm)); // stopped before those that take their time
    auto http = listener(o.at, server_of(o, s)).most(o.connections).as_child("http");
    try {
      const auto at = (co_await n.start_ready<endpoint>(http)).value;
      std::printf("listening on %s\n", at.to_text().c_str());
      if (o.https) {
        auto https = listener(o.https->to_text(), secure, server_of(o, s))
                         .most(o.connections)
                         .as_child("https");
        const auto there = (co_await n.start_ready<endpoint>(https)).value;
        std::printf("listening on https://%s, whose certificate is %s\n", there.to_text().c_str(),
                    certificate.c_str());
      }
      std::fflush(stdout);
    } catch (const std::system_error& e) {
      no_port = e.what();
      n.cancel();
    }
  };
  const auto result = run({.name = "demo", .loops = o.loops, .budget = root_budget}, main);
  if (no_port.empty()) return result.finish();
  std::fprintf(stderr, "creche: cannot %s\n", no_port.c_str());
  return 2;
}

} // namespace demo
