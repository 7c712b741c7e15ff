// No new work is wanted; what had come before that counts, wherever it lies.
#include "actors/layers/framers.hpp"
#include "actors/services/listener.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/actors/service_rig.hpp"
#include "tests/actors/sockets.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include <string>
#include <thread>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

CRECHE_TEST("P11: a drain comes behind all that came before it, and before what comes after") {
  for (const bool ahead : {true, false})
    for (const std::size_t size : {10u, 1000u, 60'000u}) {
      memory_wire w;
      auto c = co_await open(n, w.transport() / lines(line_end::lf, 100'000));
      c.read_ahead(ahead);
      const std::size_t count = 300'000 / (size + 1) + 3;
      for (std::size_t i = 0; i < count; ++i) w.feed(std::string(size, 'x') + '\n');
      w.feed("half a line");
      co_await sleep_for(1s);
      c.stack().stop();
      co_await sleep_for(1s);
      std::size_t frames = 0;
      while (auto f = co_await c.frames().next()) {
        CHECK(f->size() == size);
        ++frames;
        co_await sleep_for(10us); // slower than what comes, and done within stop_within
      }
      INFO("ahead " << ahead << ", lines of " << size);
      CHECK(frames == count);
    }
}

TEST_CASE("P11: a service that stops has given its handlers what lay in the kernel") {
  constexpr int count = 160; // more than a link and an inbox take, and less than kernels may hold
  std::atomic<int> seen{0};
  std::atomic<bool> begun{false}, go_on{false};
  auto handler = [&](connection& c) -> task<> {
    co_await c.send("hello");
    begun = true;
    while (!go_on) co_await sleep_for(1ms); // ends when the peer has sent all
    while (co_await c.frames().next()) ++seen;
  };
  auto spec = listener("127.0.0.1:0", lines(line_end::lf), handler).as_child("service");
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto up = co_await n.start_ready<endpoint>(spec);
    std::atomic<bool> sent{false};
    client c;
    std::thread peer([&] {
      c = client::to(up.value.port);
      (void)c.until("hello");
      c.send([] {
        std::string all;
        for (int i = 0; i < count; ++i) all += std::string(1000, 'x') + '\n';
        return all;
      }());
      const auto late = std::chrono::steady_clock::now() + 20s; // until the other kernel has all
      for (int left = 1; left && std::chrono::steady_clock::now() < late;) {
        ::ioctl(c.fd(), SIOCOUTQ, &left);
        std::this_thread::yield();
      }
      sent = true;
    });
    while (!sent || !begun) co_await sleep_for(1ms);
    peer.join();
    n.stop();
    go_on = true;
  });
  INFO((r.failures() ? r.failures()->to_text() : ""));
  CHECK(r.how() == run_result::kind::completed);
  CHECK(seen == count);
}
