// task<T>, its three ways out of an await, and the awaits of this_task.
#include "tests/runtime/clean_run.hpp"

#include <cstdint>
#include <memory>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

task<int> value(int x) { co_return x; }
task<std::string> echo(counted c, std::string s) {
  co_await checkpoint();
  co_return c.text + s;
}
task<int> thrower(const char* what) {
  throw std::runtime_error(what);
  co_return 0;
}
task<int> nested(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await nested(depth - 1);
}
task<> nested_thrower(int depth) {
  if (depth == 0) throw std::runtime_error("deep");
  co_await nested_thrower(depth - 1);
}
task<> nested_sleeper(int depth, int& destroyed, int& order) {
  struct last {
    int depth;
    int &destroyed, &order;
    ~last() { order += destroyed++ == depth; } // the innermost, of depth 0, is the first
  } l{depth, destroyed, order};
  if (depth == 0)
    co_await sleep_for(1h);
  else
    co_await nested_sleeper(depth - 1, destroyed, order);
}

} // namespace

TEST_CASE("an await delivers a value, and an exception that was thrown below") {
  run_clean([](nursery&) -> task<> {
    CHECK(co_await value(7) == 7);
    CHECK(co_await value(1) + co_await value(2) == 3);
    try {
      co_await thrower("boom");
      CHECK(false);
    } catch (const std::runtime_error& e) {
      CHECK(std::string(e.what()) == "boom");
    }
    CHECK(co_await value(8) == 8);
  });
}

TEST_CASE("a value may be move-only, and arguments live as long as their frame") {
  run_clean([](nursery&) -> task<> {
    auto boxed = [](int x) -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(x); };
    CHECK(*co_await boxed(3) == 3);
    auto s = co_await echo(counted("a long argument that lives on the heap"), std::string(50, 'y'));
    CHECK(s == "a long argument that lives on the heap" + std::string(50, 'y'));
  });
  CHECK(counted::live == 0);
}

TEST_CASE("T5: a task that nobody awaited makes the one that dropped it fail") {
  const auto r = run_and_see([](nursery&) -> task<> {
    auto t = echo(counted(), "never awaited");
    co_await checkpoint();
  });
  CHECK(counted::live == 0);
  REQUIRE(r.run.failures());
  CHECK((r.run.failures()->failures()[0].code() == errc::never_awaited));

  // not if an exception or a stop took it along
  run_clean([](nursery&) -> task<> {
    auto throws = []() -> task<> {
      auto t = echo(counted(), "not awaited yet");
      throw std::runtime_error("x");
      co_await std::move(t);
    };
    CHECK_THROWS_AS(co_await throws(), std::runtime_error);
    auto stopped = []() -> task<> {
      auto t = echo(counted(), "not awaited yet");
      co_await sleep_for(1h);
      co_await std::move(t);
    };
    CHECK(!co_await move_on_after(1s, stopped));
  });
  CHECK(counted::live == 0);

  // and on a thread without a task it is printed and counted
  const auto before = unreceived_failures();
  {
    auto t = echo(counted(), "outside");
  }
  CHECK(unreceived_failures() == before + 1);
}

TEST_CASE("a task is lazy, and awaiting it twice is an error") {
  run_clean([](nursery&) -> task<> {
    bool ran = false;
    auto f = [&]() -> task<> {
      ran = true;
      co_return;
    };
    auto t = f();
    CHECK(bool(t));
    co_await checkpoint();
    CHECK(!ran);
    co_await std::move(t);
    CHECK(ran);
    CHECK(!t);
    try {
      co_await std::move(t);
      CHECK(false);
    } catch (const std::system_error& e) {
      CHECK(e.code() == errc::empty_task);
    }
  });
}

TEST_CASE("a body, a scope and a child that return an empty task fail with a clear error") {
  const auto r = run_and_see([](nursery& n) -> task<> {
    auto empty = [] {
      auto t = value(1);
      auto taken = std::move(t);
      return t;
    };
    try {
      co_await move_on_after(1s, empty);
      CHECK(false);
    } catch (const std::system_error& e) {
      CHECK(e.code() == errc::empty_task);
    }
    n.start([]() -> task<> {
      auto x = std::make_shared<int>(1);
      auto t = [](std::shared_ptr<int>) -> task<> { co_return; }(x);
      auto taken = std::move(t);
      return t;
    });
    co_await sleep_for(1s);
    CHECK(false);
  });
  REQUIRE(r.run.failures());
  CHECK(r.run.failures()->failures()[0].code() == errc::empty_task);
}

TEST_CASE("10^6 awaits in a row, and 10^6 nested frames that complete, grow no stack") {
  run_clean([](nursery&) -> task<> {
    std::int64_t sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await value(1);
    CHECK(sum == 1'000'000);
    CHECK(co_await nested(1'000'000) == 1'000'000);
  });
}

TEST_CASE("an exception passes 10^6 nested frames") {
  run_clean([](nursery&) -> task<> {
    try {
      co_await nested_thrower(1'000'000);
      CHECK(false);
    } catch (const std::runtime_error& e) {
      CHECK(std::string(e.what()) == "deep");
    }
  });
}

