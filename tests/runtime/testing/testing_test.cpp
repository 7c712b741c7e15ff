// The test kit: the seeded order, virtual time, and what a test waits and looks with.
#include "runtime/interop/caf.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/runtime/clean_run.hpp"

#include <caf/all.hpp>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <list>
#include <set>

using namespace creche;
using namespace creche::testing;

namespace {

/// Three tasks that say their letter five times, and let the others run each time.
std::string letters(std::uint64_t seed, unsigned loops = 1) {
  std::string trace;
  run_clean({.loops = loops, .seed = seed}, [&](nursery& n) -> task<> {
    auto say = [&trace](char c) -> task<> {
      for (int i = 0; i < 5; ++i) {
        trace += c;
        co_await sleep_for(0s);
      }
    };
    for (char c : {'a', 'b', 'c'})
      n.start(child_spec("letters", say, c).on(loops > 1 ? placement::any_loop : placement::here));
    co_return;
  });
  return trace;
}

} // namespace

// ---- seeded order

TEST_CASE("S16: without a seed turns are first come, first served") {
  CHECK(letters(0) == "abcabcabcabcabc");
}

TEST_CASE("S16: a seed decides the order of turns, and repeats it") {
  for (unsigned loops : {1u, 3u}) {
    std::set<std::string> orders;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
      const auto order = letters(seed, loops);
      CHECK(order == letters(seed, loops));
      CHECK(std::count(order.begin(), order.end(), 'b') == 5);
      orders.insert(order);
    }
    CHECK(orders.size() >= 20);
  }
}

TEST_CASE("S16: whatever the seed, what waits in one mailbox stays in order") {
  using number = caf::atom_constant<caf::atom("number")>;
  struct listener : caf::event_based_actor {
    std::vector<int>& got;
    listener(caf::actor_config& cfg, std::vector<int>* to) : event_based_actor(cfg), got(*to) {}
    caf::behavior make_behavior() override {
      return {[this](number, int i) {
        got.push_back(i);
        if (got.size() == 40) quit();
      }};
    }
  };
  for (std::uint64_t seed = 0; seed <= 20; ++seed) {
    std::vector<int> got, plain_got;
    run_clean({.seed = seed}, [&](nursery& n) -> task<> {
      auto at_home = spawn_at_home<listener>(n, "listener", &got);
      auto plain = at_home->home_system().spawn<listener>(&plain_got); // on CAF's own scheduler
      for (int i = 0; i < 40; ++i) {
        caf::anon_send(at_home, number::value, i);
        caf::anon_send(plain, number::value, i);
        if (i % 4 == 0) co_await sleep_for(0s);
      }
    });
    REQUIRE(got.size() == 40);
    REQUIRE(plain_got.size() == 40);
    CHECK(std::is_sorted(got.begin(), got.end()));
    CHECK(std::is_sorted(plain_got.begin(), plain_got.end()));
  }
}

TEST_CASE("S16: some seed finds an order that breaks a careless program") {
  std::set<int> totals;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    int total = 0;
    run_clean({.seed = seed}, [&](nursery& n) -> task<> {
      for (int i = 0; i < 2; ++i)
        n.start([&]() -> task<> { // reads, lets others run, writes
          co_await sleep_for(1s);
          const int seen = total;
          co_await sleep_for(0s);
          total = seen + 1;
        });
      co_return;
    });
    totals.insert(total);
  }
  CHECK(totals == std::set{1, 2});
}

// ---- virtual time

