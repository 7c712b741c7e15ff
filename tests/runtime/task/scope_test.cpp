// move_on_after: where a stop lands, and when.
#include "tests/runtime/clean_run.hpp"

#include <type_traits>

using namespace creche;
using namespace creche::testing;

TEST_CASE("a scope gives its body's value, or nothing when its time was up") {
  const auto took = run_clean([](nursery&) -> task<> {
    auto quick = []() -> task<int> { co_return 5; };
    auto r = co_await move_on_after(1s, quick);
    CHECK(r == 5);
    auto slow = []() -> task<int> {
      co_await sleep_for(2s);
      co_return 5;
    };
    CHECK(co_await move_on_after(1s, slow) == std::nullopt);
    CHECK(co_await move_on_after(3s, slow) == 5);
    CHECK(co_await move_on_after(1s, []() -> task<> { co_return; }));
  });
  CHECK(took == 3s);
}

TEST_CASE("a scope passes its body's exception on, also one that no coroutine threw") {
  run_clean([](nursery&) -> task<> {
    int caught = 0;
    auto fails = []() -> task<int> {
      co_await sleep_for(1ms);
      throw std::runtime_error("body");
    };
    auto no_coroutine = []() -> task<> { throw std::logic_error("factory"); };
    try {
      co_await move_on_after(1s, fails);
    } catch (const std::runtime_error&) {
      ++caught;
    }
    try {
      co_await move_on_after(0s, no_coroutine);
    } catch (const std::logic_error&) {
      ++caught;
    }
    CHECK(caught == 2);
    co_await sleep_for(2s); // the scopes' deadlines are forgotten, and do not stop us
  });
}

TEST_CASE("zero and negative limits stop at the first checkpoint, a huge one never") {
  const auto took = run_clean([](nursery&) -> task<> {
    for (auto limit : {clock_duration(0), clock_duration(-1), clock_duration::min()}) {
      int reached = 0;
      auto body = [&]() -> task<> {
        ++reached;
        co_await checkpoint();
        ++reached;
      };
      CHECK(!co_await move_on_after(limit, body));
      CHECK(reached == 1);
      auto no_checkpoint = [&]() -> task<int> { co_return 1; };
      CHECK(co_await move_on_after(limit, no_checkpoint) == 1);
    }
    auto body = []() -> task<> { co_await sleep_for(24h * 365); };
    CHECK(co_await move_on_after(no_limit, body));
    CHECK(co_await move_on_after(no_limit - 1ns, body));
  });
  CHECK(took == 2 * 24h * 365);
}

TEST_CASE("of two scopes that are cancelled together the outer one catches") {
  run_clean([](nursery&) -> task<> {
    bool between = false;
    auto outer = [&](cancel_scope& o) -> task<> {
      auto inner = [&](cancel_scope& i) -> task<> {
        i.cancel();
        o.cancel();
        co_await checkpoint();
      };
      co_await move_on_after(1h, inner);
      between = true;
    };
    CHECK(!co_await move_on_after(1h, outer));
    CHECK(!between);

    auto same_time = [&]() -> task<> {
      co_await move_on_after(1s, []() -> task<> { co_await sleep_for(1h); });
      between = true;
    };
    CHECK(!co_await move_on_after(1s, same_time));
    CHECK(!between);
  });
}

TEST_CASE("an inner scope that is cancelled alone lets the outer one go on") {
  run_clean([](nursery&) -> task<> {
    auto outer = []() -> task<int> {
      CHECK(!co_await move_on_after(1s, []() -> task<> { co_await sleep_for(1h); }));
      co_await sleep_for(1s);
      co_return 3;
    };
    CHECK(co_await move_on_after(1h, outer) == 3);
  });
}

TEST_CASE("cancel is idempotent, is not a checkpoint, and is seen at the next one") {
  run_clean([](nursery&) -> task<> {
    int steps = 0;
    auto body = [&](cancel_scope& s) -> task<> {
      CHECK(!s.cancel_called());
      for (int i = 0; i < 3; ++i) s.cancel();
      CHECK(s.cancel_called());
      ++steps;
      co_await checkpoint();
      ++steps;
    };
    CHECK(!co_await move_on_after(1h, body));
    CHECK(steps == 1);

    auto ends = [&](cancel_scope& s) -> task<int> {
      s.cancel();
      co_return 9;
    };
    CHECK(co_await move_on_after(1h, ends) == 9);
    co_await checkpoint(); // nothing of it is left
  });
}

TEST_CASE("a task of the same loop may cancel another one's scope") {
  const auto took = run_clean([](nursery& n) -> task<> {
    auto body = [&](cancel_scope& s) -> task<> {
      n.start([&s]() -> task<> {
        co_await sleep_for(2s);
        s.cancel();
      });
      co_await sleep_for(1h);
    };
    CHECK(!co_await move_on_after(3h, body));
  });
  CHECK(took == 2s);
}

TEST_CASE("a stop that comes from further out passes through all scopes") {
  std::string trace;
  run_clean([&](nursery& n) -> task<> {
    auto victim = n.start([&]() -> task<> {
      mark a(trace, 'a');
      auto outer = [&]() -> task<> {
        mark b(trace, 'b');
        auto inner = [&]() -> task<> {
          mark c(trace, 'c');
          co_await sleep_for(1h);
        };
        co_await move_on_after(2h, inner);
        trace += '!';
      };
      co_await move_on_after(2h, outer);
      trace += '!';
    });
    co_await sleep_for(1s);
    victim.cancel();
    co_await victim.wait();
    REQUIRE(victim.result());
    CHECK(victim.result()->kind == how::cancelled);
  });
  CHECK(trace == "cba");
}

TEST_CASE("10^5 scopes in a row leave no timer behind") {
  const auto took = run_clean([](nursery&) -> task<> {
    for (int i = 0; i < 100'000; ++i) co_await move_on_after(1h, []() -> task<> { co_return; });
  });
  CHECK(took == 0s);
}

TEST_CASE("T7: of a deadline and what ends in the same moment the deadline is first") {
  run_clean([](nursery&) -> task<> {
    auto sleep = []() -> task<> { co_await sleep_for(1s); };
    CHECK(!co_await move_on_after(1s, sleep));
    auto last = [&]() -> task<> { co_await move_on_after(1s, sleep); };
    CHECK(!co_await move_on_after(1s, last));
    auto deaf = [&](cancel_scope& s) -> task<> {
      s.shield(true);
      co_await sleep_for(1s);
    };
    auto hidden = [&]() -> task<> { CHECK(co_await move_on_after(2s, deaf)); };
    CHECK(co_await move_on_after(1s, hidden)); // it had no checkpoint that the deadline may end
    std::string order;
    auto body = [&](nursery& n) -> task<> {
      n.start([&]() -> task<> { // runs first, at the deadline of the other
        co_await sleep_for(1s);
        order += 's';
      });
      n.start([&]() -> task<> { order += co_await move_on_after(1s, sleep) ? 'd' : 'c'; });
      co_return;
    };
    co_await with_nursery(body);
    CHECK(order == "sc");
  });
}
