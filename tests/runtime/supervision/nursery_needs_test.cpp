// Dependencies between siblings: start after, stop before, restart with. Told as scenarios,
// compared with the rules for every graph of up to four children, and by chance.
#include "tests/runtime/nursery_script.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <random>
#include <utility>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

constexpr budget plenty{1'000'000, 1s};
constexpr child_rules says{
    .restart = restart::permanent, .backoff = {.first = 0s}, .says_ready = true};
constexpr child_rules dies{.ignore_failure = true};
constexpr child_rules says_once{.says_ready = true};
constexpr child_rules oneshot{
    .restart = restart::transient, .backoff = {.first = 0s}, .says_ready = true};

} // namespace

TEST_CASE("S6: who needs a sibling is launched when that one has said that it is ready") {
  script s;
  CHECK(s.add(says) == "launch 0");
  CHECK(s.add(at_once, {0}) == "wait 1");
  CHECK(s.add(at_once, {1}) == "wait 2");
  CHECK(s.add(at_once) == "launch 3"); // a slow start blocks nobody else (S5)
  CHECK(s.n.phase_of(1) == child_phase::waiting);
  CHECK(s.n.waits_for(1) == 0);
  CHECK(s.n.waits_for(2) == 1);
  CHECK(!s.n.next_launch(1));
  CHECK(s.ready(0) == "launch 1, launch 2");
  CHECK(s.n.waits_for(1) == nursery_state::none);
  CHECK(s.restarts(1) == 0);
  CHECK(s.n.counts().restarted == 0);
}

TEST_CASE("S6: who needs several waits for the last of them") {
  script s;
  s.add(says);
  s.add(says);
  s.add(temporary, {0, 1});
  CHECK(s.ready(1) == "");
  CHECK(s.n.waits_for(2) == 0);
  CHECK(s.ready(0) == "launch 2");
}

TEST_CASE("S6: who says nothing is ready at once, and who has completed was it") {
  script s;
  s.add(temporary);
  CHECK(s.add(temporary, {0}) == "launch 1");
  CHECK(s.add(says_once) == "launch 2");
  CHECK(s.add(temporary, {2}) == "wait 3");
  CHECK(s.ended(2, how::completed) == "forget 2, launch 3");
}

TEST_CASE("S6: those who need a child restart with it, newest first down and oldest first up") {
  script s(quick_body, plenty);
  s.add(says);
  s.add(at_once, {0});
  s.add(at_once);      // nobody's
  s.add(at_once, {1}); // by way of 1
  s.ready(0);
  CHECK(s.ended(0, how::failed) ==
        "report 0 failed restarting, wait 0, stop 3, wait_until 3 +5000ms");
  CHECK(s.ended(3, how::cancelled) == "forget_timer 3, wait 3, stop 1, wait_until 1 +5000ms");
  CHECK(s.ended(1, how::cancelled) == "forget_timer 1, wait 1, launch 0");
  CHECK(s.n.waits_for(1) == 0);
  CHECK(s.ready(0) == "launch 1, launch 3");
  CHECK(s.n.counts().restarted == 3);
  CHECK(s.restarts(2) == 0);
}

TEST_CASE("S6: who fails alone, while what it needs is away, waits for it") {
  script s(quick_body, plenty);
  s.add(says);
  s.add(permanent, {0});
  s.ready(0);
  CHECK(s.ended(1, how::failed) == "report 1 failed restarting, wait_until 1 +100ms");
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait 0, launch 0");
  CHECK(s.due_after(100ms, 1) == "wait 1");
  CHECK(s.ready(0) == "launch 1");
}

TEST_CASE("S6: an orderly stop, of all or of one, ends those who need a child before it") {
  for (const bool all : {false, true}) {
    script s;
    s.add(temporary);
    s.add(temporary, {0});
    s.add(temporary, {1});
    CHECK((all ? s.stop() : s.stop_child(0)) == "stop 2, wait_until 2 +5000ms");
    CHECK(s.ended(2, how::cancelled) == "forget_timer 2, forget 2, stop 1, wait_until 1 +5000ms");
    CHECK(s.ended(1, how::completed) == "forget_timer 1, forget 1, stop 0, wait_until 0 +5000ms");
    CHECK(s.ended(0, how::cancelled) ==
          (all ? "forget_timer 0, forget 0, finish completed" : "forget_timer 0, forget 0"));
  }
}

