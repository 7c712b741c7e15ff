// A stop in its phases, for real: drain, cancel, kill, abandon; what the tree shows meanwhile, and
// who is to blame.
#include "runtime/supervision/nursery.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/sync/shared_event.hpp"
#include "runtime/system/run.hpp"
#include "runtime/task/finally.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/testing/probe.hpp"
#include "tests/runtime/clean_run.hpp"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

using namespace creche;
using namespace creche::testing;

namespace {

const tree_node* find(const tree_node& t, std::string_view name) {
  if (t.name == name) return &t;
  for (const auto& c : t.children)
    if (auto* hit = find(c, name)) return hit;
  return nullptr;
}
std::string state_of(std::string_view name) {
  const auto t = tree();
  auto* hit = find(t, name);
  return hit ? hit->state : "none";
}

struct mark_bool {
  bool& b;
  ~mark_bool() { b = true; }
};

// Does not care for a cancel.
task<> deaf() {
  auto hidden = [](cancel_scope&) -> task<> { co_await sleep_for(1000h); };
  co_await shielded(no_limit, hidden);
}
// Needs an hour to clean up.
task<> tidy(std::string& trace) {
  mark end(trace, 'e');
  auto body = []() -> task<> { co_await sleep_for(1000h); };
  auto cleanup = [&]() -> task<> {
    mark cleaning(trace, 'c');
    co_await sleep_for(1h);
    trace += 'x';
  };
  co_await finally(body, cleanup, no_limit);
}

} // namespace

TEST_CASE("S7: a child that a cancel does not end is killed, and that is its failure") {
  std::string said;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto c = n.start(child_spec("deaf", deaf).stop_within(2s).cancel_within(3s));
      co_await sleep_for(1s);
      c.stop();
      co_await sleep_for(1ms); // a task takes a stop as a cancel
      CHECK(state_of("deaf") == "draining");
      co_await sleep_for(2s);
      CHECK(state_of("deaf") == "cancelling");
      const auto t = tree();
      CHECK(find(t, "deaf")->phase_ends_in_s > 2.9);
      co_await c.wait();
      CHECK(c.result()->kind == how::killed);
    };
    auto all = [&]() -> task<> { co_await with_nursery(body); };
    said = co_await error_of(all);
  });
  CHECK(took == 6s);
  CHECK(said.find("killed: its cancel did not end it in time") != std::string::npos);
}

TEST_CASE("S7: a kill cuts clean-ups at their next checkpoint, and frames are destroyed in order") {
  std::string trace;
  const auto took = run_clean([&](nursery& n) -> task<> {
    auto c = n.start(child_spec("tidy", tidy, std::ref(trace)).cancel_within(5s).ignore_failure());
    co_await sleep_for(1s);
    c.cancel("enough");
    co_await c.wait();
    CHECK(c.result()->kind == how::killed);
  });
  CHECK(took == 6s);
  CHECK(trace == "ce");
}

TEST_CASE("S7: a kill goes through shields at every depth, and down to nested nurseries") {
  std::string trace;
  const auto took = run_clean([&](nursery& n) -> task<> {
    auto deep = [&]() -> task<> {
      auto inner = [&](nursery& m) -> task<> {
        m.start(tidy, std::ref(trace));
        m.start(deaf);
        auto again = [&](cancel_scope&) -> task<> { co_await deaf(); };
        co_await shielded(no_limit, again);
      };
      auto outer = [&](cancel_scope&) -> task<> { co_await with_nursery(inner); };
      co_await shielded(no_limit, outer);
    };
    auto c = n.start(child_spec("deep", deep).cancel_within(1s).ignore_failure());
    co_await sleep_for(1s);
    c.cancel();
    co_await sleep_for(500ms);
    CHECK(!c.ended());
    co_await c.wait();
    CHECK(is_failure(c.result()->kind));
  });
  CHECK(took == 2s);
  CHECK(trace == "ce");
}

TEST_CASE("S7: who opens a scope after the kill finds it stopped, and so does who shields again") {
  int seen = 0;
  run_clean([&](nursery& n) -> task<> {
    auto f = [&]() -> task<> {
      auto body = []() -> task<> { co_await sleep_for(1000h); };
      auto cleanup = [&]() -> task<> {
        auto late = [&](cancel_scope& s) -> task<> {
          ++seen;
          s.shield(true);
          co_await sleep_for(1000h);
          ++seen;
        };
        co_await move_on_after(no_limit, late);
        ++seen;
      };
      co_await finally(body, cleanup, no_limit);
    };
    auto c = n.start(child_spec("f", f).cancel_within(0s).ignore_failure());
    co_await sleep_for(1s);
    c.cancel();
    co_await c.wait();
  });
  CHECK(seen == 1);
}

