// Restarts through real actors, on virtual time: policies, budget, backoff, escalation.
#include "runtime/supervision/failure_domain.hpp"
#include "tests/runtime/clean_run.hpp"

#include <atomic>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

constexpr backoff at_once{.first = 0s};
constexpr backoff steady{.first = 1s, .most = 1s, .jitter = 0};
constexpr budget generous{1000, 1s};

task<> sleep_for_ever() { co_await sleep_for(no_limit); }

/// Starts `spec`'s child in a nursery of its own, with room for many restarts, and gives its end.
template <class F> std::optional<outcome> end_of(F make_spec) {
  std::optional<outcome> result;
  run_and_see([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto c = n.start(make_spec());
      co_await sleep_for(1h);
      if (!c.ended()) n.cancel();
      result = c.result();
    };
    try {
      co_await with_nursery({.budget = generous}, body);
    } catch (const failure_group&) {
    }
  });
  return result;
}

} // namespace

TEST_CASE("S1 a transient child is started again after a failure, not after its completion") {
  int lives = 0;
  auto spec = [&] {
    return child_spec("worker",
                      [&]() -> task<> {
                        if (++lives < 5) throw std::runtime_error("again");
                        co_return;
                      })
        .restart(restart::transient)
        .backoff(at_once);
  };
  const auto o = end_of(spec);
  CHECK(lives == 5);
  REQUIRE(o);
  CHECK(o->kind == how::completed);
}

TEST_CASE("S1 a permanent child is started again after its completion, but not after a cancel") {
  int lives = 0;
  std::optional<outcome> end;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto c = n.start(child_spec("worker",
                                  [&]() -> task<> {
                                    ++lives;
                                    co_await sleep_for(1s);
                                  })
                           .restart(restart::permanent)
                           .backoff(steady));
      co_await sleep_for(9500ms);
      CHECK(c.restarts() == 4);
      CHECK(!c.ended());
      c.cancel(); // it waits for its restart
      co_await c.wait();
      end = c.result();
      auto d = n.start(child_spec("worker", sleep_for_ever).restart(restart::permanent));
      co_await sleep_for(1s);
      d.cancel(); // it runs
      co_await d.wait();
      CHECK(d.result()->kind == how::cancelled);
    };
    co_await with_nursery({.budget = generous}, body);
  });
  CHECK(lives == 5);
  REQUIRE(end);
}

TEST_CASE(
    "S1 a temporary child is never started again, and one_for_one leaves its siblings alone") {
  int lives = 0, sibling_lives = 0;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto c = n.start(child_spec("once", [&]() -> task<> {
                         ++lives;
                         throw std::runtime_error("x");
                         co_return;
                       }).ignore_failure());
      n.start(child_spec("sibling", [&]() -> task<> {
        ++sibling_lives;
        co_await sleep_for(10s);
      }));
      n.start(child_spec("restarted",
                         [&, tries = 0]() mutable -> task<> {
                           if (++tries < 3) throw std::runtime_error("y");
                           co_return;
                         })
                  .restart(restart::transient)
                  .backoff(at_once));
      co_await c.wait();
      REQUIRE(c.result()->why);
      CHECK(c.result()->why->what() == "x");
    };
    co_await with_nursery(body);
  });
  CHECK(lives == 1);
  CHECK(sibling_lives == 1);
}

TEST_CASE("S2 a restart waits longer each time, and a healthy life forgives the past") {
  std::vector<clock_duration> at;
  time_point start{};
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      n.start(child_spec("worker",
                         [&]() -> task<> {
                           if (at.empty()) start = now();
                           at.push_back(now() - start);
                           if (at.size() == 5) co_await sleep_for(60s);
                           if (at.size() == 7) co_return;
                           throw std::runtime_error("x");
                         })
                  .restart(restart::transient)
                  .backoff({.first = 100ms, .most = 500ms, .jitter = 0}));
      co_return;
    };
    co_await with_nursery({.budget = generous}, body);
  });
  CHECK(at == std::vector<clock_duration>{0ms, 100ms, 300ms, 700ms, 1200ms, 61300ms, 61500ms});
}

