// S4: a child says that it is ready, and what its starter hears in every other case.
#include "tests/runtime/clean_run.hpp"

#include <memory>

using namespace creche;
using namespace creche::testing;

namespace {

/// What `co_await n.start_ready<int>(spec)` throws, as text; "" if it throws nothing.
task<std::string> refusal(nursery& n, child_spec& spec) {
  std::string said;
  try {
    co_await n.start_ready<int>(spec);
  } catch (const std::exception& e) {
    said = e.what();
  }
  co_return said;
}

} // namespace

TEST_CASE("S4 start_ready waits for the child's value, and the child goes on") {
  bool ended = false;
  const auto took = run_clean([&](nursery& n) -> task<> {
    auto spec = child_spec(
        "server",
        [&](ready<int> r, int x) -> task<> {
          co_await sleep_for(2s);
          r(x + 1);
          r(0); // once is enough
          co_await sleep_for(3s);
          ended = true;
        },
        41);
    auto s = co_await n.start_ready<int>(spec);
    CHECK(s.value == 42);
    CHECK(s.child.name() == "server");
    CHECK(!s.child.ended());
    co_await s.child.wait();
    CHECK(ended);
  });
  CHECK(took == 5s);
}

TEST_CASE("S4 the value may be nothing, or move-only, and come from another loop") {
  run_clean({.loops = 2}, [](nursery& n) -> task<> {
    auto quiet = child_spec("quiet", [](ready<void> r) -> task<> {
      r();
      co_return;
    });
    auto c = co_await n.start_ready<void>(quiet);
    CHECK(c.name() == "quiet");
    auto boxed = child_spec("boxed", [](ready<std::unique_ptr<counted>> r) -> task<> {
                   co_await sleep_for(1s);
                   r(std::make_unique<counted>("a value that lives on the heap of its own"));
                   co_await sleep_for(1s);
                 }).on(placement::any_loop);
    auto s = co_await n.start_ready<std::unique_ptr<counted>>(boxed);
    CHECK(s.value->text == "a value that lives on the heap of its own");
  });
  CHECK(counted::live == 0);
}

TEST_CASE("S4 a child that fails before it is ready fails its starter, and nobody else") {
  run_clean([](nursery& n) -> task<> {
    int lives = 0;
    auto spec = child_spec("server", [&](ready<int>) -> task<> {
                  ++lives;
                  co_await sleep_for(1s);
                  throw std::runtime_error("the port is in use");
                }).restart(restart::permanent);
    CHECK(co_await refusal(n, spec) == "the port is in use");
    co_await sleep_for(1h);
    CHECK(lives == 1);
    CHECK(n.live() == 0);
  });
}

TEST_CASE("S4 a child that ends before it is ready, or cannot be made, says so") {
  run_clean([](nursery& n) -> task<> {
    auto ends = child_spec("server", [](ready<int>) -> task<> { co_return; });
    CHECK(co_await refusal(n, ends) ==
          "test/server completed before it was ready: ended before it was ready");
    auto broken = child_spec(
        "server", [](ready<int>) -> task<> { throw std::runtime_error("no coroutine"); });
    CHECK(co_await refusal(n, broken) == "no coroutine");
    CHECK(co_await refusal(n, ends) == "start: the spec was used up");
  });
}

TEST_CASE("S4 a child that fails after it was ready is its nursery's business") {
  const auto end = run_and_see([](nursery& n) -> task<> {
    auto spec = child_spec("server", [](ready<int> r) -> task<> {
      r(1);
      co_await sleep_for(1s);
      throw std::runtime_error("later");
    });
    co_await n.start_ready<int>(spec);
    co_await sleep_for(1h);
    CHECK(false);
  });
  REQUIRE(end.run.failures());
  CHECK(end.run.failures()->failures()[0].what() == "later");
}