TEST_CASE("S6: a stop by name twice, and a cancel in the middle of it") {
  script s;
  s.add(temporary);
  s.add(temporary, {0});
  s.stop_child(0);
  CHECK(s.stop_child(0) == "");
  CHECK(s.n.phase_of(0) == child_phase::running); // its turn comes
  CHECK(s.cancel_child(0) == "forget_timer 1, cancel 1, cancel 0");
  CHECK(s.ended(0, how::cancelled) == "forget 0");
  CHECK(s.ended(1, how::cancelled) == "forget 1");
}

TEST_CASE("S6: a cancel by name reaches those who need it first, and who waits is forgotten") {
  script s;
  s.add(says_once);
  s.add(temporary);
  s.add(temporary, {0, 1});
  s.add(temporary, {1});
  CHECK(s.cancel_child(1) == "cancel 3, forget 2, cancel 1");
  s.ended(3, how::cancelled);
  s.ended(1, how::cancelled);
  CHECK(s.n.live() == 1);
}

TEST_CASE("S6: when a child ends for good, and did not complete, who needs it is stopped") {
  script s;
  s.add(dies);
  s.add(at_once, {0});
  s.add(says_once, {0});
  s.add(temporary, {2});
  s.add(temporary);
  CHECK(s.ended(0, how::failed) ==
        "report 0 failed ignored, forget 3, forget 0, stop 2, wait_until "
        "2 +5000ms");
  CHECK(s.ended(2, how::cancelled) == "forget_timer 2, forget 2, stop 1, wait_until 1 +5000ms");
  CHECK(s.ended(1, how::failed) ==
        "forget_timer 1, report 1 failed escalated, forget 1, cancel 4"); // beside a stop: Trio
}

TEST_CASE("S6: groups that have nobody in common do not wait for each other") {
  constexpr child_rules slow{.restart = restart::permanent,
                             .backoff = {.first = 60s, .most = 60s, .jitter = 0}};
  script s(quick_body, plenty);
  s.add(slow);
  s.add(slow, {0});
  s.add(at_once);
  s.add(at_once, {2});
  CHECK(s.ended(0, how::failed) ==
        "report 0 failed restarting, wait 0, wait_until 0 +60000ms, stop "
        "1, wait_until 1 +5000ms");
  CHECK(s.ended(2, how::failed) ==
        "report 2 failed restarting, wait 2, stop 3, wait_until 3 +5000ms");
  CHECK(s.ended(3, how::cancelled) == "forget_timer 3, wait 3, launch 2, launch 3");
  CHECK(s.ended(1, how::cancelled) == "forget_timer 1, wait 1");
  CHECK(s.stop_child(2) == "stop 3, wait_until 3 +5000ms");
  CHECK(s.due_after(60s, 0) == "launch 0, launch 1");
}

TEST_CASE("S6: groups that come to have somebody in common are one") {
  script s(quick_body, plenty);
  s.add(at_once);
  s.add(at_once);
  s.add(at_once, {0});
  s.add(at_once, {1, 2});
  CHECK(s.ended(1, how::failed) ==
        "report 1 failed restarting, wait 1, stop 3, wait_until 3 +5000ms");
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait 0");
  CHECK(s.ended(3, how::cancelled) == "forget_timer 3, wait 3, stop 2, wait_until 2 +5000ms");
  CHECK(s.ended(2, how::cancelled) ==
        "forget_timer 2, wait 2, launch 0, launch 1, launch 2, launch 3");
}

TEST_CASE("S6: a failure without a restart cancels all, as ever") {
  script s;
  s.add(temporary);
  s.add(temporary, {0});
  CHECK(s.ended(0, how::failed) == "report 0 failed escalated, forget 0, cancel 1");
}

TEST_CASE("S6, S1: with one_for_all a group waits for readiness, too") {
  script s(quick_body, {plenty, strategy::one_for_all});
  s.add(says);
  s.add(at_once, {0});
  s.add(at_once);
  s.ready(0);
  s.ended(2, how::failed);
  s.ended(1, how::cancelled);
  CHECK(s.ended(0, how::cancelled) == "forget_timer 0, wait 0, launch 0, launch 2");
  CHECK(s.ready(0) == "launch 1");
}

TEST_CASE("S6: a oneshot that is done under one_for_all is ready, until its group restarts") {
  script s(quick_body, {plenty, strategy::one_for_all});
  s.add(oneshot);
  s.add(at_once, {0});
  CHECK(s.ended(0, how::completed) == "rest 0, launch 1");
  CHECK(s.ended(1, how::failed) == "report 1 failed restarting, wait 1, wait 0, launch 0");
  CHECK(s.ended(0, how::completed) == "rest 0, launch 1");
}