TEST_CASE("S7: a nursery's own limits: drain, cancel, kill, one after the other, in the tree") {
  std::string said;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto all = [&]() -> task<> {
      auto body = [&](nursery& n) -> task<> {
        n.start(child_spec("deaf", deaf).stop_within(no_limit));
        auto watch = [&]() -> task<> {
          auto look = [&](cancel_scope&) -> task<> {
            co_await sleep_for(1500ms);
            CHECK(state_of("service") == "draining");
            CHECK(find(tree(), "service")->phase_ends_in_s == doctest::Approx(1.5));
            co_await sleep_for(2s);
            CHECK(state_of("service") == "cancelling");
            CHECK(state_of("deaf") == "cancelling");
          };
          co_await shielded(no_limit, look);
        };
        n.start(child_spec("watch", watch).stop_within(no_limit));
        co_await sleep_for(0s);
        n.stop();
      };
      co_await with_nursery({.name = "service", .limits = {.drain = 3s, .cancel = 2s}}, body);
    };
    said = co_await error_of(all);
  });
  CHECK(took == 5s);
  CHECK(said.find("service/deaf") != std::string::npos);
  CHECK(said.find("killed") != std::string::npos);
}

TEST_CASE("S7: nursery::kill, by an operator") {
  const auto took = run_clean([&](nursery& root) -> task<> {
    auto service = [&]() -> task<> {
      auto body = [&](nursery& n) -> task<> {
        n.start(child_spec("deaf", deaf).ignore_failure());
        co_await sleep_for(1s);
        n.kill();
        n.kill();
        co_await deaf(); // the body as well
      };
      co_await with_nursery(body);
    };
    auto c = root.start(service);
    co_await c.wait();
  });
  CHECK(took == 1s);
}

TEST_CASE("S3, bad input: a limit of a stop that is negative is refused with a sentence") {
  run_clean([&](nursery& n) -> task<> {
    auto body = [](nursery&) -> task<> { co_return; };
    auto open = [&]() -> task<> {
      co_await with_nursery({.name = "x", .limits = {.kill = -1s}}, body);
    };
    CHECK(co_await error_of(open) == "x: a limit of its stop is negative");
    auto refused = [&](child_spec s) -> std::string {
      try {
        n.start(std::move(s));
      } catch (const std::invalid_argument& e) {
        return e.what();
      }
      return "none";
    };
    CHECK(refused(child_spec("a", deaf).cancel_within(-1ns)) == "a: cancel_within is negative");
    CHECK(refused(child_spec("a", deaf).stop_within(-1ns)) == "a: stop_within is negative");
    CHECK(refused(child_spec("a", deaf).ready_within(1s)) ==
          "a: ready_within, but its function takes no ready<R>, so it cannot say that it is ready");
    auto f = [](ready<void>) -> task<> { co_return; };
    CHECK(refused(child_spec("a", f).ready_within(0s)) ==
          "a: ready_within must be more than nothing");
    CHECK(n.live() == 0);
  });
}

// ---- abandon: on real loops, for only another thread can go on without us

namespace {

// Keeps its loop busy until it is let go.
struct hog {
  std::atomic<bool> busy{false}, free{false}, over{false};
  task<> run() {
    busy = true;
    busy.notify_all();
    free.wait(false);
    co_await checkpoint();
  }
};

} // namespace