TEST_CASE("S4 after a restart nobody waits, and ready does nothing") {
  run_clean([](nursery&) -> task<> {
    int lives = 0;
    auto body = [&](nursery& n) -> task<> {
      auto spec = child_spec("server", [&](ready<int> r) -> task<> {
                    r(++lives);
                    if (lives < 3) throw std::runtime_error("again");
                    co_return;
                  }).restart(restart::transient);
      auto s = co_await n.start_ready<int>(spec);
      CHECK(s.value == 1);
      co_await s.child.wait();
    };
    co_await with_nursery(body);
    CHECK(lives == 3);
  });
}

TEST_CASE("S4 a starter that is cancelled during the hand-over ends the child, and waits for it") {
  stubborn slow;
  std::string trace;
  const auto took = run_clean([&](nursery& n) -> task<> {
    n.start([&]() -> task<> {
      co_await sleep_for(10s);
      slow.finish(1);
    });
    auto starter = [&]() -> task<> {
      mark m(trace, 's');
      auto spec = child_spec("server", [&](ready<int>) -> task<> {
        mark k(trace, 'c');
        co_await slow; // refuses
        co_await checkpoint();
      });
      co_await n.start_ready<int>(spec);
      trace += '!';
    };
    CHECK(!co_await move_on_after(1s, starter));
    CHECK(trace == "cs");
  });
  CHECK(took == 10s);
}

TEST_CASE(
    "S4 a value that is said when its starter has given up comes too late, also if the child has "
    "not seen its cancel") {
  run_clean([](nursery& n) -> task<> {
    stubborn slow;
    int got = 0;
    bool ended = false;
    n.start([&]() -> task<> {
      co_await sleep_for(10s);
      slow.finish(1);
    });
    auto starter = [&]() -> task<> {
      auto spec = child_spec("server", [&](ready<int> r) -> task<> {
        co_await slow;
        r(7); // no checkpoint in between
        ended = true;
        co_return;
      });
      got = (co_await n.start_ready<int>(spec)).value;
    };
    CHECK(!co_await move_on_after(1s, starter));
    CHECK(got == 0);
    CHECK(ended); // it was waited for
  });
}

TEST_CASE("S4: a child that has said its value stays, also if its starter is cancelled just then") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) { // who has the next turn is drawn
    CAPTURE(seed);
    bool got = false, completed = false;
    run_clean({.seed = seed}, [&](nursery& n) -> task<> {
      nursery* of_the_starter = nullptr;
      child_spec spec("server", [&](ready<int> say) -> task<> {
        say(7);
        of_the_starter->cancel(); // the value is on its way
        co_await sleep_for(1s);
        completed = true;
      });
      auto starter = [&](nursery& inner) -> task<> {
        of_the_starter = &inner;
        got = (co_await n.start_ready<int>(spec)).value == 7;
      };
      co_await with_nursery(starter);
    });
    CHECK(got);
    CHECK(completed);
  }
}

TEST_CASE("S4 start_ready in a nursery that stops, and in one that is cancelled") {
  run_clean([](nursery&) -> task<> {
    std::string said;
    int reached = 0;
    stubborn hold;
    auto body = [&](nursery& n) -> task<> {
      n.start([&]() -> task<> { // outlives the stop of the body
        co_await hold;
      });
      n.start([&]() -> task<> {
        co_await sleep_for(1s);
        n.stop(); // the body is gone, this task is the next to stop: not before its checkpoint
        auto spec = child_spec("late", [](ready<int> r) -> task<> {
          r(1);
          co_return;
        });
        try {
          co_await n.start_ready<int>(spec);
        } catch (const nursery_closed&) {
          said = "closed";
        }
        hold.finish(1);
      });
      co_await sleep_for(1h);
    };
    co_await with_nursery(body);
    CHECK(said == "closed");
    auto cancelled = [&](nursery& n) -> task<> {
      n.cancel();
      auto spec = child_spec("late", [&](ready<int>) -> task<> {
        ++reached;
        co_return;
      });
      co_await n.start_ready<int>(spec); // a checkpoint: it does not even start
      CHECK(false);
    };
    co_await with_nursery(cancelled);
    CHECK(reached == 0);
  });
}