TEST_CASE("a stop destroys 10^6 nested frames, the innermost first") {
  constexpr int depth = 1'000'000;
  int destroyed = 0, in_order = 0;
  run_clean([&](nursery&) -> task<> {
    auto body = [&] { return nested_sleeper(depth, destroyed, in_order); };
    CHECK(!co_await move_on_after(1s, body));
  });
  CHECK(destroyed == depth + 1);
  CHECK(in_order == depth + 1);
}

TEST_CASE("a stop runs destructors innermost first, enters no handler and resumes nobody") {
  std::string trace;
  bool caught = false;
  run_clean([&](nursery&) -> task<> {
    auto inner = [&]() -> task<> {
      mark m(trace, 'i');
      counted c;
      try {
        co_await sleep_for(1h);
      } catch (...) {
        caught = true;
      }
      trace += '!';
    };
    auto outer = [&]() -> task<> {
      mark m(trace, '2'), k(trace, '1');
      auto held = inner();
      co_await std::move(held);
      trace += '!';
    };
    CHECK(!co_await move_on_after(3ms, outer));
    trace += 'e';
  });
  CHECK(trace == "i12e");
  CHECK(!caught);
  CHECK(counted::live == 0);
}

TEST_CASE("cancellation is level-triggered: every checkpoint of a cancelled scope stops") {
  int tried = 0;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](cancel_scope& s) -> task<> {
      s.cancel();
      auto inner = [&]() -> task<> {
        ++tried;
        co_await checkpoint();
      };
      struct again { // a new wait in the frames that are left is refused as well
        int& n;
        ~again() { ++n; }
      } a{tried};
      co_await inner();
      CHECK(false);
    };
    CHECK(!co_await move_on_after(1h, body));
    CHECK(!co_await move_on_after(0s, []() -> task<> { co_await sleep_for(0s); }));
    CHECK(!co_await move_on_after(0s, []() -> task<> { co_await sleep_until(time_point::max()); }));
    CHECK(!co_await move_on_after(0s, []() -> task<> { co_await checkpoint(); }));
  });
  CHECK(tried == 2);
}

TEST_CASE(
    "a wait that refuses to be aborted is left alone, delivers its value, and then a stop comes") {
  std::string trace;
  stubborn op;
  run_clean([&](nursery& n) -> task<> {
    n.start([&]() -> task<> {
      co_await sleep_for(1h);
      trace += 'f';
      op.finish(42);
    });
    auto body = [&]() -> task<> {
      mark m(trace, 'd');
      const int x = co_await op;
      CHECK(x == 42);
      trace += 'v';
      co_await checkpoint();
      CHECK(false);
    };
    CHECK(!co_await move_on_after(1s, body));
  });
  CHECK(trace == "fvd");
  CHECK(op.asked >= 1);
}

TEST_CASE("a refusing wait holds the nursery open, however often it is cancelled") {
  stubborn op;
  bool ended = false;
  const auto took = run_clean([&](nursery& n) -> task<> {
    n.start([&]() -> task<> {
      co_await sleep_for(10s);
      op.finish(1);
    });
    auto with_child = [&](nursery& m) -> task<> {
      m.start([&]() -> task<> {
        co_await op;
        co_await checkpoint();
      });
      co_await sleep_for(1s);
      for (int i = 0; i < 5; ++i) m.cancel();
      co_await sleep_for(1s);
      CHECK(false);
    };
    co_await with_nursery(with_child);
    ended = true;
    CHECK(!op.waiter);
  });
  CHECK(ended);
  CHECK(took == 10s);
}

TEST_CASE("T2 no task completes more than 64 awaits in a row while another can run") {
  int row = 0, longest = 0, turns_of_other = 0;
  run_clean([&](nursery& n) -> task<> {
    n.start([&]() -> task<> {
      for (int i = 0; i < 10'000; ++i) {
        longest = std::max(longest, ++row);
        co_await checkpoint();
      }
      n.cancel();
    });
    n.start([&]() -> task<> {
      for (;;) {
        row = 0;
        ++turns_of_other;
        co_await checkpoint();
      }
    });
    co_await sleep_for(1h);
  });
  CHECK(longest <= 65);
  CHECK(turns_of_other > 9'000);
}

TEST_CASE("sleeps end in the order of their times, and never early") {
  std::vector<int> order;
  const auto took = run_clean([&](nursery& n) -> task<> {
    for (int ms : {30, 10, 20, 0, -5})
      n.start([&order, ms]() -> task<> {
        co_await sleep_for(std::chrono::milliseconds(ms));
        order.push_back(ms);
      });
    co_await sleep_for(24h);
  });
  CHECK(order == std::vector{0, -5, 10, 20, 30});
  CHECK(took == 24h);
}

TEST_CASE("a sleep without end waits for cancellation, and durations do not overflow") {
  const auto took = run_clean([](nursery&) -> task<> {
    CHECK(!co_await move_on_after(1s, []() -> task<> { co_await sleep_for(no_limit); }));
    CHECK(!co_await move_on_after(1s, []() -> task<> { co_await sleep_until(time_point::max()); }));
    co_await sleep_until(time_point::min());
    co_await sleep_for(clock_duration::min());
  });
  CHECK(took == 2s);
}
