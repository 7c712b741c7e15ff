// What becomes of a child: monitors, reasons, receipts, handles for others, task locals.
#include "runtime/supervision/when.hpp"
#include "runtime/task/task_local.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

#include <thread>

using namespace creche;
using namespace creche::testing;

namespace {

task<> sleep_long() { co_await sleep_for(1h); }
task<> sleep_a_second() { co_await sleep_for(1s); }
task<> fail_after_1s() {
  co_await sleep_for(1s);
  throw std::runtime_error("child");
}

const task_local<int> level(0);
const task_local<std::string> trace_id;

} // namespace

CRECHE_TEST("T18: monitor gives the outcome, and is the one thing that counts as catching") {
  auto c = n.start(fail_after_1s);
  const auto end = co_await n.monitor(c);
  CHECK(end.kind == how::failed);
  REQUIRE(end.why);
  CHECK(end.why->what() == "child");
  CHECK(std::string(end.why->where().file_name()).find("monitor_test.cpp") != std::string::npos);
  CHECK(end.why->where().line() >= 16); // g++ 12: the function, else the await
  CHECK(end.why->where().line() <= 18);
  CHECK(n.statistics().ignored == 1);
  CHECK((co_await n.monitor(c)).kind == how::failed); // also afterwards
  auto quiet = n.start([]() -> task<> { co_return; });
  CHECK((co_await n.monitor(quiet)).kind == how::completed);
}

TEST_CASE("T18: wait and result do not count as catching; nor does a monitor that gave up") {
  for (const bool gives_up : {false, true}) {
    const auto r = run_and_see([gives_up](nursery& n) -> task<> {
      auto c = n.start(fail_after_1s);
      auto watch = [&]() -> task<> { co_await n.monitor(c); };
      if (gives_up) CHECK(!co_await move_on_after(500ms, watch));
      co_await c.wait();
    });
    REQUIRE(r.run.failures());
    CHECK(r.run.failures()->find<std::runtime_error>());
  }
}

CRECHE_TEST("T18: as many may monitor one child as there are tasks, and its failure is theirs") {
  constexpr int all = 65'536;
  int seen = 0;
  auto body = [&](nursery& m) -> task<> {
    auto c = m.start(fail_after_1s);
    auto observers = [&](nursery& o) -> task<> {
      for (int i = 0; i < all; ++i)
        o.start(
            [&m, &seen, c]() -> task<> { seen += (co_await m.monitor(c)).kind == how::failed; });
      co_return;
    };
    co_await with_nursery(observers);
  };
  co_await with_nursery(body);
  CHECK(seen == all);
}

CRECHE_TEST("T18: monitor refuses a child of another nursery") {
  child c;
  CHECK_THROWS_AS(co_await n.monitor(c), std::invalid_argument);
  auto body = [&](nursery& m) -> task<> {
    c = m.start(sleep_long);
    CHECK_THROWS_AS(co_await n.monitor(c), std::invalid_argument);
    m.cancel();
  };
  co_await with_nursery(body);
}

CRECHE_TEST("X4: a cancelled child answers with one receipt, and its result tells why") {
  auto c = n.start(sleep_long);
  CHECK(co_await c.cancel_and_wait("no longer needed") == receipt::cancelled);
  CHECK(co_await c.cancel_and_wait() == receipt::already_done);
  REQUIRE(c.result()->why);
  CHECK(c.result()->why->what() == "no longer needed");
  CHECK((c.result()->why->code() == errc::cancelled));

  auto completes = n.start([]() -> task<> {
    auto nap = []() -> task<> { co_await sleep_for(1s); };
    co_await shielded(1h, nap);
  });
  co_await checkpoint();
  CHECK(co_await completes.cancel_and_wait() == receipt::completed_first);
  CHECK(!completes.result()->why);
}

CRECHE_TEST("X4: no child at all is one that has ended already") {
  const child nobody;
  CHECK(co_await nobody.cancel_and_wait("whoever it is") == receipt::already_done);
}

CRECHE_TEST("T19: the first reason wins, and later ones are its causes; a nursery's goes to all") {
  auto c = n.start([]() -> task<> {
    auto nap = []() -> task<> { co_await sleep_for(1s); };
    co_await shielded(1h, nap);
    co_await checkpoint();
  });
  co_await checkpoint();
  c.cancel("first");
  c.cancel();
  c.cancel("second");
  co_await c.wait();
  REQUIRE(c.result()->why);
  CHECK(c.result()->why->what() == "first");
  CHECK(c.result()->why->causes().size() == 1);
  child d;
  auto body = [&](nursery& m) -> task<> {
    d = m.start(sleep_long);
    co_await checkpoint();
    m.cancel("all of it");
  };
  co_await with_nursery(body);
  CHECK(d.result()->why->what() == "all of it");
}

