// Children that do what they should not: nothing is lost, and the rest of the tree lives on.
#include "runtime/supervision/nursery.hpp"
#include "runtime/task/finally.hpp"
#include "runtime/task/scope.hpp"
#include "tests/runtime/clean_run.hpp"

#include <new>
#include <string>
#include <utility>

using namespace creche;
using namespace creche::testing;

namespace {

/// A sibling that must not be touched by any of this: it counts seconds.
task<> tick(int& seconds) {
  for (;;) {
    co_await sleep_for(1s);
    ++seconds;
  }
}

} // namespace

TEST_CASE("bad input: a child whose function throws, instead of giving a task, is restarted") {
  int seconds = 0, lives = 0;
  run_clean([&](nursery& n) -> task<> {
    auto sleeper = []() -> task<> { co_await sleep_for(1000h); };
    auto f = [&]() -> task<> { // no coroutine
      if (++lives < 3) throw std::runtime_error("no task today");
      return sleeper();
    };
    n.start(tick, std::ref(seconds));
    auto c = n.start(child_spec("w", [&f]() -> task<> { return f(); })
                         .restart(restart::permanent)
                         .backoff({.first = 1s, .most = 1s, .jitter = 0}));
    co_await sleep_for(10500ms);
    CHECK(lives == 3);
    CHECK(c.restarts() == 2);
    CHECK(seconds == 10);
    n.cancel();
  });
}

TEST_CASE("bad input: std::bad_alloc in a child is a failure like any other") {
  int seconds = 0, lives = 0;
  run_clean([&](nursery& n) -> task<> {
    n.start(tick, std::ref(seconds));
    auto f = [&]() -> task<> {
      if (++lives == 1) throw std::bad_alloc();
      co_await sleep_for(1000h);
    };
    auto c = n.start(child_spec("w", f).restart(restart::transient).backoff(no_backoff));
    co_await sleep_for(3500ms);
    CHECK(c.restarts() == 1);
    CHECK(seconds == 3);
    n.cancel();
  });
}

TEST_CASE("bad input: who fails in its stop is told with its nursery's failures, and holds up "
          "nobody") {
  std::string said;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto body = [](nursery& n) -> task<> {
      auto polite = []() -> task<> { co_await sleep_for(1000h); };
      n.start(polite);
      auto f = []() -> task<> {
        auto live = []() -> task<> { co_await sleep_for(1000h); };
        auto cleanup = []() -> task<> {
          co_await sleep_for(1s);
          throw std::runtime_error("could not write the last page");
        };
        co_await finally(live, cleanup, 5s);
      };
      n.start(child_spec("disk", f));
      n.start(polite);
      co_await sleep_for(1s);
      n.stop();
    };
    auto all = [&]() -> task<> { co_await with_nursery({.name = "n"}, body); };
    said = co_await error_of(all);
  });
  CHECK(took == 2s);
  CHECK(said.find("n/disk") != std::string::npos);
  CHECK(said.find("could not write the last page") != std::string::npos);
}

TEST_CASE(
    "bad input: a child that starts a sibling while all stop is refused, and has not failed") {
  int refused = 0;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto f = [&]() -> task<> {
        auto live = []() -> task<> { co_await sleep_for(1000h); };
        auto cleanup = [&]() -> task<> {
          auto nothing = []() -> task<> { co_return; };
          try {
            n.start(nothing);
          } catch (const nursery_closed&) {
            ++refused;
            throw;
          }
          co_return;
        };
        co_await finally(live, cleanup, 1s);
      };
      n.start(f);
      co_await sleep_for(1s);
      n.stop();
    };
    co_await with_nursery(body);
  });
  CHECK(refused == 1);
}

