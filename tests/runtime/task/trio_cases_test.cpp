// What Trio's own tests demand of nurseries, as its test_run.py has it: who hears of which failure,
// and what a nursery's end means. Rows without a case here: tests/README.md.
#include "runtime/supervision/nursery.hpp"
#include "runtime/task/finally.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/runtime/clean_run.hpp"

#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

task<> sleep_long() { co_await sleep_for(1000h); }
task<> fail_now(const char* what) {
  throw std::runtime_error(what);
  co_return;
}
task<> fail_later(clock_duration d, const char* what) {
  co_await sleep_for(d);
  throw std::runtime_error(what);
}

/// What the failures of with_nursery(body) say, in their order; nothing if it completed.
template <class F> task<std::vector<std::string>> texts_of(F& body) {
  std::vector<std::string> texts;
  try {
    co_await with_nursery(body);
  } catch (const failure_group& g) {
    for (auto& f : g.failures()) texts.emplace_back(f.what());
  }
  co_return texts;
}
using texts = std::vector<std::string>;

bool holds(const texts& all, const char* one) {
  for (auto& t : all)
    if (t == one) return true;
  return false;
}

/// Starts itself again and again by a handle, as a callback that posts itself would.
struct reposts {
  static task<> run(nursery::handle h, int* turns, const bool* over) {
    ++*turns;
    if (!*over) h.start(&run, h, turns, over);
    co_return;
  }
};

} // namespace

CRECHE_TEST("T.nursery_main_block_error_basic: the body's error leaves as a group of exactly it") {
  struct own final : std::runtime_error {
    own() : runtime_error("mine") {}
  };
  auto body = [](nursery&) -> task<> {
    throw own();
    co_return;
  };
  bool seen = false;
  try {
    co_await with_nursery(body);
  } catch (const failure_group& g) {
    seen = true;
    REQUIRE(g.failures().size() == 1);
    CHECK(g.failures()[0].causes().empty());
    CHECK(g.find<own>() != nullptr);
  }
  CHECK(seen);
}

CRECHE_TEST("T.child_crash_basic: a child's error comes out of the nursery, in its parent") {
  auto body = [](nursery& m) -> task<> {
    m.start(fail_now, "child");
    co_return;
  };
  const auto said = co_await texts_of(body);
  CHECK(said == texts{"child"});
}

CRECHE_TEST(
    "T.task_crash_propagation: siblings are cancelled and clean up, then the error leaves") {
  std::string trace;
  auto body = [&](nursery& m) -> task<> {
    m.start([&trace]() -> task<> {
      mark d(trace, 'd');
      auto wait = []() -> task<> { co_await sleep_long(); };
      auto clean = [&trace]() -> task<> {
        co_await sleep_for(1s);
        trace += 'c';
      };
      co_await finally(wait, clean);
      trace += '!';
    });
    m.start(fail_later, 1s, "crash");
    co_return;
  };
  const auto said = co_await texts_of(body);
  trace += 'e';
  CHECK(said == texts{"crash"});
  CHECK(trace == "cde");
}

CRECHE_TEST("T.main_and_task_both_crash: both errors are reported") {
  auto body = [](nursery& m) -> task<> {
    m.start(fail_now, "child");
    throw std::runtime_error("body");
    co_return;
  };
  const auto said = co_await texts_of(body);
  CHECK(said.size() == 2);
  CHECK(holds(said, "body"));
  CHECK(holds(said, "child"));
}

CRECHE_TEST("T.two_child_crashes: neither failure is lost") {
  auto body = [](nursery& m) -> task<> {
    m.start(fail_now, "one");
    m.start(fail_now, "two");
    co_return;
  };
  const auto said = co_await texts_of(body);
  CHECK(said.size() == 2);
  CHECK(holds(said, "one"));
  CHECK(holds(said, "two"));
}

CRECHE_TEST("T.child_crash_wakes_parent: a crash wakes a body that waits for something else") {
  const auto start = now();
  auto body = [](nursery& m) -> task<> {
    m.start(fail_later, 1s, "child");
    co_await sleep_long();
    FAIL("the body went on");
  };
  const auto said = co_await texts_of(body);
  CHECK(said == texts{"child"});
  CHECK(now() == later(start, 1s));
}

TEST_CASE("T.basic_interleave: children have their turns fairly, none twice before another once") {
  std::string trace;
  run_clean([&](nursery& n) -> task<> {
    for (char c : {'a', 'b', 'c'})
      n.start([&trace, c]() -> task<> {
        for (int i = 0; i < 10; ++i) {
          trace += c;
          co_await sleep_for(0s);
        }
      });
    co_return;
  });
  REQUIRE(trace.size() == 30);
  for (std::size_t i = 0; i < 30; ++i) CHECK(trace[i] == "abc"[i % 3]);
}

CRECHE_TEST("T.cancel_inheritance: a cancel reaches all nested nurseries' children, at once") {
  struct nest {
    static task<> in(int depth, int& live, int& cancelled) {
      struct count {
        int &live, &gone;
        count(int& l, int& g) : live(l), gone(g) { ++live; }
        ~count() { ++gone; }
      } c{live, cancelled};
      auto body = [&](nursery& m) -> task<> {
        for (int i = 0; depth > 0 && i < 3; ++i)
          m.start([&, depth]() -> task<> { co_await in(depth - 1, live, cancelled); });
        co_await sleep_long();
      };
      co_await with_nursery(body);
    }
  };
  int live = 0, cancelled = 0;
  const auto start = now();
  auto tree = [&]() -> task<> { co_await nest::in(4, live, cancelled); };
  const bool done = co_await move_on_after(1s, tree);
  CHECK(!done);
  CHECK(live == 1 + 3 + 9 + 27 + 81);
  CHECK(cancelled == live);
  CHECK(now() == later(start, 1s));
}