TEST_CASE(
    "S2 the budget ends a child that fails too often, and the nursery, with the whole chain") {
  int lives = 0;
  const auto r = run_and_see([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      n.start(child_spec("worker",
                         [&]() -> task<> {
                           ++lives;
                           throw std::runtime_error("no luck");
                           co_return;
                         })
                  .restart(restart::permanent)
                  .backoff(at_once));
      co_await sleep_for(1h);
    };
    co_await with_nursery({.name = "pool", .budget = {3, 5s}}, body);
  });
  CHECK(lives == 4);
  CHECK(r.run.exit_code() == 1);
  REQUIRE(r.run.failures());
  const auto text = r.run.failures()->to_text();
  CHECK(text.find("test/pool/worker: restart budget exhausted: 3 in 5 s") != text.npos);
  CHECK(text.find("because test/pool/worker: no luck") != text.npos);
}

TEST_CASE("S2 waiting burns no budget") {
  int lives = 0;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      n.start(child_spec("worker",
                         [&]() -> task<> {
                           if (++lives < 50) throw std::runtime_error("x");
                           co_return;
                         })
                  .restart(restart::transient)
                  .backoff({.first = 2s, .most = 2s, .jitter = 0}));
      co_return;
    };
    co_await with_nursery({.budget = {3, 5s}}, body);
  });
  CHECK(lives == 50);
}

TEST_CASE("a child on another loop is started again there, at once and after a wait") {
  for (auto b : {at_once, steady}) {
    int lives = 0;
    run_clean({.loops = 2}, [&](nursery&) -> task<> {
      auto body = [&](nursery& n) -> task<> {
        auto c = n.start(child_spec("far",
                                    [&]() -> task<> {
                                      co_await checkpoint();
                                      if (++lives < 20) throw std::runtime_error("x");
                                    })
                             .restart(restart::transient)
                             .backoff(b)
                             .on(placement::any_loop));
        co_await c.wait();
        CHECK(c.restarts() == 19);
      };
      co_await with_nursery({.budget = generous}, body);
    });
    CHECK(lives == 20);
  }
}

TEST_CASE("children on real loops are started again there, again and again") {
  std::atomic<int> lives{0}, moved{0};
  const auto r = run(quiet(3), [&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      for (int i = 0; i < 6; ++i)
        n.start(child_spec("far",
                           [&, tries = 0, home = std::thread::id()]() mutable -> task<> {
                             if (tries++ == 0) home = std::this_thread::get_id();
                             if (home != std::this_thread::get_id()) ++moved;
                             co_await checkpoint();
                             ++lives;
                             if (tries < 100) throw std::runtime_error("x");
                           })
                    .restart(restart::transient)
                    .backoff(at_once)
                    .on(placement::any_loop));
      co_return;
    };
    co_await with_nursery({.budget = generous}, body);
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(lives == 600);
  CHECK(moved == 0);
}

TEST_CASE("an exception from a factory is the child's failure, and restarts like one") {
  int made = 0;
  std::optional<outcome> end;
  const auto r = run_and_see([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto c = n.start(child_spec("worker",
                                  [&]() -> task<> { // no coroutine
                                    if (++made < 4) throw std::runtime_error("no child");
                                    return []() -> task<> { co_return; }();
                                  })
                           .restart(restart::transient)
                           .backoff(at_once));
      co_await c.wait();
      end = c.result();
    };
    co_await with_nursery({.budget = generous}, body);
  });
  CHECK(r.run.how() == run_result::kind::completed);
  CHECK(made == 4);
  REQUIRE(end);
  CHECK(end->kind == how::completed);
}

TEST_CASE("S3 a significant child's end stops the nursery in good order") {
  std::string trace;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      n.start(child_spec("helper", [&]() -> task<> {
        mark m(trace, 'h');
        co_await sleep_for(1h);
      }));
      n.start(child_spec("main", [&]() -> task<> {
                mark m(trace, 'm');
                co_await sleep_for(1s);
              }).significant());
      co_await sleep_for(1h);
    };
    co_await with_nursery(body);
  });
  CHECK(trace == "mh");
  CHECK(took == 1s);
}

TEST_CASE("a child's callable and arguments die with the child, not with the last handle") {
  child handle;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      handle = n.start(
          child_spec("worker", [c = counted()](counted&) -> task<> { co_return; }, counted()));
      co_return;
    };
    co_await with_nursery(body);
    CHECK(handle.ended());
    CHECK(counted::live == 0);
  });
  CHECK(handle.name() == "worker");
}