TEST_CASE(
    "S7, X5: a child on another loop that does not end is abandoned, and shown until it does") {
  hog h;
  tree_node shown;
  std::string said;
  receipt got{};
  auto options = quiet(2);
  const auto r = run(options, [&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      // one of the two is on another loop than ours
      auto busy = [](hog* x) { return x->run(); };
      auto idle = []() -> task<> { co_await sleep_for(1h); };
      auto here = n.start(child_spec("here", idle));
      auto spec = child_spec("hog", busy, &h).on(placement::any_loop).cancel_within(10ms);
      auto c = n.start(std::move(spec));
      while (!h.busy) co_await sleep_for(1ms);
      got = co_await c.cancel_and_wait("enough");
      CHECK(c.result()->kind == how::killed);
      shown = tree();
      h.free = true;
      h.free.notify_all();
      while (find(tree(), "abandoned")) co_await sleep_for(1ms);
      here.cancel();
    };
    auto all = [&]() -> task<> {
      co_await with_nursery({.name = "n", .limits = {.kill = 10ms}}, body);
    };
    said = co_await error_of(all);
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(got == receipt::abandoned);
  REQUIRE(find(shown, "abandoned"));
  REQUIRE(find(shown, "abandoned")->children.size() == 1);
  CHECK(find(shown, "abandoned")->children[0].name == "test/n/hog");
  CHECK(said.find("abandoned: neither a cancel nor a kill ended it in time") != std::string::npos);
  CHECK(r.ledger().balances());
}

TEST_CASE("S4, S7: who still owes its starter an answer is not abandoned") {
  hog h;
  bool heard = false;
  std::atomic<bool> asked{false};
  const auto r = run(quiet(2), [&](nursery& root) -> task<> {
    auto let_go = [&]() -> task<> {
      while (!asked) co_await sleep_for(1ms);
      co_await sleep_for(20ms); // all limits have passed
      h.free = true;
      h.free.notify_all();
    };
    root.start(let_go);
    auto body = [&](nursery& n) -> task<> {
      auto idle = []() -> task<> { co_await sleep_for(1h); };
      auto far = [](ready<std::string> is_ready, hog* x) -> task<> {
        x->busy = true;
        x->free.wait(false);
        is_ready("a text that does not fit in place");
        co_await checkpoint();
      };
      n.start(idle);
      auto starter = [&]() -> task<> {
        mark_bool end{heard};
        auto spec = child_spec("far", far, &h).on(placement::any_loop);
        (void)co_await n.start_ready<std::string>(spec);
      };
      n.start(starter);
      while (!h.busy) co_await sleep_for(1ms);
      n.cancel();
      asked = true;
    };
    co_await with_nursery({.name = "n", .limits = {.cancel = 1ms, .kill = 1ms}}, body);
    CHECK(!find(tree(), "abandoned"));
    CHECK(heard);
  });
  CHECK(r.ledger().balances());
}

TEST_CASE("S7: an abandoned child keeps what it was given until it ends, and is not restarted") {
  hog h;
  counted::live = 0;
  std::atomic<int> lives{0}, intact{0};
  const auto r = run(quiet(2), [&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto idle = []() -> task<> { co_await sleep_for(1h); };
      auto here = n.start(idle);
      auto far = [&, mine = counted("a capture of its own")](counted& given) -> task<> {
        ++lives;
        co_await h.run();
        intact = mine.text == "a capture of its own" && given.text == "an argument of its own";
      };
      auto c = n.start(child_spec("far", std::move(far), counted("an argument of its own"))
                           .on(placement::any_loop)
                           .restart(restart::permanent)
                           .backoff(no_backoff)
                           .cancel_within(1ms)
                           .ignore_failure());
      while (!h.busy) co_await sleep_for(1ms);
      CHECK(co_await c.cancel_and_wait() == receipt::abandoned);
      CHECK(counted::live == 3); // and what `far` was moved from
      h.free = true;
      h.free.notify_all();
      while (find(tree(), "abandoned")) co_await sleep_for(1ms);
      CHECK(counted::live == 1); // gone, though the handle lives
      here.cancel();
    };
    co_await with_nursery({.name = "n", .limits = {.kill = 1ms}}, body);
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(lives == 1);
  CHECK(r.ledger().balances());
}

TEST_CASE("S7: ends and abandons that meet, many times: nothing is lost, nothing is freed twice") {
  std::atomic<int> ended{0};
  int abandoned = 0;
  const auto r = run(quiet(2), [&](nursery& n) -> task<> {
    auto body = [&](nursery& m) -> task<> {
      auto far = [](std::atomic<int>* count, int us) -> task<> {
        struct tell {
          std::atomic<int>* c;
          ~tell() { ++*c; }
        } end{count};
        auto busy = std::chrono::steady_clock::now() + std::chrono::microseconds(us);
        while (std::chrono::steady_clock::now() < busy) {
        }
        co_await checkpoint();
      };
      for (int i = 0; i < 200; ++i) {
        auto c = m.start(child_spec("far", far, &ended, 50 + i)
                             .on(placement::any_loop)
                             .cancel_within(50us)
                             .ignore_failure());
        co_await sleep_for(10us);
        abandoned += co_await c.cancel_and_wait() == receipt::abandoned;
      }
      while (find(tree(), "abandoned")) co_await sleep_for(1ms); // no ghosts
    };
    co_await with_nursery({.name = "n", .limits = {.kill = 50us}}, body);
    (void)n;
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(ended == 200);
  CHECK(r.ledger().balances());
  MESSAGE(abandoned, " of 200 were abandoned");
}

TEST_CASE("S7: who was abandoned may still look for its stop, and has nobody above to tell") {
  std::atomic<bool> abandoned{false};
  bool stops = true;
  auto r = run(quiet(2), [&](nursery&) -> task<> {
    shared_event over;
    auto late = [&, over]() -> task<> {
      abandoned.wait(false);
      stops = is_stopping();
      over.set();
      co_return;
    };
    auto body = [&](nursery& n) -> task<> {
      n.start(child_spec("late", late).on(placement::any_loop));
      co_await sleep_for(5ms); // it runs, and keeps its loop
      n.cancel();
    };
    nursery_options impatient{.name = "impatient"};
    impatient.limits = {.drain = 1ms, .cancel = 1ms, .kill = 1ms};
    auto all = [&]() -> task<> { co_await with_nursery(impatient, body); };
    CHECK((co_await error_of(all)).find("abandoned") != std::string::npos);
    abandoned = true;
    abandoned.notify_all();
    co_await over.wait();
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK_FALSE(stops);
}
