// Children that restart together: one_for_all, rest_for_one, and significant children. Told as
// scenarios, compared with OTP's rules for every nursery of up to four children, and by chance.
#include "tests/runtime/nursery_script.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

constexpr budget plenty{1000, 1s};
constexpr child_rules brief{.restart = restart::temporary, .ignore_failure = true};
constexpr child_rules now_again{.restart = restart::permanent, .backoff = {.first = 0s}};
constexpr child_rules until_done{.restart = restart::transient, .backoff = {.first = 0s}};

script of_all(budget b = plenty) { return {quick_body, {b, strategy::one_for_all}}; }
script of_rest(budget b = plenty) { return {quick_body, {b, strategy::rest_for_one}}; }

} // namespace

TEST_CASE("O.one_for_all: all siblings are stopped, newest first, then all are launched in order") {
  auto s = of_all();
  for (int i = 0; i < 3; ++i) s.add(now_again);
  CHECK(s.ended(1, how::failed) ==
        "report 1 failed restarting, wait 1, stop 2, wait_until 2 +5000ms");
  CHECK(s.ended(2, how::cancelled) == "forget_timer 2, wait 2, stop 0, wait_until 0 +5000ms");
  CHECK(s.ended(0, how::cancelled) == "forget_timer 0, wait 0, launch 0, launch 1, launch 2");
  CHECK(s.n.counts().restarted == 3);
  CHECK(s.restarts(1) == 1);
}

TEST_CASE("O.rest_for_one: those that started after it are restarted, and nobody else") {
  auto s = of_rest();
  for (int i = 0; i < 4; ++i) s.add(now_again);
  s.ended(2, how::failed);
  CHECK(s.ended(3, how::cancelled) == "forget_timer 3, wait 3, launch 2, launch 3");
  CHECK(s.ended(3, how::failed) == "report 3 failed restarting, wait 3, launch 3");
  CHECK(s.restarts(0) == 0);
  CHECK(s.restarts(1) == 0);
}

TEST_CASE("O.one_for_all: who is temporary is stopped with its group, and not launched") {
  auto s = of_all();
  s.add(now_again);
  s.add(brief);
  s.ended(0, how::killed);
  CHECK(s.ended(1, how::cancelled) == "forget_timer 1, forget 1, launch 0");
  CHECK(s.n.live() == 1);
}

TEST_CASE("O.permanent/transient/temporary: who is done runs again with its group, and keeps no "
          "nursery open") {
  auto s = of_all();
  s.add(until_done);
  s.add(now_again);
  CHECK(s.ended(0, how::completed) == "rest 0");
  CHECK(s.n.phase_of(0) == child_phase::done);
  CHECK(s.ended(1, how::failed) ==
        "report 1 failed restarting, wait 1, wait 0, launch 0, launch 1");
  CHECK(s.ended(0, how::completed) == "rest 0");
  CHECK(s.body_ended(how::completed) == "");
  CHECK(s.cancel_child(1) == "cancel 1");
  CHECK(s.ended(1, how::cancelled) == "forget 1, forget 0, finish completed");
}

TEST_CASE("O.rest_for_one: who is done, and older, stays done") {
  auto s = of_rest();
  s.add(until_done);
  s.add(now_again);
  s.ended(0, how::completed);
  CHECK(s.ended(1, how::failed) == "report 1 failed restarting, wait 1, launch 1");
}

TEST_CASE(
    "O.multiple_restarts: a group costs one unit of the budget, and past it all are cancelled") {
  auto s = of_all({1, 5s});
  s.add(now_again);
  s.add(now_again);
  s.ended(0, how::failed);
  CHECK(s.ended(1, how::cancelled) == "forget_timer 1, wait 1, launch 0, launch 1");
  CHECK(s.ended(0, how::failed) == "report 0 failed escalated over budget, forget 0, cancel 1");
  CHECK(s.ended(1, how::cancelled) == "forget 1, finish failed");
}

