// event: set once, waited for by any number.
#include "runtime/sync/event.hpp"

#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

TEST_CASE("T12: an event lets all go on in the order they came, and then everybody at once") {
  run_clean([](nursery&) -> task<> {
    event e;
    std::string order;
    auto wait = [&](char c) -> task<> {
      co_await e.wait();
      order += c;
    };
    auto body = [&](nursery& n) -> task<> {
      for (char c : {'a', 'b', 'c'}) n.start(wait, c);
      co_await sleep_for(1ms);
      CHECK(!e.is_set());
      CHECK(e.statistics().waiting == 3);
      e.set();
      e.set();
      CHECK(order == "");
      CHECK(e.is_set());
      CHECK(e.statistics().waiting == 0);
      CHECK(e.statistics().set);
      co_await e.wait();
    };
    co_await with_nursery(body);
    CHECK(order == "abc");
  });
}

TEST_CASE("T2: event::wait is a checkpoint, set or not") {
  run_clean([](nursery&) -> task<> {
    event e;
    auto wait = [&](cancel_scope& s) -> task<> {
      s.cancel();
      co_await e.wait();
    };
    CHECK(!co_await move_on_after(no_limit, wait));
    e.set();
    CHECK(!co_await move_on_after(no_limit, wait));
    auto in_time = [&]() -> task<> { co_await e.wait(); };
    CHECK(co_await move_on_after(1s, in_time));
  });
}

TEST_CASE("T12: a wait for an event ends at its deadline, and leaves nothing behind") {
  const auto took = run_clean([](nursery&) -> task<> {
    event e;
    auto wait = [&]() -> task<> { co_await e.wait(); };
    CHECK(!co_await move_on_after(1s, wait));
    CHECK(e.statistics().waiting == 0);
    e.set();
  });
  CHECK(took == 1s);
}

TEST_CASE("T12: an event that was set before the cancel lets its waiter go on") {
  run_clean([](nursery&) -> task<> {
    event e;
    bool reached = false;
    auto wait = [&]() -> task<> {
      co_await e.wait();
      reached = true;
    };
    auto body = [&](nursery& n) -> task<> {
      auto c = n.start(wait);
      co_await sleep_for(1ms);
      e.set();
      c.cancel();
    };
    co_await with_nursery(body);
    CHECK(reached);
  });
}