CRECHE_TEST("T.nursery_closure: a closing nursery takes children while one lives, and none after") {
  nursery::handle h;
  std::string trace;
  auto body = [&](nursery& m) -> task<> {
    h = m.remote();
    m.start([&]() -> task<> {
      co_await sleep_for(1s); // the body has ended
      m.start([&]() -> task<> {
        co_await sleep_for(1s);
        h.start([&trace]() -> task<> {
          trace += "by handle";
          co_return;
        });
        trace += "late, ";
      });
    });
    co_return;
  };
  co_await with_nursery(body);
  CHECK(trace == "late, by handle");
  auto never = h.start(sleep_long);
  CHECK(never.ended());
  CHECK(never.result()->kind == how::cancelled);
}

CRECHE_TEST("T.nursery_start: the value comes at ready, and the child belongs to that nursery") {
  const auto start = now();
  auto body = [&](nursery& m) -> task<> {
    auto server = [](ready<int> up) -> task<> {
      co_await sleep_for(1s);
      up(80);
      co_await sleep_for(1s);
    };
    child_spec spec("server", server);
    auto [port, c] = co_await m.start_ready<int>(spec);
    CHECK(port == 80);
    CHECK(!c.ended());
    CHECK(now() == later(start, 1s));
  };
  co_await with_nursery(body); // waits for it
  CHECK(now() == later(start, 2s));
}

CRECHE_TEST("T.nursery_start: a crash before ready comes out of the start, the nursery lives on") {
  auto body = [](nursery& m) -> task<> {
    auto server = [](ready<void>) -> task<> { co_await fail_later(1s, "no port"); };
    child_spec spec("server", server);
    std::string said;
    try {
      co_await m.start_ready<void>(spec);
    } catch (const std::exception& e) {
      said = e.what();
    }
    CHECK(said == "no port");
    CHECK(m.live() == 0);
    auto lives = m.start([]() -> task<> { co_await sleep_for(1s); });
    co_await lives.wait();
    CHECK(lives.result()->kind == how::completed);
  };
  co_await with_nursery(body);
}

CRECHE_TEST(
    "T.locals_destroyed_promptly_on_cancel: nothing of a cancelled child outlives its end") {
  auto body = [](nursery& m) -> task<> {
    m.start(
        [c = counted()](counted&) -> task<> {
          counted local;
          auto deeper = [](counted) -> task<> { co_await sleep_long(); };
          co_await deeper(local);
        },
        counted());
    co_await sleep_for(1s);
    CHECK(counted::live >= 4);
    m.cancel();
  };
  co_await with_nursery(body);
  CHECK(counted::live == 0);
}

CRECHE_TEST("T.nursery_collapse: a group of one stays a group, at every level") {
  auto innermost = [](nursery& m) -> task<> {
    m.start(fail_now, "deep");
    co_return;
  };
  auto middle = [&](nursery&) -> task<> { co_await with_nursery(innermost); };
  auto outer = [&](nursery& m) -> task<> {
    m.start([&]() -> task<> { co_await with_nursery(middle); });
    co_return;
  };
  bool seen = false;
  try {
    co_await with_nursery(outer);
  } catch (const failure_group& g) {
    seen = true;
    std::span<const failure> level = g.failures();
    for (int depth = 0; depth < 2; ++depth) {
      REQUIRE(level.size() == 1);
      level = level[0].causes();
    }
    REQUIRE(level.size() == 1);
    CHECK(level[0].what() == "deep");
    CHECK(level[0].causes().empty());
  }
  CHECK(seen);
}

TEST_CASE(
    "T.run_sync_soon_FIFO, T.run_sync_soon_massive_queue: 1 000 starts by a thread's handle") {
  std::vector<int> order;
  run_clean([&](nursery& n) -> task<> {
    std::thread([&order, h = n.remote()] {
      for (int i = 0; i < 1000; ++i)
        h.start([&order, i]() -> task<> {
          order.push_back(i);
          co_return;
        });
    }).join();
    co_await sleep_for(1s); // a nursery that ends before it looks takes nobody in
  });
  REQUIRE(order.size() == 1000);
  for (int i = 0; i < 1000; ++i) REQUIRE(order[std::size_t(i)] == i);
}

CRECHE_TEST("T.run_sync_soon_starvation_resistance: who starts himself for ever starves nobody") {
  int turns = 0, own = 0;
  bool over = false;
  auto body = [&](nursery& m) -> task<> {
    m.remote().start(&reposts::run, m.remote(), &turns, &over);
    for (; own < 20; ++own) co_await sleep_for(0s);
    over = true;
  };
  co_await with_nursery(body);
  CHECK(own == 20);
  CHECK(turns >= 1);
  CHECK(turns < 10'000);
}

CRECHE_TEST(
    "T.run_sync_soon_crashes: what was handed in after a crash still runs, then it is told") {
  int ran = 0;
  auto body = [&](nursery& m) -> task<> {
    auto h = m.remote();
    h.start(fail_now, "handed in");
    for (int i = 0; i < 10; ++i)
      h.start([&ran]() -> task<> {
        ++ran;
        co_return;
      });
    co_await sleep_long();
  };
  const auto said = co_await texts_of(body);
  CHECK(said == texts{"handed in"});
  CHECK(ran == 10);
}