TEST_CASE("C8, X9, pain 2: 500 children fail on one upstream: one unit, and one launch for all") {
  failure_domain upstream({.restarts = 3, .within = 5s}, steady);
  bool is_up = true;
  int lives = 0;
  std::vector<clock_duration> relaunched;
  run_clean([&](nursery&) -> task<> {
    const auto begin = now();
    auto client = [&]() -> task<> {
      if (++lives > 500) relaunched.push_back(now() - begin);
      while (is_up) co_await sleep_for(100ms);
      throw std::runtime_error("upstream is down");
    };
    auto pool = [&](nursery& n) -> task<> {
      for (int i = 0; i < 100; ++i)
        n.start(child_spec("client", client).restart(restart::permanent).domain(upstream));
      co_await sleep_for(1h);
      CHECK(n.statistics().restarted == 100);
      n.cancel();
    };
    auto pools = [&](nursery& n) -> task<> {
      for (int i = 0; i < 5; ++i)
        n.start([&]() -> task<> {
          co_await with_nursery({.name = "pool", .budget = {0, 1s}}, pool); // none of its own
        });
      co_await sleep_for(10s);
      is_up = false;
      co_await sleep_for(500ms); // all have seen it
      is_up = true;
    };
    co_await with_nursery(pools);
  });
  CHECK(upstream.counts().outages == 1);
  CHECK(upstream.counts().failures == 500);
  CHECK(lives == 1000);
  REQUIRE(relaunched.size() == 500);
  CHECK(relaunched.front() == relaunched.back());
}

TEST_CASE("X9: an exhausted domain says its own budget") {
  failure_domain upstream({.restarts = 2, .within = 7s}, at_once);
  const auto r = run_and_see([&](nursery& n) -> task<> {
    n.start(child_spec("client",
                       []() -> task<> {
                         co_await sleep_for(1s);
                         throw std::runtime_error("upstream is down");
                       })
                .restart(restart::permanent)
                .domain(upstream));
    co_await sleep_for(1h);
  });
  REQUIRE(r.run.failures());
  CHECK(r.run.failures()->to_text().find("restart budget exhausted: 2 in 7 s") !=
        std::string::npos);
}

TEST_CASE("S2: a budget that is spent names all that spent it") {
  const auto fails = [](int times) {
    return [times, lives = 0]() mutable -> task<> {
      if (++lives <= times) throw std::runtime_error("no luck");
      co_await sleep_for(no_limit);
    };
  };
  const auto r = run_and_see([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      for (const auto& [name, times] : {std::pair("once", 1), std::pair("twice", 2)})
        n.start(child_spec(name, fails(times)).restart(restart::permanent).backoff(at_once));
      co_await sleep_for(1s);
      n.start(child_spec("last", fails(1)).restart(restart::permanent).backoff(at_once));
      co_await sleep_for(1h);
    };
    co_await with_nursery({.name = "pool", .budget = {3, 5s}}, body);
  });
  REQUIRE(r.run.failures());
  const auto text = r.run.failures()->to_text();
  CAPTURE(text);
  CHECK(text.find("last: restart budget exhausted: 3 in 5 s, spent by once and twice (2 times)") !=
        text.npos);
}

TEST_CASE("X9: an exhausted domain names the members that began its outages") {
  failure_domain upstream({.restarts = 2, .within = 7s}, at_once);
  const auto r = run_and_see([&](nursery& n) -> task<> {
    for (const char* name : {"a", "b", "c"})
      n.start(child_spec(name,
                         [name, lives = 0]() mutable -> task<> {
                           if (lives++) co_await sleep_for(1h);
                           co_await sleep_for((name[0] - 'a') * 1s);
                           throw std::runtime_error("upstream is down");
                         })
                  .restart(restart::permanent)
                  .domain(upstream));
    co_await sleep_for(1h);
  });
  REQUIRE(r.run.failures());
  const auto text = r.run.failures()->to_text();
  CAPTURE(text);
  CHECK(text.find("c: restart budget exhausted: 2 in 7 s, spent by test/a and test/b") !=
        text.npos);
}
