// What travels with work: locals and deadlines, over messages, between loops.
#include "runtime/task/context.hpp"

#include "runtime/messages/request.hpp"
#include "runtime/task/finally.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

const task_local<std::string> trace_id;

// Takes two seconds for an answer, and says what it saw.
task<> slow_service(std::string& seen) {
  for (;;) {
    auto q = co_await receive<asked<int, int>>();
    auto work = [&]() -> task<> {
      seen += trace_id.get() + ";";
      co_await sleep_for(2s);
    };
    try {
      co_await q.origin().run(work);
      q.answer(q.message() + 1);
    } catch (const too_slow&) {
      seen += "too slow;";
    }
    // whoever asked is out of time in this very instant: in any order, that is what it must see
    co_await sleep_for(1ms);
    CHECK(trace_id.get() == "");
  }
}

} // namespace

CRECHE_TEST("X15: a server outlives the short limits of those who ask it") {
  std::string seen;
  auto serve = [&]() -> task<> {
    for (;;) {
      auto q = co_await receive<asked<int, int>>();
      auto work = [&]() -> task<> {
        seen += trace_id.get() + ";";
        co_await sleep_for(q.message() * 1s);
        q.answer(q.message());
      };
      if (!co_await q.origin().run_while_wanted(work)) seen += "stopped;";
      co_await sleep_for(1ms); // whoever asked is out of time in this instant, too
    }
  };
  auto c = n.start(serve);
  auto twice = [&]() -> task<> {
    CHECK_THROWS_AS(co_await ask<int>(c, 10, 1s), request_failed);
    const int quick = co_await ask<int>(c, 2, 5s);
    CHECK(quick == 2);
  };
  co_await trace_id.with("mine", twice);
  CHECK(seen == "mine;stopped;mine;");
  c.cancel();
}

CRECHE_TEST("X15: a request takes locals and deadline along, to another loop", .loops = 2) {
  std::string seen;
  auto serve = [&seen] { return slow_service(seen); };
  auto c = n.start(child_spec("service", serve).on(placement::any_loop));
  auto in_time = [&]() -> task<> {
    const int r = co_await ask<int>(c, 1, 5s);
    CHECK(r == 2);
  };
  co_await trace_id.with("request 1", in_time);
  CHECK(seen == "request 1;");

  // the deadline of the request itself
  const auto start = now();
  CHECK_THROWS_AS(co_await ask<int>(c, 1, 1s), request_failed);
  CHECK(now() == later(start, 1s));
  co_await sleep_for(1ns);
  CHECK(seen == "request 1;;too slow;");

  // that of a scope around it: exactly the work it caused ends
  auto ask_it = [&]() -> task<> { co_await ask<int>(c, 1); };
  CHECK(!co_await move_on_after(1s, ask_it));
  co_await sleep_for(1ns);
  CHECK(seen == "request 1;;too slow;;too slow;");
  const int r = co_await ask<int>(c, 5);
  CHECK(r == 6);
  c.cancel();
}

CRECHE_TEST("X15: a carried message, and a context that is kept") {
  context kept;
  CHECK(kept.deadline() == time_point::max());
  std::string seen;
  auto worker = n.start([&seen]() -> task<> {
    auto x = co_await receive<carried<int>>();
    auto work = [&]() -> task<> {
      seen = trace_id.get() + " " + std::to_string(x.message());
      co_return;
    };
    co_await x.origin().run(work);
  });
  auto send = [&]() -> task<> {
    kept = context::here();
    CHECK(worker.send(carried(7)) == send_result::queued);
    co_return;
  };
  auto bound = [&]() -> task<> {
    co_await trace_id.with("a trace id that lies on the heap", send);
  };
  const auto limit = later(now(), 10s);
  CHECK(co_await move_on_at(limit, bound));
  co_await worker.wait();
  CHECK(seen == "a trace id that lies on the heap 7");

  CHECK(kept.deadline() == limit);
  auto look = []() -> task<std::string> { co_return trace_id.get(); };
  const auto inside = co_await kept.run(look);
  CHECK(inside == "a trace id that lies on the heap");
  CHECK(trace_id.get() == "");
  co_await sleep_for(20s);
  auto long_work = []() -> task<> { co_await checkpoint(); };
  CHECK_THROWS_AS(co_await kept.run(long_work), too_slow);
  CHECK(trace_id.get() == "");
}

TEST_CASE("T34: a clean-up that fails fails its own task; the others' clean-ups still run") {
  std::string trace;
  const auto r = run_and_see([&](nursery& n) -> task<> {
    for (int i = 0; i < 3; ++i)
      n.start([&trace, i]() -> task<> {
        auto body = []() -> task<> { co_await sleep_for(1h); };
        auto cleanup = [&]() -> task<> {
          co_await checkpoint();
          trace += char('a' + i);
          if (i == 1) throw std::runtime_error("clean-up");
        };
        co_await finally(body, cleanup);
      });
    co_await sleep_for(1s);
    n.cancel();
  });
  CHECK(trace.size() == 3);
  REQUIRE(r.run.failures());
  CHECK(r.run.failures()->failures().size() == 1);
}

TEST_CASE("pain 18: scopes and nurseries that were made and never used cost and break nothing") {
  run_clean([](nursery&) -> task<> {
    auto nothing_to_do = []() -> task<> { co_return; };
    auto unused_scope = move_on_after(1h, nothing_to_do);
    auto in_nursery = [](nursery&) -> task<> { co_return; };
    auto unused_nursery = with_nursery(in_nursery);
    (void)unused_scope;
    (void)unused_nursery;
    for (int i = 0; i < 1000; ++i) co_await with_nursery(in_nursery);
    auto cancels_first = [](nursery& m) -> task<> {
      m.cancel();
      m.cancel();
      m.stop();
      co_return;
    };
    co_await with_nursery(cancels_first);
  });
}
