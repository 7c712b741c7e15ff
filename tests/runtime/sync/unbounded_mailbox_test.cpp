// unbounded_mailbox: put never waits, get_all takes all.
#include "runtime/sync/unbounded_mailbox.hpp"

#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {
using texts = std::vector<std::string>;
const std::string a = "a text that does not fit in place", b = "another such text", c = "third";
} // namespace

TEST_CASE("T13: a mailbox gives all that was put into it, in order") {
  run_clean([](nursery&) -> task<> {
    unbounded_mailbox<std::string> m;
    m.put(a);
    m.put(b);
    CHECK(m.statistics().buffered == 2);
    const texts both{a, b};
    CHECK(co_await m.get_all() == both);
    std::vector<texts> got;
    auto take = [&]() -> task<> { got.push_back(co_await m.get_all()); };
    auto body = [&](nursery& n) -> task<> {
      n.start(take);
      n.start(take);
      co_await sleep_for(1ms);
      CHECK(m.statistics().waiting == 2);
      m.put(a);
      m.put(b);
      m.put(c); // nobody waits for it
      co_await sleep_for(1ms);
    };
    co_await with_nursery(body);
    CHECK(got == std::vector<texts>{{a}, {b}});
    CHECK(m.statistics().buffered == 1);
    CHECK(m.statistics().peak == 2);
    CHECK(m.statistics().put == 5);
  });
}

TEST_CASE("T13: a cancelled get_all takes nothing; one that was served before keeps it") {
  run_clean([](nursery&) -> task<> {
    unbounded_mailbox<std::string> m;
    m.put(a);
    auto cancelled = [&](cancel_scope& s) -> task<> {
      s.cancel();
      co_await m.get_all();
    };
    CHECK(!co_await move_on_after(no_limit, cancelled));
    CHECK(m.statistics().buffered == 1);
    const texts first{a};
    CHECK(co_await m.get_all() == first);
    texts got;
    auto take = [&]() -> task<> { got = co_await m.get_all(); };
    CHECK(!co_await move_on_after(1s, take));
    auto body = [&](nursery& n) -> task<> {
      auto late = n.start(take);
      co_await sleep_for(1ms);
      m.put(b);
      late.cancel();
      co_await late.wait();
      CHECK(got == texts{b});
      auto early = n.start(take);
      co_await sleep_for(1ms);
      early.cancel();
      m.put(c);
      co_await early.wait();
    };
    co_await with_nursery(body);
    CHECK(got == texts{b});
    CHECK(m.statistics().buffered == 1);
    CHECK(m.statistics().waiting == 0);
  });
}