CRECHE_TEST("S16, T33: a day of steps of one second costs a second or two") {
  const auto used = std::clock(); // of the processor: others may be at work, too
  const auto start = now();
  for (int i = 0; i < 86'400; ++i) co_await sleep_for(1s);
  CHECK((now() - start == 24h));
#ifdef NDEBUG // neither -O0 nor a sanitizer is a measure
  CHECK(double(std::clock() - used) / CLOCKS_PER_SEC < 2); // 0.4 alone, 0.9 beside others
#else
  CHECK(double(std::clock() - used) / CLOCKS_PER_SEC < 5);
#endif
}

// ---- wait_all_blocked

CRECHE_TEST("S16: wait_all_blocked goes on when all others are blocked, before the clock jumps") {
  std::string trace;
  auto busy = [&]() -> task<> {
    for (int i = 0; i < 300; ++i) co_await sleep_for(0s);
    trace += "busy ";
    co_await sleep_for(1s);
    trace += "late ";
  };
  n.start(busy);
  const auto start = now();
  co_await wait_all_blocked();
  trace += "blocked ";
  CHECK((now() == start));
  co_await sleep_for(2s);
  CHECK(trace == "busy blocked late ");
}

CRECHE_TEST("S16: all that wait for everybody to be blocked go on", .loops = 2) {
  int went_on = 0;
  auto waiter = [&]() -> task<> {
    co_await wait_all_blocked();
    ++went_on;
  };
  for (int i = 0; i < 4; ++i) n.start(child_spec("waiter", waiter).on(placement::any_loop));
  const auto start = now();
  co_await wait_all_blocked();
  co_await wait_all_blocked();
  CHECK(went_on == 4);
  CHECK((now() == start));
}

CRECHE_TEST("S16, T2: wait_all_blocked is a checkpoint, and can be cancelled while it waits") {
  auto op = [] { return wait_all_blocked(); };
  co_await require_checkpoint(op);
  auto c = n.start([]() -> task<> { co_await wait_all_blocked(); });
  co_await checkpoint();
  c.cancel();
  const auto end = co_await expect_end(c);
  CHECK(end.kind != how::failed);
}

TEST_CASE("S16: a run that never comes to rest is ended, if that is asked for, and says so") {
  const auto run = [](int checkpoints) {
    return run_virtual({.seed = 7, .most_rounds = 1000}, [=](nursery&) -> task<> {
      for (int i = 0; i < 10; ++i) { // of each time there may be so many
        for (int k = 0; k < checkpoints / 10; ++k) co_await checkpoint();
        co_await sleep_for(1ns);
      }
      while (!checkpoints) co_await checkpoint();
    });
  };
  CHECK(run(9'000).deadlock == "");
  const auto r = run(0);
  CHECK(r.deadlock.starts_with("it never comes to rest:\n"));
  CHECK(r.leaked == 0);
  // time that does not move on counts as well
  const auto still = run_virtual({.seed = 7, .most_rounds = 1000}, [](nursery&) -> task<> {
    for (;;) co_await sleep_for(0s);
  });
  CHECK(still.deadlock.starts_with("it never comes to rest:\n"));
}

TEST_CASE("S16: outside a virtual run wait_all_blocked is refused") {
  const auto r = run(quiet(1), [](nursery&) -> task<> { co_await wait_all_blocked(); });
  REQUIRE(r.failures());
  CHECK(r.failures()->find<std::logic_error>());
}

// ---- sequencer

CRECHE_TEST("S16: a sequencer puts steps of several tasks in one order") {
  std::string trace;
  sequencer seq;
  auto steps = [&](std::uint32_t first) -> task<> {
    for (auto i = first; i < 9; i += 3) {
      auto turn = co_await seq.at(i);
      co_await sleep_for(0s);
      trace += char('0' + i);
    }
  };
  auto body = [&](nursery& inner) -> task<> {
    for (std::uint32_t i : {2u, 0u, 1u}) inner.start(steps, i);
    co_return;
  };
  co_await with_nursery(body);
  CHECK(trace == "012345678");
}

CRECHE_TEST("S16, T2: a sequencer's turn is a checkpoint, also when it is free") {
  std::list<sequencer> each; // what is cancelled breaks its sequence
  auto free = [&] { return each.emplace_back().at(0); };
  auto turn = co_await require_checkpoint(free);
  CHECK(each.size() == 2);
  auto late = [&] { return each.front().at(1); };
  const auto error = co_await error_of(late);
  CHECK(error == "sequencer: broken: the task that waited for turn 0 was cancelled");
}

CRECHE_TEST("S16: a number of a sequencer is used once") {
  sequencer seq;
  auto first = [&]() -> task<> { auto turn = co_await seq.at(0); };
  co_await first();
  const auto error = co_await error_of(first);
  CHECK(error == "sequencer: turn 0 is used twice");
  auto turn = co_await seq.at(1); // and the sequence goes on
}

CRECHE_TEST("S16: cancelling who waits for a turn breaks the sequence for all others") {
  sequencer seq;
  std::vector<std::string> errors;
  auto await_turn = [&](std::uint32_t i) -> task<> {
    auto take = [&]() -> task<> { auto turn = co_await seq.at(i); };
    errors.push_back(co_await error_of(take));
  };
  auto held = co_await seq.at(0);
  auto second = n.start(await_turn, 2u);
  n.start(await_turn, 3u);
  n.start(await_turn, 1u);
  co_await wait_all_blocked();
  second.cancel();
  co_await wait_all_blocked();
  const std::string broken = "sequencer: broken: the task that waited for turn 2 was cancelled";
  CHECK(errors == std::vector{broken, broken});
  held.drop();
  co_await await_turn(4);
  CHECK(errors.back() == broken);
}

CRECHE_TEST("S16: a cancelled task that had its turn drops it, and the next comes") {
  sequencer seq;
  auto holder = n.start([&]() -> task<> {
    auto turn = co_await seq.at(0);
    co_await sleep_for(no_limit);
  });
  co_await wait_all_blocked();
  holder.cancel();
  auto turn = co_await seq.at(1);
}

// ---- probe, expect_end, crash

CRECHE_TEST("S16: a probe waits for what others put in") {
  probe<std::string> p;
  n.start([&]() -> task<> {
    co_await sleep_for(3s);
    p.put("late");
    p.put("later");
  });
  co_await p.expect_none(1s);
  const auto first = co_await p.next();
  const auto second = co_await p.next();
  CHECK(first == "late");
  CHECK(second == "later");
  auto none = [&]() -> task<> { (void)co_await p.next(1min); };
  const auto start = now();
  auto error = co_await error_of(none);
  CHECK(error.find("probe: nothing came in time") != error.npos);
  CHECK((now() - start == 1min));
  p.put("unexpected");
  auto silence = [&] { return p.expect_none(1s); };
  error = co_await error_of(silence);
  CHECK(error.find("not expected") != error.npos);
}

CRECHE_TEST("S16: expect_end tells how a child ended, or that it did not") {
  auto sleeper = n.start(child_spec("sleeper", []() -> task<> { co_await sleep_for(1h); }));
  auto wait = [&]() -> task<> { (void)co_await expect_end(sleeper, 59min); };
  const auto error = co_await error_of(wait);
  CHECK(error.find("expect_end: sleeper has not ended in time") != error.npos);
  const auto end = co_await expect_end(sleeper, 2min);
  CHECK(end.kind == how::completed);
}

CRECHE_TEST("S16: an injected crash kills a child wherever it is, and its nursery restarts it") {
  int launched = 0, ended = 0;
  auto body = [&]() -> task<> {
    struct on_end {
      int& count;
      ~on_end() { ++count; }
    } guard{ended};
    ++launched;
    co_await sleep_for(no_limit);
  };
  auto worker = n.start(child_spec("worker", body).restart(restart::transient));
  co_await wait_all_blocked();
  CHECK(crash(worker));
  co_await wait_all_blocked();
  CHECK(ended == 1);
  CHECK(!crash(worker)); // it waits for its restart
  co_await sleep_for(1s);
  CHECK(launched == 2);
  CHECK(worker.restarts() == 1);
  worker.cancel();
  const auto end = co_await expect_end(worker);
  CHECK(end.kind == how::cancelled);
  CHECK(!crash(worker));

  auto once = n.start(child_spec("once", body).ignore_failure());
  co_await wait_all_blocked();
  crash(once);
  const auto crashed = co_await expect_end(once);
  CHECK(crashed.kind == how::killed);
  REQUIRE(crashed.why);
  CHECK(crashed.why->code() == errc::killed);
}

TEST_CASE("bad input: run_virtual refuses options that make no sense, with a sentence") {
  const auto refusal = [](virtual_options o) {
    std::string said;
    try {
      (void)run_virtual(o, [](nursery&) -> task<> { co_return; });
    } catch (const std::invalid_argument& e) {
      said = e.what();
    }
    return said;
  };
  CHECK(refusal({.loops = 0}) == "run_virtual: it needs a loop");
  CHECK(refusal({.loops = 2000}) == "run_virtual: more than 1024 loops");
  CHECK(refusal({.name = "a/b"}).find("run_virtual: the name must not") == 0);
  CHECK(refusal({.budget = {3, 0s}}) == "run_virtual: budget.within must be more than nothing");
  CHECK(refusal({.most_time = 0s}) ==
        "run_virtual: most_time and most_jumps must be more than nothing");
  CHECK(refusal({}) == "");
}

TEST_CASE("T33: a stuck run with a heartbeat is ended, and shows its tree") {
  const auto stuck = [](nursery& n) -> task<> {
    n.start(child_spec("heartbeat", []() -> task<> {
      for (;;) co_await sleep_for(10s);
    }));
    co_await sleep_for(no_limit);
  };
  const auto by_time = run_virtual({.most_time = 1h}, stuck);
  CHECK(by_time.deadlock.find("it goes on after 1 h of virtual time:\ntest  nursery") == 0);
  CHECK(by_time.deadlock.find("heartbeat  task  running (sleep)") != std::string::npos);
  CHECK(by_time.leaked == 0);
  const auto by_jumps = run_virtual({.most_jumps = 1000}, stuck);
  CHECK(by_jumps.deadlock.find("it goes on after 1000 jumps of the clock:\n") == 0);
  CHECK(by_jumps.elapsed < 4h);
  CHECK(by_jumps.leaked == 0);
}