TEST_CASE("S2: a group waits for its backoff, and for its last member") {
  for (const bool timer_first : {false, true}) {
    auto s = of_all();
    s.add(permanent);
    s.add(permanent);
    CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait 0, wait_until 0 +100ms, "
                                     "stop 1, wait_until 1 +5000ms");
    if (timer_first) {
      CHECK(s.due_after(100ms, 0) == "");
      CHECK(s.ended(1, how::cancelled) == "forget_timer 1, wait 1, launch 0, launch 1");
    } else {
      CHECK(s.ended(1, how::cancelled) == "forget_timer 1, wait 1");
      CHECK(s.due_after(99ms, 0) == "wait_until 0 +1ms");
      CHECK(s.due_after(1ms, 0) == "launch 0, launch 1");
    }
  }
}

TEST_CASE("S3: a member that ignores its stop is cancelled at its deadline") {
  auto s = of_all();
  s.add(now_again);
  s.add(now_again);
  s.ended(0, how::failed);
  CHECK(s.due_after(5s, 1) == "cancel 1");
  CHECK(s.ended(1, how::cancelled) == "wait 1, launch 0, launch 1");
}

TEST_CASE("S1: a member that fails while it is stopped is reported, and restarted all the same") {
  auto s = of_all();
  s.add(now_again);
  s.add(now_again);
  s.add(now_again);
  s.ended(0, how::failed);
  CHECK(s.ended(1, how::failed) == "report 1 failed restarting, wait 1"); // not told yet
  CHECK(s.ended(2, how::failed) ==
        "forget_timer 2, report 2 failed restarting, wait 2, launch 0, launch 1, launch 2");
  CHECK(s.n.counts().failed == 3);
}

TEST_CASE("S1: who is stopped or cancelled by name leaves the group") {
  auto s = of_all();
  for (int i = 0; i < 4; ++i) s.add(now_again);
  s.ended(3, how::failed);                // 2 is told to stop
  CHECK(s.cancel_child(1) == "cancel 1"); // not told yet
  CHECK(s.stop_child(2) == "");           // told already
  CHECK(s.cancel_child(3) == "forget 3"); // waits
  CHECK(s.ended(1, how::cancelled) == "forget 1");
  CHECK(s.ended(2, how::cancelled) == "forget_timer 2, forget 2, stop 0, wait_until 0 +5000ms");
  CHECK(s.ended(0, how::cancelled) == "forget_timer 0, wait 0, launch 0");
}

TEST_CASE("S1: an older child that fails meanwhile adds its group to the one that restarts") {
  auto s = of_rest();
  for (int i = 0; i < 3; ++i) s.add(now_again);
  CHECK(s.ended(1, how::failed) ==
        "report 1 failed restarting, wait 1, stop 2, wait_until 2 +5000ms");
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait 0");
  CHECK(s.add(now_again) == "launch 3"); // not one of them
  CHECK(s.ended(2, how::cancelled) == "forget_timer 2, wait 2, launch 0, launch 1, launch 2");
}

TEST_CASE("S1: the nursery's end goes before the group's") {
  for (const bool stops : {false, true}) {
    auto s = of_all();
    for (int i = 0; i < 3; ++i) s.add(now_again);
    s.ended(2, how::failed); // 1 is told to stop
    CHECK((stops ? s.stop() : s.cancel()) ==
          (stops ? "forget 2" : "forget 2, forget_timer 1, cancel 1, cancel 0"));
    s.ended(1, how::cancelled);
    s.ended(0, how::cancelled);
    CHECK(s.n.current_phase() == phase::finished);
    CHECK(s.n.counts().restarted == 0);
  }
}

TEST_CASE("O25.auto_shutdown: never, any, all") {
  constexpr child_rules matters{.restart = restart::transient, .significant = true};
  for (const auto when : {auto_shutdown::never, auto_shutdown::any, auto_shutdown::all})
    for (const auto how_all : {strategy::one_for_one, strategy::one_for_all}) {
      script s(quick_body, {plenty, how_all, when});
      s.add(matters);
      s.add(temporary);
      s.add(matters);
      s.ended(1, how::completed); // it does not count
      CHECK(s.n.current_phase() == phase::open);
      s.ended(0, how::completed);
      CHECK((s.n.current_phase() == phase::draining) == (when == auto_shutdown::any));
      s.ended(2, how::completed);
      CHECK((s.n.current_phase() == phase::finished) == (when != auto_shutdown::never));
    }
}