TEST_CASE("S6: a nursery that stops or is cancelled forgets who waits") {
  for (const bool stops : {false, true}) {
    script s;
    s.add(says_once);
    s.add(temporary, {0});
    CHECK((stops ? s.stop() : s.cancel()) ==
          (stops ? "forget 1, stop 0, wait_until 0 +5000ms" : "forget 1, cancel 0"));
    CHECK(s.ready(0) == "");
    s.ended(0, how::cancelled);
    CHECK(s.n.current_phase() == phase::finished);
  }
  script s;
  s.add(says_once);
  s.cancel();
  CHECK(s.add(temporary, {0}) == "wait 1, forget 1"); // it would have to wait for the dying
}

TEST_CASE("S6: 10^5 children that need one: started, restarted and stopped in linear time") {
  script s(quick_body, plenty);
  constexpr nursery_state::child_id many = 100'000;
  s.add(says);
  s.out.clear();
  for (nursery_state::child_id i = 1; i <= many; ++i) {
    const nursery_state::child_id db = 0;
    (void)s.n.add(at_once, s.now, s.out, std::span(&db, 1));
  }
  CHECK(s.out.size() == many);
  s.out.clear();
  s.n.ready(0, 1, s.now, s.out);
  CHECK(s.out.size() == many);
  s.out.clear();
  s.n.stop(s.now, s.out);
  for (auto c = many; c > 0; --c) {
    s.out.clear();
    s.n.ended(c, s.n.incarnation(c), how::cancelled, s.now, s.out);
  }
  CHECK(s.n.live() == 1);
}

TEST_CASE("S6: who waits is launched when a sibling that waited for its restart runs again") {
  script s;
  s.add(permanent);
  s.ended(0, how::failed);
  CHECK(s.add(temporary, {0}) == "wait 1");
  CHECK(s.due_after(100ms, 0) == "launch 0, launch 1");
}

TEST_CASE("S6: a chain of 10^5, each after the one before: up, down and away in linear time") {
  constexpr nursery_state::child_id many = 100'000;
  for (const int what : {0, 1, 2}) {
    script s(quick_body, plenty);
    for (nursery_state::child_id i = 0; i < many; ++i) {
      const auto before = i - 1;
      (void)s.n.add(says_once, s.now, s.out, std::span(&before, i == 0 ? 0u : 1u));
      s.out.clear();
    }
    for (nursery_state::child_id i = 0; i < many; ++i) {
      s.n.ready(i, 1, s.now, s.out);
      REQUIRE(s.out.size() == (i + 1 < many)); // the launch of the next
      s.out.clear();
    }
    if (what == 0) // all complete, the oldest first
      for (nursery_state::child_id i = 0; i < many; ++i) s.ended(i, how::completed);
    if (what == 1) // the newest are stopped by name
      for (nursery_state::child_id i = many; i-- > 0;) {
        s.stop_child(i);
        s.ended(i, how::cancelled);
      }
    if (what == 2) { // the first is stopped by name, and all go before it
      s.n.stop_child(0, s.now, s.out);
      for (nursery_state::child_id i = many; i-- > 0;) {
        s.out.clear();
        s.n.ended(i, 1, how::cancelled, s.now, s.out);
      }
    }
    CHECK(s.n.live() == 0);
    CHECK(s.n.counts().stale == 0);
  }
}

TEST_CASE("S6: 10^4 pairs stop by name at the same time, in linear time") {
  constexpr nursery_state::child_id pairs = 10'000;
  script s(quick_body, plenty);
  for (nursery_state::child_id i = 0; i < pairs; ++i) {
    const nursery_state::child_id older = 2 * i;
    s.add(temporary);
    s.add(temporary, {older});
  }
  for (nursery_state::child_id i = 0; i < pairs; ++i) s.stop_child(2 * i);
  for (nursery_state::child_id i = 0; i < pairs; ++i) s.ended(2 * i + 1, how::cancelled);
  for (nursery_state::child_id i = 0; i < pairs; ++i) s.ended(2 * i, how::cancelled);
  CHECK(s.n.live() == 0);
}

// ---- every graph of up to four children

namespace {

// What is promised, told without the machine: who runs when all that is asked for has happened.
struct world {
  nursery_state n;
  std::vector<child_rules> rules;
  std::vector<std::vector<nursery_state::child_id>> needs;
  nursery_state::commands out;
  time_point now{24h};
  std::vector<nursery_state::child_id> launched, stopped;
  int wrong = 0;