TEST_CASE("S4 between real loops a hand-over is answered, or given up, and nothing is lost") {
  int delivered = 0, stopped = 0;
  const auto end = run(quiet(2), [&](nursery& n) -> task<> {
    for (int round = 0; round < 300; ++round) {
      auto spec = child_spec("server", [round](ready<counted> r) -> task<> {
                    for (int i = 0; i < round % 5; ++i) co_await checkpoint();
                    r(counted("a value made on the child's loop"));
                    co_await sleep_for(1ms);
                  }).on(placement::any_loop);
      auto starter = [&]() -> task<> {
        auto s = co_await n.start_ready<counted>(spec);
        if (s.value.text == "a value made on the child's loop") ++delivered;
        s.child.cancel();
        co_await s.child.wait();
      };
      if (!co_await move_on_after(std::chrono::microseconds(round), starter)) ++stopped;
    }
  });
  CHECK(end.how() == run_result::kind::completed);
  CHECK(delivered + stopped >= 300); // a value may be delivered and the rest of the body stopped
  CHECK(counted::live == 0);
}

TEST_CASE("S5 a slow start does not hold up the siblings") {
  std::string trace;
  run_clean([&](nursery& n) -> task<> {
    auto slow = child_spec("slow", [&](ready<int> r) -> task<> {
      co_await sleep_for(5s);
      trace += 's';
      r(1);
    });
    n.start([&]() -> task<> {
      co_await sleep_for(1s);
      trace += 'f';
    });
    co_await n.start_ready<int>(slow);
    trace += 'r';
  });
  CHECK(trace == "fsr");
}

TEST_CASE("T.nursery_start: a failure before ready wins over the stop of its starter") {
  run_clean([](nursery&) -> task<> {
    auto body = [](nursery& n) -> task<> {
      auto fails = [](ready<int>) -> task<> {
        auto wait = []() -> task<> { co_await sleep_for(2s); };
        co_await shielded(1h, wait);
        throw std::runtime_error("the real failure");
      };
      child_spec spec("late", fails);
      co_await n.start_ready<int>(spec);
    };
    auto in_time = [&]() -> task<> { co_await with_nursery(body); };
    bool seen = false;
    try {
      co_await move_on_after(1s, in_time);
    } catch (const failure_group& g) {
      seen = g.find<std::runtime_error>() != nullptr;
    }
    CHECK(seen);
  });
}

// ---- a starter that gives up

TEST_CASE("S4: a child that its starter's limit has cancelled does not become ready") {
  run_clean([](nursery&) -> task<> {
    bool value = false;
    auto body = [&](nursery& n) -> task<> {
      child_spec spec("db", [](ready<int> say) -> task<> {
        auto slow = []() -> task<> { co_await sleep_for(2s); };
        co_await shielded(1h, slow);
        say(5);
        co_await sleep_for(1h);
      });
      auto start = [&]() -> task<> {
        (void)co_await n.start_ready<int>(spec);
        value = true;
      };
      const bool in_time = co_await move_on_after(1s, start);
      CHECK(!in_time);
      CHECK(n.live() == 0); // it was waited for
    };
    co_await with_nursery(body);
    CHECK(!value);
  });
}

TEST_CASE("S4: what a child fails with when its starter has given up is its starter's") {
  run_clean([](nursery& n) -> task<> {
    child_spec spec("db", [](ready<int> say) -> task<> {
      auto slow = []() -> task<> { co_await sleep_for(2s); };
      co_await shielded(1h, slow);
      say(5); // too late
      throw std::runtime_error("too late for this");
    });
    std::string said;
    auto start = [&]() -> task<> { (void)co_await n.start_ready<int>(spec); };
    auto limited = [&]() -> task<> { (void)co_await move_on_after(1s, start); };
    said = co_await error_of(limited);
    CHECK(said == "too late for this");
    CHECK(n.statistics().failed == 0);
  });
}

TEST_CASE("S4: when the nursery is cancelled, a child may still become ready for its starter") {
  run_clean([](nursery& n) -> task<> {
    int value = 0;
    auto body = [&](nursery& target) -> task<> {
      n.start([&]() -> task<> {
        child_spec spec("db", [](ready<int> say) -> task<> {
          auto slow = []() -> task<> { co_await sleep_for(2s); };
          co_await shielded(1h, slow);
          say(5);
        });
        value = (co_await target.start_ready<int>(spec)).value;
      });
      co_await sleep_for(1s);
      target.cancel();
      co_await sleep_for(1h);
    };
    co_await with_nursery({.name = "target"}, body);
    co_await checkpoint();
    CHECK(value == 5);
  });
}

