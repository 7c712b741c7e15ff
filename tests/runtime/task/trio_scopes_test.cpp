// What Trio's own tests demand of scopes and checkpoints. More rows: scope_handle_test.cpp.
#include "runtime/loop/internal/loop.hpp"
#include "runtime/supervision/nursery.hpp"
#include "runtime/sync/channel.hpp"
#include "runtime/sync/event.hpp"
#include "runtime/sync/unbounded_mailbox.hpp"
#include "runtime/task/finally.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

task<> sleep_long() { co_await sleep_for(1000h); }

/// Whether `op()` completes in a cancelled scope.
template <class F> task<bool> completes_cancelled(F& op) {
  auto body = [&op](cancel_scope& s) -> task<> {
    s.cancel();
    (void)co_await op();
  };
  const bool done = co_await move_on_after(no_limit, body);
  co_return done;
}

} // namespace

CRECHE_TEST("T.cancel_points: whoever may block looks for the cancel first, and has no effect") {
  event set;
  set.set();
  channel<int> full(1), room(1);
  full.try_send(1);
  unbounded_mailbox<int> mail;
  mail.put(1);
  auto ended = n.start([]() -> task<> { co_return; });
  co_await ended.wait();

  auto sleep = [] { return sleep_for(0s); };
  auto past = [] { return sleep_until(now() - 1s); };
  auto check = [] { return checkpoint(); };
  auto wait_set = [&] { return set.wait(); };
  auto receive = [&] { return full.receive(); };
  auto send = [&] { return room.send(7); };
  auto get_all = [&] { return mail.get_all(); };
  auto wait_child = [&] { return ended.wait(); };
  auto cancel_child = [&] { return ended.cancel_and_wait(); };
  auto monitor = [&] { return n.monitor(ended); };
  auto nursery_end = [] { return with_nursery([](nursery&) -> task<> { co_return; }); };
  auto blocked = [] { return wait_all_blocked(); };
  auto none = [&](auto&... op) -> task<bool> {
    bool any = false;
    ((any |= co_await completes_cancelled(op)), ...);
    co_return !any;
  };
  const bool stopped = co_await none(sleep, past, check, wait_set, receive, send, get_all,
                                     wait_child, cancel_child, monitor, nursery_end, blocked);
  CHECK(stopped);
  CHECK(full.statistics().buffered == 1);
  CHECK(room.statistics().buffered == 0);
  CHECK(mail.statistics().buffered == 1);

  auto under_shield = [&]() -> task<> {
    auto body = []() -> task<> {
      co_await checkpoint();
      co_await sleep_for(1s);
    };
    co_await shielded(1h, body);
  };
  const bool done = co_await completes_cancelled(under_shield);
  CHECK(done);
}

CRECHE_TEST("T.cancel_edge_cases: twice is once, and every later checkpoint is stopped again") {
  int stops = 0, after = 0;
  auto outer = [&](cancel_scope& s) -> task<> {
    s.cancel();
    s.cancel();
    for (int i = 0; i < 3; ++i) {
      auto body = []() -> task<> { co_await checkpoint(); };
      auto count = [&]() -> task<> {
        ++stops;
        // level-triggered: the same cancel again
        auto again = []() -> task<> { co_await sleep_for(1s); };
        auto seen = [&]() -> task<> {
          ++stops;
          co_return;
        };
        co_await finally(again, seen).unshielded();
        ++after;
      };
      co_await finally(body, count).unshielded();
      ++after;
    }
  };
  const bool done = co_await move_on_after(1h, outer);
  CHECK(!done);
  CHECK(stops == 2);
  CHECK(after == 0);
  co_await checkpoint(); // outside nothing is left of it
}

CRECHE_TEST("T.basic_timeout: a deadline has no effect after its scope, and none is left behind") {
  const auto start = now();
  cancel_scope::handle late;
  auto quick = [&](cancel_scope& s) -> task<> {
    late = s.remote();
    co_await sleep_for(1s);
  };
  const bool done = co_await move_on_after(2s, quick);
  CHECK(done);
  CHECK(late.ended());
  late.cancel();
  co_await sleep_for(5s);
  CHECK(now() == later(start, 6s));
}

CRECHE_TEST("T.cancel_scope_nesting: of two that fire together the outer one catches") {
  std::string trace;
  auto inner = [&](cancel_scope& s) -> task<> {
    s.deadline_in(1s);
    co_await sleep_long();
  };
  auto outer = [&]() -> task<> {
    co_await move_on_after(1h, inner);
    trace += 'i';
    co_await checkpoint();
    trace += '!';
  };
  const bool done = co_await move_on_after(1s, outer);
  trace += 'o';
  CHECK(!done);
  CHECK(trace == "o");
}

CRECHE_TEST("T.cancel_scope_nesting: a cancel that is pending when its scope ends is dropped") {
  auto inner = [](cancel_scope& s) -> task<> {
    s.cancel();
    co_return; // no checkpoint in between
  };
  auto outer = [&]() -> task<> {
    const bool done = co_await move_on_after(1h, inner);
    CHECK(done);
    co_await checkpoint();
    co_await sleep_for(1s);
  };
  const bool done = co_await move_on_after(1h, outer);
  CHECK(done);
}

CRECHE_TEST("T.cancel_unbound.a: a scope whose time was up before it began stops at once") {
  bool entered = false, went_on = false;
  auto body = [&](cancel_scope& s) -> task<> {
    entered = true;
    CHECK(s.cancel_called());
    co_await checkpoint();
    went_on = true;
  };
  const bool zero = co_await move_on_after(0s, body);
  const bool past = co_await move_on_at(now() - 1h, body);
  CHECK(!zero);
  CHECK(!past);
  CHECK(entered);
  CHECK(!went_on);
}

CRECHE_TEST("T.cancel_unbound.b: what opens a scope may be awaited twice, and opens two") {
  int bodies = 0;
  auto body = [&](cancel_scope& s) -> task<> {
    CHECK(!s.cancel_called());
    ++bodies;
    s.cancel();
    co_await checkpoint();
  };
  auto opens = move_on_after(1s, body);
  const bool first = co_await opens;
  const bool second = co_await opens;
  CHECK(!first);
  CHECK(!second);
  CHECK(bodies == 2);
}

CRECHE_TEST("T.cancel_scope_deadline_duplicates: a deadline that is moved is one timer") {
  auto& timers = internal::loop::current()->timers();
  const auto before = timers.size();
  auto body = [&](cancel_scope& s) -> task<> {
    for (int i = 0; i < 5000; ++i) {
      s.deadline_in(1h + 1ms * (i % 3));
      CHECK(timers.size() == before + 1);
      if (i % 500 == 0) co_await sleep_for(0s);
    }
    s.deadline_in(no_limit);
    CHECK(timers.size() == before);
  };
  const bool done = co_await move_on_after(1h, body);
  CHECK(done);
}