  world(std::size_t size, unsigned graph, unsigned who_says)
      : n({plenty}), rules(size), needs(size) {
    unsigned bit = 0;
    for (std::size_t c = 0; c < size; ++c) {
      rules[c] = {.restart = restart::permanent,
                  .backoff = {.first = 0s},
                  .says_ready = (who_says >> c & 1) != 0};
      for (std::size_t of = 0; of < c; ++of)
        if (graph >> bit++ & 1) needs[c].push_back(nursery_state::child_id(of));
    }
    for (std::size_t c = 0; c < size; ++c) {
      (void)n.add(rules[c], now, out, needs[c]);
      settle();
    }
  }
  bool runs(nursery_state::child_id c) const { return n.phase_of(c) == child_phase::running; }
  bool by_way_of(nursery_state::child_id c, nursery_state::child_id of) const {
    return std::any_of(needs[c].begin(), needs[c].end(),
                       [&](auto d) { return d == of || by_way_of(d, of); });
  }
  // Stops end at once, and whoever is launched says that it is ready, later.
  void settle() {
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto c = out[i];
      if (c.what == nursery_state::order::launch) {
        for (auto d : needs[c.child]) wrong += !runs(d); // start after
        launched.push_back(c.child);
      }
      if (c.what == nursery_state::order::stop) {
        for (nursery_state::child_id x = 0; x < rules.size(); ++x)
          wrong += by_way_of(x, c.child) && runs(x); // stop before
        stopped.push_back(c.child);
        n.ended(c.child, c.incarnation, how::cancelled, now, out);
      }
    }
    out.clear();
  }
  void all_ready() {
    for (bool more = true; more;) {
      more = false;
      for (nursery_state::child_id c = 0; c < rules.size(); ++c) {
        const auto stale = n.counts().stale;
        n.ready(c, n.incarnation(c), now, out);
        more |= n.counts().stale == stale;
        settle();
      }
    }
  }
};

} // namespace