TEST_CASE("S4, T7: who waits is told why the nursery of its child was cancelled") {
  run_clean([](nursery& n) -> task<> {
    std::string said;
    auto body = [&](nursery& target) -> task<> {
      n.start([&]() -> task<> {
        child_spec spec("db", [](ready<int>) -> task<> { co_await sleep_for(1h); });
        said = co_await refusal(target, spec);
      });
      co_await sleep_for(1s);
      target.cancel("the disk is full");
      co_await sleep_for(1h);
    };
    co_await with_nursery({.name = "target"}, body);
    co_await checkpoint();
    CHECK(said.find("db cancelled before it was ready (the disk is full)") != std::string::npos);
  });
}

// ---- what it says

namespace {
task<> listens(ready<double> say) {
  say(8080);
  co_await sleep_for(1s);
}
} // namespace

TEST_CASE("S4: a child that says another type than its starter waits for is refused") {
  run_clean([](nursery& n) -> task<> {
    int lives = 0;
    child_spec function("listener", listens);
    CHECK(co_await refusal(n, function) ==
          "listener: start_ready<int> of a child that takes a ready<double>");
    child_spec closure("text", [&](const ready<std::string>&) -> task<> {
      ++lives;
      co_return;
    });
    CHECK((co_await refusal(n, closure))
              .find("text: start_ready<int> of a child that takes a "
                    "ready<") == 0);
    child_spec nothing("nothing", [&](ready<void>) -> task<> {
      ++lives;
      co_return;
    });
    CHECK(co_await refusal(n, nothing) ==
          "nothing: start_ready<int> of a child that takes a ready<void>");
    child_spec none("none", [&]() -> task<> {
      ++lives;
      co_return;
    });
    CHECK(co_await refusal(n, none) == "none: start_ready of a child that takes no ready<R>");
    CHECK(lives == 0);
    CHECK(n.statistics().started == 0);
  });
}

namespace {
// Two functions: which of them is called is not known before.
struct either {
  task<> operator()(ready<std::string> say) const {
    say("text");
    co_return;
  }
  task<> operator()(int) const { co_return; }
};
} // namespace

TEST_CASE("S4: where the type is not known before it runs, the child fails before it says it") {
  run_clean([](nursery& n) -> task<> {
    child_spec spec("either", either());
    CHECK((co_await refusal(n, spec))
              .find("either: start_ready<int> of a child that takes a "
                    "ready<") == 0);
  });
}

TEST_CASE("S4: start_ready<void> takes any answer, and drops it") {
  run_clean([](nursery& n) -> task<> {
    child_spec spec("boxed", [](ready<std::unique_ptr<counted>> say) -> task<> {
      say(std::make_unique<counted>());
      co_await sleep_for(1s);
    });
    const auto c = co_await n.start_ready<void>(spec);
    CHECK(counted::live == 0);
    CHECK(!c.ended());
  });
}

namespace {
// Of value 1, throws when it is handed over.
struct throws_once {
  int value, moves = 0;
  explicit throws_once(int given) : value(given) {}
  throws_once(throws_once&& other) : value(other.value), moves(other.moves + 1) {
    if (value == 1 && moves == 2) throw std::runtime_error("moved");
  }
};
} // namespace

TEST_CASE("S4 a child whose answer throws on its way is not ready, and may say so again") {
  run_clean([](nursery& n) -> task<> {
    auto spec = child_spec("server", [](ready<throws_once> r) -> task<> {
      CHECK_THROWS_AS(r(throws_once(1)), std::runtime_error);
      r(throws_once(2));
      co_await sleep_for(1h);
    });
    auto [value, c] = co_await n.start_ready<throws_once>(spec);
    CHECK(value.value == 2);
    c.cancel();
  });
}