namespace {

std::string why(const child& ended) {
  const auto end = ended.result();
  if (!end || end->kind != how::cancelled) return "not cancelled";
  return end->why ? end->why->to_text() : "no reason";
}

} // namespace

CRECHE_TEST("T7: who goes because what it needs has ended hears which that was, and why") {
  child failed_too, cancelled_too, waited;
  auto body = [&](nursery& m) -> task<> {
    auto store = m.start(child_spec("store", sleep_long));
    m.start(child_spec("cache", fail_after_1s).ignore_failure());
    failed_too = m.start(child_spec("reader", sleep_long).after("cache"));
    cancelled_too = m.start(child_spec("writer", sleep_long).after("store"));
    waited = m.start(child_spec("late", [](ready<void>) -> task<> { co_await sleep_long(); }));
    co_await failed_too.wait();
    store.cancel("moved");
    co_await cancelled_too.wait();
    waited.cancel();
  };
  co_await with_nursery(body);
  CHECK(why(failed_too).find("cache, which it needs, failed") != std::string::npos);
  CHECK(why(failed_too).find(": child") != std::string::npos); // its cause
  CHECK(why(cancelled_too).find("store, which it needs, was cancelled") != std::string::npos);
  CHECK(why(cancelled_too).find(": moved") != std::string::npos);
  CHECK(why(waited) == "no reason");
}

CRECHE_TEST("T7: who is stopped because a significant sibling has ended hears of that") {
  child sibling;
  auto body = [&](nursery& m) -> task<> {
    auto nap = []() -> task<> { co_await sleep_for(1s); };
    m.start(child_spec("main", nap).significant());
    sibling = m.start(child_spec("sibling", sleep_long));
    co_return;
  };
  co_await with_nursery(body);
  CHECK(why(sibling).find("main, which is significant, completed") != std::string::npos);
}

CRECHE_TEST("T7: a child in a loser of when_any hears that another branch came first") {
  child loser;
  auto waits = [](child& started) -> task<> {
    auto body = [&](nursery& m) -> task<> {
      started = m.start(sleep_long);
      co_return;
    };
    co_await with_nursery(body);
  };
  co_await when_any(waits(loser), sleep_a_second());
  CHECK(why(loser).find("another branch completed first") != std::string::npos);
}

CRECHE_TEST("T8: a handle starts, cancels and stops, and a closed nursery says so") {
  nursery::handle h;
  CHECK(h.ended());
  CHECK_THROWS_AS(h.start(sleep_long), std::invalid_argument);
  int ran = 0;
  auto body = [&](nursery& m) -> task<> {
    h = m.remote();
    auto c = h.start([&ran]() -> task<> {
      ++ran;
      co_return;
    });
    co_await c.wait();
    CHECK(ran == 1);
    auto d = h.start(child_spec("named", sleep_long));
    CHECK(d.name() == "named");
    co_await checkpoint();
    h.cancel("from a handle");
    co_await d.wait();
  };
  co_await with_nursery(body);
  CHECK(h.ended());
  auto late = h.start(sleep_long);
  CHECK(late.ended());
  CHECK(late.result()->kind == how::cancelled);
  CHECK(late.result()->why->what() == "nursery closed");
  h.cancel();
  h.stop();
}

