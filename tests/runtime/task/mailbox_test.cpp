// Messages between tasks: child::send and receive, in one loop, between loops, from any thread.
#include "runtime/messages/receive.hpp"
#include "runtime/task/finally.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

#include <memory>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

struct stop_now {};

} // namespace

TEST_CASE("a message is received once, in the order of its sender, moved and not copied") {
  std::vector<int> got;
  std::unique_ptr<int> owned;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> {
      for (int i = 0; i < 3; ++i) got.push_back(co_await receive<int>());
      owned = co_await receive<std::unique_ptr<int>>();
    });
    for (int i = 0; i < 3; ++i) CHECK(c.send(i) == send_result::queued);
    c.send(std::make_unique<int>(7));
    co_await c.wait();
  });
  CHECK(got == std::vector<int>{0, 1, 2});
  CHECK(*owned == 7);
}

TEST_CASE("receive takes the oldest of its types and leaves the others in order") {
  std::string trace;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> {
      trace += co_await receive<std::string>();
      for (int i = 0; i < 3; ++i) {
        auto m = co_await receive<int, char>();
        trace +=
            m.index() == 0 ? std::to_string(std::get<int>(m)) : std::string(1, std::get<char>(m));
      }
      trace += std::to_string(co_await receive<long>());
      (void)co_await receive<stop_now>();
    });
    c.send(1);
    c.send(5L);
    c.send('x');
    c.send(std::string("first "));
    co_await sleep_for(1ms);
    CHECK(trace == "first 1x");
    c.send(2);
    co_await sleep_for(1ms);
    CHECK(trace == "first 1x25");
    c.send(stop_now());
  });
}

TEST_CASE("a full mailbox sheds, says so, and takes again when there is room") {
  const auto r = run_and_see([&](nursery& n) -> task<> {
    auto c = n.start(child_spec("small", []() -> task<> {
                       for (;;) {
                         co_await sleep_for(1s);
                         (void)co_await receive<int>();
                       }
                     }).mailbox_limit(3));
    for (int i = 0; i < 3; ++i) CHECK(c.send(i) == send_result::queued);
    CHECK(c.send(3) == send_result::shed);
    co_await sleep_for(1500ms);
    CHECK(c.send(4) == send_result::queued);
    CHECK(c.send(5) == send_result::shed);
    auto d = n.start([]() -> task<> { co_await sleep_for(1s); });
    for (int i = 0; i < 1024; ++i) REQUIRE(d.send(i) == send_result::queued);
    CHECK(d.send(1024) == send_result::shed);
    n.cancel();
  });
  CHECK(r.ledger.shed == 3);
  CHECK(r.ledger.undelivered == 3 + 1024 + 1); // and the body's own cancel
}

TEST_CASE("a message is there before the task's first turn, and after its last it is not") {
  int got = 0;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> { got = co_await receive<int>(); });
    c.send(1);
    co_await c.wait();
    CHECK(c.send(2) == send_result::undelivered);
    CHECK(child().send(2) == send_result::undelivered);
  });
  CHECK(got == 1);
}

TEST_CASE("a restarted child begins with an empty mailbox") {
  int incarnation = 0, got = 0;
  child kept;
  run_clean([&](nursery& n) -> task<> {
    auto c = kept = n.start(child_spec("again", [&]() -> task<> {
                              if (++incarnation == 1) {
                                co_await sleep_for(1ms);
                                throw std::runtime_error("once");
                              }
                              got = co_await receive<int>();
                            }).restart(restart::transient));
    c.send(1);
    co_await sleep_for(2ms);
    CHECK(c.send(2) == send_result::undelivered); // it waits for its restart
    co_await sleep_for(1s);
    CHECK(c.send(3) == send_result::queued);
    co_await c.wait();
  });
  CHECK(got == 3);
  CHECK(kept.statistics().undelivered == 1);
  CHECK(kept.statistics().handled == 1);
}

TEST_CASE("receive is a checkpoint: cancelled it stops even when a message is there") {
  std::string trace;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> {
      auto body = [&](cancel_scope& s) -> task<> {
        s.cancel();
        (void)co_await receive<int>();
        trace += "never";
      };
      co_await move_on_after(1h, body);
      trace += std::to_string(co_await receive<int>()); // nothing was lost
    });
    c.send(1);
    co_await c.wait();
  });
  CHECK(trace == "1");
}