TEST_CASE("O25.auto_shutdown: a significant child that is stopped by name or with its group does "
          "not count") {
  constexpr child_rules matters{
      .restart = restart::temporary, .ignore_failure = true, .significant = true};
  script s(quick_body, {plenty, strategy::one_for_all, auto_shutdown::any});
  s.add(now_again);
  s.add(matters);
  s.ended(0, how::failed);
  s.ended(1, how::cancelled);
  s.add(matters);
  s.cancel_child(1);
  s.ended(1, how::cancelled);
  CHECK(s.n.current_phase() == phase::open);
}

// ---- every nursery of up to four children, beside OTP's rules

namespace {

enum class fate : std::uint8_t { up, undefined, gone };

// supervisor.erl, restart/3 and do_restart/3, without processes.
struct otp {
  strategy how_many;
  std::vector<restart> type;
  std::vector<fate> state;

  // Who is started again, in order.
  std::vector<std::size_t> ends(std::size_t c, how h) {
    std::vector<std::size_t> started;
    state[c] = type[c] == restart::temporary ? fate::gone : fate::undefined;
    if (!(type[c] == restart::permanent || (type[c] == restart::transient && is_failure(h))))
      return started;
    for (std::size_t i = 0; i < type.size(); ++i) {
      const bool in = i == c || how_many == strategy::one_for_all ||
                      (how_many == strategy::rest_for_one && i > c);
      if (!in || state[i] == fate::gone) continue;
      if (type[i] == restart::temporary) {
        state[i] = fate::gone;
        continue;
      }
      state[i] = fate::up;
      started.push_back(i);
    }
    return started;
  }
};

struct group_world {
  nursery_state n;
  std::vector<child_rules> rules;
  nursery_state::commands out;
  time_point now{24h};
  std::vector<std::size_t> launched;

  group_world(strategy s, const std::vector<restart>& types) : n({plenty, s}) {
    for (auto t : types)
      rules.push_back({.restart = t, .backoff = {.first = 0s}, .ignore_failure = true});
    for (auto& r : rules) (void)n.add(r, now, out);
    out.clear();
  }
  // All that is asked for happens at once.
  void settle() {
    launched.clear();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto c = out[i];
      if (c.what == nursery_state::order::launch) launched.push_back(c.child);
      if (c.what == nursery_state::order::stop)
        n.ended(c.child, c.incarnation, how::cancelled, now, out);
    }
    out.clear();
  }
};

template <class F> void sequences(std::size_t length, std::size_t kinds, F f) {
  std::vector<std::size_t> at(length);
  for (;;) {
    f(at);
    std::size_t i = 0;
    while (i < length && ++at[i] == kinds) at[i++] = 0;
    if (i == length) return;
  }
}

} // namespace