TEST_CASE("S6: start after, stop before, restart with, for all graphs of up to four children") {
  int graphs = 0, wrong = 0;
  for (std::size_t size = 1; size <= 4; ++size)
    for (unsigned graph = 0; graph < 1u << (size * (size - 1) / 2); ++graph)
      for (unsigned who_says = 0; who_says < 1u << size; ++who_says)
        for (nursery_state::child_id x = 0; x < size; ++x)
          for (const int what : {0, 1, 2}) { // it fails; it is stopped; it is cancelled
            world w(size, graph, who_says);
            w.all_ready();
            for (nursery_state::child_id c = 0; c < size; ++c) wrong += !w.runs(c);
            w.launched.clear();
            w.stopped.clear();
            if (what == 0) w.n.ended(x, w.n.incarnation(x), how::failed, w.now, w.out);
            if (what == 1) w.n.stop_child(x, w.now, w.out);
            if (what == 2) {
              w.n.cancel_child(x, w.now, w.out);
              for (std::size_t i = 0; i < w.out.size(); ++i)
                if (const auto c = w.out[i]; c.what == nursery_state::order::cancel)
                  w.n.ended(c.child, c.incarnation, how::cancelled, w.now, w.out);
            }
            w.settle();
            w.all_ready();
            for (nursery_state::child_id c = 0; c < size; ++c) {
              const bool affected = c == x || w.by_way_of(c, x);
              wrong += w.runs(c) != (what == 0 || !affected);
              const auto times = std::count(w.launched.begin(), w.launched.end(), c);
              wrong += times != (what == 0 && affected);
            }
            wrong += w.wrong;
            ++graphs;
          }
  CHECK(wrong == 0);
  CHECK(graphs > 10'000);
}

TEST_CASE("S6, S1: needs by chance, with stops that take their time; CRECHE_SEED repeats a run") {
  const char* given = std::getenv("CRECHE_SEED");
  const auto seed = given ? std::strtoull(given, nullptr, 0) : 20'261'123;
  INFO("CRECHE_SEED=", seed);
  std::mt19937_64 dice(seed);
  const auto below = [&](std::size_t n) { return std::size_t(dice() % n); };
  for (int round = 0; round < 5000; ++round) {
    std::vector<child_rules> rules(2 + below(7));
    std::vector<std::vector<nursery_state::child_id>> needs(rules.size());
    for (auto& r : rules)
      r = {.restart = static_cast<restart>(below(3)),
           .backoff = {.first = below(2) ? 0s : 1s, .jitter = 0},
           .cancel_within = below(2) ? no_limit : 1s,
           .ready_within = below(3) ? no_limit : 2s,
           .says_ready = below(2) != 0,
           .ignore_failure = true};
    const auto s = static_cast<strategy>(below(3));
    nursery_state n({plenty, s});
    nursery_state::commands out;
    time_point now{24h};
    struct one {
      bool live = false, runs = false, told = false;
      std::optional<time_point> timer;
    };
    std::vector<one> all(rules.size());
    const auto ready = [&](nursery_state::child_id c) {
      return n.phase_of(c) == child_phase::running || n.phase_of(c) == child_phase::done;
    };
    const auto carry_out = [&] {
      for (std::size_t i = 0; i < out.size(); ++i) {
        const auto c = out[i];
        using order = nursery_state::order;
        if (c.child == nursery_state::none) continue;
        auto& a = all[c.child];
        switch (c.what) {
        case order::launch:
          REQUIRE(!a.runs);
          REQUIRE(!a.timer);
          for (auto d : needs[c.child]) REQUIRE((!all[d].live || ready(d)));
          a.live = a.runs = true;
          a.told = false;
          break;
        case order::wait: a.live = true; [[fallthrough]];
        case order::rest: REQUIRE(!a.runs); break;
        case order::stop:
          REQUIRE(a.runs);
          // nobody who needs it runs, unless it was told before
          for (nursery_state::child_id x = c.child + 1; x < all.size(); ++x)
            if (std::count(needs[x].begin(), needs[x].end(), c.child))
              REQUIRE((!all[x].runs || all[x].told));
          [[fallthrough]];
        case order::cancel:
        case order::kill:
          REQUIRE(a.runs);
          a.told = true;
          break;
        case order::wait_until: a.timer = c.when; break;
        case order::forget_timer:
          REQUIRE(a.timer);
          a.timer.reset();
          break;
        case order::forget:
          REQUIRE(!a.runs);
          REQUIRE(!a.timer);
          a.live = false;
          break;
        default: break;
        }
      }
      out.clear();
    };
    const auto end = [&](nursery_state::child_id c, how h) {
      all[c].runs = all[c].told = false;
      n.ended(c, n.incarnation(c), h, now, out);
      carry_out();
    };
    for (nursery_state::child_id c = 0; c < rules.size(); ++c) {
      for (nursery_state::child_id d = 0; d < c; ++d)
        if (below(3) == 0) needs[c].push_back(d);
      (void)n.add(rules[c], now, out, needs[c]);
      carry_out();
    }
    const auto one_step = [&](bool only_settle) {
      bool moved = false;
      for (nursery_state::child_id c = 0; c < all.size(); ++c) {
        auto& a = all[c];
        if (!a.live) continue;
        if (a.runs && a.told && (only_settle || below(2))) {
          end(c, how::cancelled);
          moved = true;
        } else if (a.timer && (only_settle || below(3) == 0)) {
          if (only_settle && a.runs) { // it becomes ready, in time
            n.ready(c, n.incarnation(c), now, out);
          } else {
            now = std::max(now, *std::exchange(a.timer, std::nullopt));
            n.due(c, n.incarnation(c), now, out);
          }
          carry_out();
          moved = true;
        } else if (a.runs && n.phase_of(c) == child_phase::running && rules[c].says_ready) {
          const auto stale = n.counts().stale;
          n.ready(c, n.incarnation(c), now, out);
          moved |= stale == n.counts().stale;
          carry_out();
        }
      }
      return moved;
    };
    for (int step = 0; step < 40; ++step) {
      const auto c = nursery_state::child_id(below(all.size()));
      if (all[c].runs && below(2)) end(c, below(2) ? how::failed : how::completed);
      if (all[c].live && below(8) == 0) {
        if (below(2))
          n.stop_child(c, now, out);
        else
          n.cancel_child(c, now, out);
        carry_out();
      }
      one_step(false);
    }
    for (int i = 0; one_step(true); ++i) REQUIRE(i < 1000);
    // at rest: who lives runs, or is done, or waits for nobody that could still become ready
    for (nursery_state::child_id c = 0; c < all.size(); ++c) {
      const auto p = n.phase_of(c);
      INFO("child ", c, " is ", to_text(p));
      REQUIRE((p == child_phase::running || p == child_phase::done || p == child_phase::gone));
    }
    n.cancel(now, out);
    carry_out();
    for (nursery_state::child_id c = 0; c < all.size(); ++c)
      if (all[c].runs) end(c, how::cancelled);
    n.body_ended(how::cancelled, now, out);
    REQUIRE(n.current_phase() == phase::finished);
  }
}