TEST_CASE(
    "bad input, pain 2: a storm of 10^4 failures in a second: at the budget, and one past it") {
  for (const unsigned most : {9999u, 10'000u}) {
    int lives = 0, seconds = 0;
    const auto r = run_and_see([&](nursery& root) -> task<> {
      root.start(tick, std::ref(seconds));
      auto storm = [&]() -> task<> {
        auto body = [&](nursery& n) -> task<> {
          auto f = [&]() -> task<> {
            if (++lives > 10'000) co_await sleep_for(1000h);
            co_await sleep_for(99us);
            throw std::runtime_error("again");
          };
          n.start(child_spec("w", f).restart(restart::permanent).backoff(no_backoff));
          co_await sleep_for(10s);
          n.cancel();
        };
        co_await with_nursery({.name = "storm", .budget = {most, 1s}}, body);
      };
      auto c = root.start(child_spec("storm", storm).ignore_failure());
      co_await c.wait();
      CHECK(c.result()->kind == (most == 10'000 ? how::completed : how::failed));
      if (most == 10'000) {
        CHECK(lives == 10'001);
      } else {
        CHECK(lives == 10'000);
        CHECK(c.result()->why->to_text().find("restart budget exhausted: 9999 in 1 s") !=
              std::string::npos);
      }
      co_await sleep_for(12s);
      root.cancel();
    });
    CHECK(seconds >= 12); // the rest of the tree lives
    CHECK(!r.run.failures());
  }
}

TEST_CASE("bad input: a child that never gets ready, in a restart of its group, is replaced") {
  int lives = 0;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto slow = [&](ready<void> is_ready) -> task<> {
        if (++lives != 2) is_ready();
        co_await sleep_for(1000h);
      };
      auto fails_once = [&, first = true]() mutable -> task<> {
        if (std::exchange(first, false)) {
          co_await sleep_for(1s);
          throw std::runtime_error("once");
        }
        co_await sleep_for(1000h);
      };
      auto c = n.start(child_spec("slow", slow)
                           .restart(restart::permanent)
                           .backoff(no_backoff)
                           .ready_within(3s));
      n.start(child_spec("once", fails_once).restart(restart::permanent).backoff(no_backoff));
      co_await sleep_for(10s);
      CHECK(lives == 3); // the second was late
      CHECK(!c.ended());
      n.cancel();
    };
    co_await with_nursery({.name = "n", .strategy = strategy::one_for_all}, body);
  });
}

TEST_CASE("bad input: who starts a child when it is destroyed, while many are forgotten") {
  for (const bool all : {false, true}) {
    int started = 0;
    run_clean([&](nursery&) -> task<> {
      auto body = [&](nursery& n) -> task<> {
        struct late {
          nursery* n;
          int* started;
          explicit late(nursery& m, int& s) : n(&m), started(&s) {}
          late(late&& o) noexcept : n(std::exchange(o.n, nullptr)), started(o.started) {}
          ~late() {
            if (!n) return;
            n->start([]() -> task<> { co_return; });
            ++*started;
          }
        };
        auto slow = [](ready<void>) -> task<> { co_await sleep_for(1000h); };
        auto needy = [](late&) -> task<> { co_await sleep_for(1000h); };
        auto db = n.start(child_spec("db", slow));
        for (int i = 0; i < 3; ++i) n.start(child_spec("", needy, late(n, started)).after("db"));
        co_await sleep_for(1s);
        if (all)
          n.cancel();
        else
          db.cancel();
        co_await sleep_for(1s);
      };
      co_await with_nursery(body);
    });
    CHECK(started == 3);
  }
}

TEST_CASE("bad input: a null function pointer, and a mailbox without any room") {
  run_clean([](nursery& n) -> task<> {
    task<> (*none)() = nullptr;
    auto rests = []() -> task<> { co_return; };
    CHECK_THROWS_WITH(static_cast<void>(child_spec("w", none)),
                      "a child's function is a null pointer");
    CHECK_THROWS_WITH(n.start(none), "a child's function is a null pointer");
    CHECK_THROWS_WITH(n.start(child_spec("w", rests).mailbox_limit(0)),
                      "w: mailbox_limit(0): it could never receive a message");
    co_return;
  });
}