TEST_CASE(
    "T17: strategies and policies do what OTP's do, for all nurseries of up to four children") {
  constexpr how ends[] = {how::completed, how::failed};
  int steps = 0, wrong = 0;
  for (const auto s : {strategy::one_for_one, strategy::one_for_all, strategy::rest_for_one})
    for (std::size_t size = 1; size <= 4; ++size)
      sequences(size, 3, [&](const std::vector<std::size_t>& kinds) {
        std::vector<restart> types;
        for (auto k : kinds) types.push_back(static_cast<restart>(k));
        sequences(3, size * 2, [&](const std::vector<std::size_t>& what) {
          group_world w(s, types);
          otp o{s, types, std::vector<fate>(size, fate::up)};
          for (auto x : what) {
            const auto c = x / 2;
            if (o.state[c] != fate::up) break;
            const auto id = nursery_state::child_id(c);
            w.n.ended(id, w.n.incarnation(id), ends[x % 2], w.now, w.out);
            w.settle();
            wrong += w.launched != o.ends(c, ends[x % 2]);
            for (std::size_t i = 0; i < size; ++i) {
              const auto p = w.n.phase_of(nursery_state::child_id(i));
              wrong += (o.state[i] == fate::up) != (p == child_phase::running);
            }
            ++steps;
          }
        });
      });
  CHECK(wrong == 0);
  CHECK(steps > 100'000);
}

// ---- by chance, with stops that take their time

TEST_CASE("S1: groups by chance: one stop at a time, launches in order, and all come back") {
  std::mt19937_64 dice(2026);
  const auto below = [&](std::size_t n) { return std::size_t(dice() % n); };
  for (int round = 0; round < 3000; ++round) {
    const auto s = below(2) ? strategy::one_for_all : strategy::rest_for_one;
    std::vector<child_rules> rules;
    for (std::size_t i = 0; i < 2 + below(8); ++i)
      rules.push_back({.restart = static_cast<restart>(below(3)),
                       .backoff = {.first = below(2) ? 0s : 1s, .jitter = 0},
                       .ignore_failure = true});
    nursery_state n({{1'000'000, 1s}, s});
    nursery_state::commands out;
    struct one {
      bool runs = false, told = false, timer = false, asked = false;
    };
    std::vector<one> all(rules.size());
    time_point now{24h};
    int stopping = 0;
    const auto carry_out = [&] {
      nursery_state::child_id last = 0;
      bool launches = false;
      for (std::size_t i = 0; i < out.size(); ++i) {
        const auto c = out[i];
        using order = nursery_state::order;
        if (c.child == nursery_state::none) continue;
        auto& a = all[c.child];
        switch (c.what) {
        case order::launch:
          REQUIRE(!a.runs);
          REQUIRE((!launches || c.child > last));
          REQUIRE(stopping == 0);
          launches = true;
          last = c.child;
          a = {true, false, false, false};
          break;
        case order::stop:
          REQUIRE(a.runs);
          REQUIRE(!a.told);
          a.told = true;
          if (!a.asked) REQUIRE(++stopping == 1);
          break;
        case order::cancel:
          REQUIRE(a.runs);
          a.told = true;
          break;
        case order::wait_until: a.timer = true; break;
        case order::forget_timer: a.timer = false; break;
        case order::wait:
        case order::rest:
        case order::forget: REQUIRE(!a.runs); break;
        default: break;
        }
      }
      out.clear();
    };
    const auto end = [&](nursery_state::child_id c, how h) {
      auto& a = all[c];
      if (a.told && !a.asked && stopping) --stopping;
      a.runs = a.told = false;
      n.ended(c, n.incarnation(c), h, now, out);
      carry_out();
    };
    for (auto& r : rules) (void)n.add(r, now, out);
    carry_out();
    for (int step = 0; step < 60; ++step) {
      const auto c = nursery_state::child_id(below(all.size()));
      auto& a = all[c];
      if (a.timer && below(2)) {
        now = std::max(now, n.next_launch(c).value_or(now));
        a.timer = false;
        n.due(c, n.incarnation(c), now, out);
        carry_out();
      } else if (a.runs) {
        end(c, a.told ? how::cancelled : below(3) ? how::failed : how::completed);
      }
    }
    // what restarts comes to rest: everybody that is live runs, or is done
    for (bool moved = true; moved;) {
      moved = false;
      for (nursery_state::child_id c = 0; c < all.size(); ++c) {
        if (all[c].runs && all[c].told) {
          end(c, how::cancelled);
          moved = true;
        } else if (!all[c].runs && all[c].timer) {
          now = std::max(now, n.next_launch(c).value_or(now));
          all[c].timer = false;
          n.due(c, n.incarnation(c), now, out);
          carry_out();
          moved = true;
        }
      }
    }
    for (nursery_state::child_id c = 0; c < all.size(); ++c) {
      const auto p = n.phase_of(c);
      REQUIRE((p == child_phase::running || p == child_phase::done || p == child_phase::gone));
      REQUIRE((p == child_phase::running) == all[c].runs);
      REQUIRE((p != child_phase::gone || rules[c].restart == restart::temporary));
    }
    n.cancel(now, out);
    carry_out();
    for (nursery_state::child_id c = 0; c < all.size(); ++c)
      if (all[c].runs) end(c, how::cancelled);
    n.body_ended(how::cancelled, now, out);
    REQUIRE(n.current_phase() == phase::finished);
    REQUIRE(n.counts().stale == 0);
  }
}