TEST_CASE("a cancel at any time loses no message: it is received, or stays") {
  for (int at = 0; at < 40; ++at) {
    int before = 0, after = 0;
    run_clean([&](nursery& n) -> task<> {
      auto c = n.start([&]() -> task<> {
        auto body = [&](cancel_scope&) -> task<> {
          for (;;) {
            (void)co_await receive<counted>();
            ++before;
          }
        };
        co_await move_on_after(std::chrono::microseconds(at), body);
        co_await sleep_for(1ms);
        auto rest = [&](cancel_scope&) -> task<> {
          for (;;) {
            (void)co_await receive<counted>();
            ++after;
          }
        };
        co_await move_on_after(1ms, rest);
      });
      for (int i = 0; i < 20; ++i) {
        c.send(counted());
        if (i % 3 == 0) co_await sleep_for(2us);
      }
    });
    REQUIRE(before + after == 20);
  }
  CHECK(counted::live == 0);
}

TEST_CASE("many waiting messages do not starve the others of the loop") {
  int received = 0, seen_at = 0;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> {
      for (; received < 1000; ++received) (void)co_await receive<int>();
    });
    for (int i = 0; i < 1000; ++i) c.send(i);
    n.start([&]() -> task<> {
      while (received == 0) co_await checkpoint();
      seen_at = received;
    });
    co_await c.wait();
  });
  CHECK(seen_at <= 2 * 64);
}

TEST_CASE("a shielded clean-up receives although its task is cancelled") {
  int got = 0;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> {
      auto body = []() -> task<> { co_await sleep_for(1h); };
      auto cleanup = [&]() -> task<> { got = co_await receive<int>(); };
      co_await finally(body, cleanup, 1s);
    });
    co_await sleep_for(1ms);
    c.cancel();
    co_await sleep_for(1ms);
    c.send(5);
    co_await c.wait();
  });
  CHECK(got == 5);
}

TEST_CASE("messages cross loops in order, on a virtual clock") {
  std::vector<int> got;
  run_clean({.loops = 2}, [&](nursery& n) -> task<> {
    auto c = n.start(child_spec("far", [&]() -> task<> {
                       for (int i = 0; i < 100; ++i) got.push_back(co_await receive<int>());
                     }).on(placement::any_loop));
    for (int i = 0; i < 100; ++i) c.send(i);
    co_await c.wait();
  });
  REQUIRE(got.size() == 100);
  CHECK(std::is_sorted(got.begin(), got.end()));
}

TEST_CASE("X6: foreign threads and two loops: each message is received once or counted") {
  constexpr int senders = 3, each = 5000;
  std::atomic<int> queued{0}, shed{0}, late{0};
  int received = 0;
  bool in_order = true;
  const auto r = run(quiet(2), [&](nursery& n) -> task<> {
    auto c = n.start(child_spec("far", [&]() -> task<> {
                       int last[senders] = {-1, -1, -1};
                       for (;;) {
                         auto [who, i] = co_await receive<std::pair<int, int>>();
                         in_order &= last[who] < i;
                         last[who] = i;
                         ++received;
                       }
                     }).on(placement::any_loop));
    auto send = [&, c](int who) {
      for (int i = 0; i < each; ++i) switch (c.send(std::pair(who, i))) {
        case send_result::queued: ++queued; break;
        case send_result::shed: ++shed; break;
        case send_result::undelivered: ++late; break;
        case send_result::unhandled: break; // is told later only
        }
    };
    std::thread a(send, 0), b(send, 1);
    for (int i = 0; i < 10; ++i) co_await checkpoint();
    send(2);
    a.join();
    c.cancel();
    b.join();
    co_await c.wait();
    CHECK(c.send(std::pair(0, 0)) == send_result::undelivered);
    CHECK(c.statistics().handled == unsigned(received));
    CHECK(queued - received <= int(c.statistics().undelivered));
  });
  INFO(r.ledger().to_text());
  CHECK(r.how() == run_result::kind::completed);
  CHECK(in_order);
  CHECK(queued + shed + late == senders * each);
  CHECK(r.ledger().balances());
  CHECK(r.ledger().shed == std::uint64_t(shed));
}

TEST_CASE("a handle that outlives its system sends to nobody") {
  child kept;
  run_clean([&](nursery& n) -> task<> {
    kept = n.start([]() -> task<> { co_return; });
    co_return;
  });
  CHECK(kept.send(counted()) == send_result::undelivered);
  CHECK(counted::live == 0);
}