TEST_CASE("T8: threads and other loops start children by handle, and none is lost") {
  constexpr int each = 500;
  std::atomic<int> ran{0};
  nursery::handle outlives;
  const auto r = run(quiet(2), [&](nursery& n) -> task<> {
    auto h = outlives = n.remote();
    auto from_loop = [&, h]() -> task<> {
      for (int i = 0; i < each; ++i) {
        auto c = h.start([&ran]() -> task<> {
          ++ran;
          co_return;
        });
        co_await c.wait();
        CHECK(c.result()->kind == how::completed);
      }
    };
    n.start(child_spec("other", from_loop).on(placement::any_loop));
    std::thread t([&, h] {
      for (int i = 0; i < each; ++i)
        h.start([&ran]() -> task<> {
          ++ran;
          co_return;
        });
    });
    t.join();
    co_return;
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(ran == 2 * each);
  auto c = outlives.start(sleep_long); // the whole system is gone
  CHECK(c.ended());
  CHECK(c.result()->kind == how::cancelled);
}

TEST_CASE("T8: a thread that never stops starting children keeps no loop from timers and cancels") {
  std::atomic<bool> stop{false};
  std::thread starts;
  child refused;
  const auto r = run(quiet(1), [&](nursery&) -> task<> {
    auto body = [&](nursery& m) -> task<> {
      auto h = m.remote();
      starts = std::thread([&stop, h] {
        while (!stop) h.start([]() -> task<> { co_await sleep_for(1ms); });
      });
      for (int i = 0; i < 20; ++i) co_await sleep_for(1ms);
      m.cancel("enough");
      refused = h.start(sleep_long);
    };
    co_await with_nursery(body);
    CHECK(refused.ended());
    stop = true;
  });
  starts.join();
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("T8: a cancel that comes before the start it is for is not lost") {
  std::atomic<int> ran{0};
  std::vector<child> started;
  const auto r = run(quiet(1), [&](nursery& n) -> task<> {
    auto h = n.remote();
    std::thread t([&, h] {
      for (int i = 0; i < 100; ++i) {
        auto late = [&ran]() -> task<> {
          co_await sleep_for(1h);
          ++ran;
        };
        started.push_back(h.start(late));
        started.back().cancel("not wanted");
      }
    });
    t.join(); // meanwhile this loop does nothing, so the cancels overtake
    co_return;
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(ran == 0);
  for (auto& c : started) {
    REQUIRE(c.result());
    REQUIRE(c.result()->why);
    CHECK(c.result()->why->what() == "not wanted");
  }
}

TEST_CASE("T8: starts by handle race with the nursery's end; each has exactly one outcome") {
  for (int round = 0; round < 50; ++round) {
    std::vector<child> started;
    nursery::handle h;
    std::atomic<bool> ready{false};
    std::thread t([&] {
      while (!ready) std::this_thread::yield();
      for (int i = 0; i < 200; ++i)
        started.push_back(h.start([]() -> task<> { co_await checkpoint(); }));
    });
    run(quiet(1), [&](nursery& n) -> task<> {
      h = n.remote();
      ready = true;
      for (int i = 0; i < 50 + 20 * round; ++i) co_await checkpoint();
    });
    t.join();
    for (auto& c : started) {
      REQUIRE(c.ended());
      REQUIRE(c.result());
    }
  }
}

CRECHE_TEST("T28: a task's locals are inherited by what it starts, and end with their body") {
  CHECK(level.get() == 0);
  auto body = [&]() -> task<> {
    CHECK(level.get() == 1);
    CHECK(trace_id.get() == "");
    auto inner = [&]() -> task<> {
      CHECK(level.get() == 2);
      auto c = n.start([]() -> task<> {
        CHECK(level.get() == 2);
        co_await sleep_for(1s);
        CHECK(level.get() == 2);
        auto own = []() -> task<> {
          CHECK(level.get() == 3);
          CHECK(trace_id.get() == "request 7, which is a text that lies on the heap");
          co_return;
        };
        auto traced = [&]() -> task<> { co_await level.with(3, own); };
        co_await trace_id.with("request 7, which is a text that lies on the heap", traced);
        CHECK(level.get() == 2);
      });
      co_await checkpoint();
      CHECK(level.get() == 2);
    };
    co_await level.with(2, inner);
    CHECK(level.get() == 1);
    auto stopped = [&]() -> task<> { co_await level.with(9, sleep_long); };
    CHECK(!co_await move_on_after(1s, stopped));
    CHECK(level.get() == 1);
  };
  co_await level.with(1, body);
  CHECK(level.get() == 0);
}

CRECHE_TEST("T28: a restarted child has the locals of its start again", .loops = 2) {
  int runs = 0;
  auto body = [&]() -> task<> {
    auto flaky = [&runs]() -> task<> {
      CHECK(level.get() == 5);
      if (++runs == 3) co_return;
      auto fails = []() -> task<> {
        co_await checkpoint();
        throw std::runtime_error("again");
      };
      co_await level.with(6, fails);
    };
    auto c =
        n.start(child_spec("flaky", flaky).restart(restart::transient).on(placement::any_loop));
    co_await c.wait();
  };
  co_await level.with(5, body);
  CHECK(runs == 3);
}

CRECHE_TEST("T28: two task_locals at one address are two") {
  struct outer_value {
    task_local<std::string> inner{std::string("a text of the inner one, which is long enough")};
    outer_value() = default;
    outer_value(outer_value&&) noexcept {}
  };
  static const task_local<outer_value> outer;
  const auto& inner = outer.get().inner;
  auto body = [&]() -> task<> {
    CHECK(inner.get() == "a text of the inner one, which is long enough");
    co_return;
  };
  co_await outer.with(outer_value(), body);
}
