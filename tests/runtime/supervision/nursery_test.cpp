// Nurseries through real actors: who starts, who ends, in which order, and what is told of it.
#include "runtime/sync/event.hpp"
#include "runtime/task/finally.hpp"
#include "tests/runtime/clean_run.hpp"

#include <memory>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

task<> sleep_long() { co_await sleep_for(1000h); }
task<> fail_later(clock_duration d, const char* what) {
  co_await sleep_for(d);
  throw std::runtime_error(what);
}

/// What with_nursery(body) throws.
template <class F> task<std::optional<failure_group>> failures_of(F& body) {
  std::optional<failure_group> caught;
  try {
    co_await with_nursery(body);
  } catch (const failure_group& g) {
    caught = g;
  }
  co_return caught;
}

} // namespace

TEST_CASE("a nursery ends when its body and all its children have ended") {
  int ended = 0;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      for (int i = 0; i < 1000; ++i)
        n.start([&, i]() -> task<> {
          co_await sleep_for(1ms * (i % 50));
          ++ended;
        });
      CHECK(n.live() == 1000);
      co_return;
    };
    co_await with_nursery(body);
    CHECK(ended == 1000);
  });
  CHECK(took == 49ms);
}

TEST_CASE("an empty nursery ends at once, 10^4 of them in a row and 10^3 nested") {
  run_clean([](nursery&) -> task<> {
    for (int i = 0; i < 10'000; ++i) co_await with_nursery([](nursery&) -> task<> { co_return; });
    struct nest {
      static task<> in(int depth) {
        if (depth == 0) co_return;
        auto body = [depth](nursery&) -> task<> { co_await in(depth - 1); };
        co_await with_nursery(body);
      }
    };
    co_await nest::in(1000);
  });
}

TEST_CASE("T3 start is sync: a child's first turn comes later, in the order of the starts") {
  std::string trace;
  run_clean([&](nursery& n) -> task<> {
    for (char c : {'a', 'b', 'c'})
      n.start([&trace, c]() -> task<> {
        trace += c;
        co_return;
      });
    trace += '|';
    co_return;
  });
  CHECK(trace == "|abc");
}

TEST_CASE("T4 arguments are copied into the child, and die with it") {
  run_clean([](nursery& n) -> task<> {
    n.start(
        [](counted& c, const std::string& s) -> task<> {
          co_await sleep_for(1s);
          CHECK(c.text + s == "an argument that lives on the heap!");
        },
        counted("an argument that lives on the heap"), std::string("!"));
    n.start([c = counted()]() -> task<> {
      co_await sleep_for(1s);
      CHECK(!c.text.empty());
    });
    n.start(
        [p = std::make_unique<int>(4)](std::unique_ptr<int> q) -> task<> {
          CHECK(*p + *q == 9);
          co_return;
        },
        std::make_unique<int>(5));
    co_await sleep_for(500ms);
    CHECK(counted::live == 2);
    co_await sleep_for(1s);
    CHECK(counted::live == 0);
  });
}

TEST_CASE("a callable of any size is kept by its child") {
  run_clean([](nursery& n) -> task<> {
    int sum = 0;
    auto sized = [&]<std::size_t N>(std::integral_constant<std::size_t, N>) {
      std::array<unsigned char, N> data;
      data.fill(1);
      n.start([&sum, data]() -> task<> {
        co_await checkpoint();
        for (auto x : data) sum += x;
      });
    };
    sized(std::integral_constant<std::size_t, 1>());
    sized(std::integral_constant<std::size_t, 40>());
    sized(std::integral_constant<std::size_t, 100>());
    sized(std::integral_constant<std::size_t, 360>());
    sized(std::integral_constant<std::size_t, 5000>());
    co_await sleep_for(1s);
    CHECK(sum == 5501);
  });
}

TEST_CASE("T5 a child's failure cancels its siblings and the body, waits for them, and is thrown") {
  std::string trace;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      for (char c : {'a', 'b'})
        n.start([&trace, c]() -> task<> {
          mark m(trace, c);
          co_await sleep_long();
        });
      n.start(fail_later, 1s, "child");
      mark m(trace, 'm');
      co_await sleep_long();
    };
    const auto g = co_await failures_of(body);
    REQUIRE(g);
    CHECK(g->failures().size() == 1);
    CHECK(g->failures()[0].what() == "child");
    CHECK(g->failures()[0].path() == "test/nursery/#3");
    CHECK(g->find<std::runtime_error>());
    CHECK(!g->find<std::logic_error>());
  });
  CHECK(trace.size() == 3);
}

TEST_CASE("the group holds the failures of the body and of all children, also the late ones") {
  run_clean([](nursery&) -> task<> {
    event now;
    auto first = [&]() -> task<> {
      co_await now.wait();
      throw std::runtime_error("first");
    };
    auto second = [&]() -> task<> {
      auto wait = []() -> task<> { co_await sleep_for(1h); };
      auto fail = []() -> task<> {
        co_await sleep_for(1s);
        throw std::logic_error("second");
      };
      co_await finally(wait, fail);
    };
    auto body = [&](nursery& n) -> task<> {
      n.start(first);
      n.start(second);
      co_await sleep_for(1s);
      now.set();
      throw std::runtime_error("body");
    };
    const auto g = co_await failures_of(body);
    REQUIRE(g);
    CHECK(g->failures().size() == 3);
    CHECK(g->find<std::logic_error>());
    const auto text = g->to_text();
    for (auto what : {"first", "second", "body"}) CHECK(text.find(what) != text.npos);
  });
}

TEST_CASE("a body's exception cancels the children, and the nursery waits for them") {
  bool child_gone = false;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      n.start([&]() -> task<> {
        struct gone {
          bool& b;
          ~gone() { b = true; }
        } x{child_gone};
        co_await sleep_long();
      });
      co_await sleep_for(1s);
      throw std::runtime_error("body");
    };
    const auto g = co_await failures_of(body);
    REQUIRE(g);
    CHECK(child_gone);
    CHECK(g->failures()[0].path() == "test/nursery");
  });
}

TEST_CASE("a body that cannot be made fails the nursery, after the children that it started") {
  bool child_gone = false;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> { // no coroutine
      n.start([&]() -> task<> {
        struct gone {
          bool& b;
          ~gone() { b = true; }
        } x{child_gone};
        co_await sleep_long();
      });
      throw std::runtime_error("no body");
    };
    const auto g = co_await failures_of(body);
    REQUIRE(g);
    CHECK(g->failures()[0].what() == "no body");
  });
  CHECK(child_gone);
}

TEST_CASE("a child that is cancelled before its first turn runs to its first checkpoint") {
  std::string trace;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      n.start([&]() -> task<> {
        mark m(trace, 'd');
        trace += '1';
        co_await checkpoint();
        trace += '2';
      });
      n.cancel();
      co_return;
    };
    co_await with_nursery(body);
  });
  CHECK(trace == "1d");
}

TEST_CASE("failures nest: an inner group is the cause of the outer one's failure") {
  run_clean([](nursery&) -> task<> {
    auto outer = [](nursery& n) -> task<> {
      n.start(child_spec("middle", []() -> task<> {
        auto inner = [](nursery& m) -> task<> {
          m.start(child_spec("leaf", fail_later, 1s, "deep"));
          co_await sleep_long();
        };
        co_await with_nursery({.name = "inner"}, inner);
      }));
      co_return;
    };
    const auto g = co_await failures_of(outer);
    REQUIRE(g);
    REQUIRE(g->failures()[0].causes().size() == 1);
    CHECK(g->failures()[0].path() == "test/nursery/middle");
    CHECK(g->failures()[0].causes()[0].path() == "test/nursery/middle/inner/leaf");
    CHECK(g->find<std::runtime_error>());
  });
}

TEST_CASE("an outer timeout cancels a whole tree, which ends before the scope goes on") {
  int cleaned = 0;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto leaf = [&]() -> task<> {
      struct clean {
        int& n;
        ~clean() { ++n; }
      } c{cleaned};
      co_await sleep_long();
    };
    auto branch = [&]() -> task<> {
      auto body = [&](nursery& n) -> task<> {
        for (int i = 0; i < 5; ++i) n.start(leaf);
        co_return; // waits for the children; nothing shields it
      };
      co_await with_nursery(body);
      CHECK(false);
    };
    auto tree = [&]() -> task<> {
      auto body = [&](nursery& n) -> task<> {
        for (int i = 0; i < 5; ++i) n.start(branch);
        auto inner = [&](nursery& m) -> task<> {
          m.start(leaf);
          co_await sleep_long();
        };
        co_await with_nursery(inner);
        CHECK(false);
      };
      co_await with_nursery(body);
      CHECK(false);
    };
    CHECK(!co_await move_on_after(2s, tree));
    CHECK(cleaned == 26);
  });
  CHECK(took == 2s);
}

TEST_CASE(
    "a nursery that opens in a cancelled scope cancels its children, whatever its body does") {
  const auto took = run_clean([](nursery&) -> task<> {
    int reached = 0;
    auto tree = [&]() -> task<> {
      auto body = [&](nursery& n) -> task<> {
        n.start([&]() -> task<> {
          ++reached;
          co_await sleep_long();
        });
        co_return; // no checkpoint
      };
      co_await with_nursery(body);
      CHECK(false);
    };
    CHECK(!co_await move_on_after(0s, tree));
    CHECK(reached == 1);
  });
  CHECK(took == 0s);
}

TEST_CASE("cancel ends body and children, and the task behind the nursery goes on") {
  run_clean([](nursery&) -> task<> {
    auto body = [](nursery& n) -> task<> {
      n.start(sleep_long);
      n.start([&n]() -> task<> {
        co_await sleep_for(1s);
        n.cancel();
        n.cancel();
        co_await sleep_long();
      });
      co_await sleep_long();
    };
    co_await with_nursery(body);
    co_await sleep_for(1s); // and is itself not cancelled
  });
}

TEST_CASE("children that are started in a cancelled nursery are cancelled as well") {
  int reached = 0;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      n.cancel();
      for (int i = 0; i < 3; ++i)
        n.start([&]() -> task<> {
          ++reached;
          co_await checkpoint();
          ++reached;
        });
      co_await sleep_long();
    };
    co_await with_nursery(body);
  });
  CHECK(reached == 3);
}

TEST_CASE(
    "S1 the orderly stop ends the body, then the children in reverse order, one after the other") {
  std::string trace;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      for (char c : {'a', 'b', 'c'})
        n.start(child_spec(std::string(1, c), [&trace, c]() -> task<> {
          mark m(trace, c);
          co_await sleep_long();
        }));
      mark m(trace, 'm');
      co_await sleep_for(1s);
      n.stop();
      trace += '|';
      co_await sleep_long();
    };
    co_await with_nursery(body);
  });
  CHECK(trace == "|mcba");
}

TEST_CASE("S1 the orderly stop waits for a child's end before it turns to the next one") {
  std::string trace;
  run_clean([&](nursery&) -> task<> {
    stubborn slow;
    auto body = [&](nursery& n) -> task<> {
      n.start(child_spec("a", [&]() -> task<> {
        mark m(trace, 'a');
        co_await sleep_long();
      }));
      n.start(child_spec("b", [&]() -> task<> {
                mark m(trace, 'b');
                co_await slow;
              }).stop_within(no_limit));
      n.start(child_spec("c", [&]() -> task<> {
        mark m(trace, 'c');
        co_await sleep_long();
      }));
      co_await sleep_for(1s);
      n.stop();
      co_await sleep_long();
    };
    auto with_watcher = [&](nursery& n) -> task<> {
      n.start([&]() -> task<> {
        co_await sleep_for(10s);
        trace += '|';
        slow.finish(1);
      });
      co_await with_nursery(body);
    };
    co_await with_nursery(with_watcher);
  });
  CHECK(trace == "c|ba");
}

TEST_CASE("a start during the orderly stop, with a child alive, is refused") {
  run_clean([](nursery&) -> task<> {
    int refused = 0;
    auto body = [&](nursery& n) -> task<> {
      n.start(child_spec("old", []() -> task<> { co_await sleep_long(); }));
      n.start(child_spec("slow", [&]() -> task<> {
        struct late_starter {
          nursery& n;
          int& refused;
          ~late_starter() {
            try {
              n.start([c = counted()]() -> task<> { co_return; });
            } catch (const nursery_closed& e) {
              refused += e.code() == errc::nursery_closed;
            }
            try {
              n.start(child_spec("x", [](counted&) -> task<> { co_return; }, counted()));
            } catch (const nursery_closed&) {
              ++refused;
            }
          }
        } l{n, refused};
        co_await sleep_long();
      }));
      co_await sleep_for(1s);
      n.stop();
      co_await checkpoint();
    };
    co_await with_nursery(body);
    CHECK(refused == 2);
    CHECK(counted::live == 0);
  });
}

TEST_CASE("what a nursery keeps lives until its last child has ended") {
  std::string trace;
  run_clean([&](nursery&) -> task<> {
    struct kept {
      std::string* trace;
      kept(std::string* t) : trace(t) {}
      kept(kept&& o) noexcept : trace(std::exchange(o.trace, nullptr)) {}
      ~kept() {
        if (trace) *trace += 'k';
      }
    };
    auto body = [&](nursery& n) -> task<> {
      auto& k = n.keep(kept(&trace));
      n.start([&trace, &k]() -> task<> {
        co_await sleep_for(1s);
        *k.trace += 'c';
        (void)trace;
      });
      co_return;
    };
    co_await with_nursery(body);
    trace += 'e';
  });
  CHECK(trace == "cke");
}

TEST_CASE("T6 a nursery's statistics count what happened to its children") {
  run_clean([](nursery&) -> task<> {
    auto body = [](nursery& n) -> task<> {
      n.start([]() -> task<> { co_return; });
      auto c = n.start(sleep_long);
      n.start(child_spec("ignored", fail_later, 0s, "x").ignore_failure());
      co_await sleep_for(1s);
      c.cancel();
      co_await sleep_for(1s);
      n.start(sleep_long);
      const auto s = n.statistics();
      CHECK(s.live == 1);
      CHECK(s.started == 4);
      CHECK(s.completed == 1);
      CHECK(s.cancelled == 1);
      CHECK(s.failed == 1);
      CHECK(s.ignored == 1);
      CHECK(s.restarted == 0);
      n.cancel();
    };
    co_await with_nursery(body);
  });
}

TEST_CASE(
    "children on another loop run there, are cancelled from here, and end before the nursery") {
  int there = 0, gone = 0;
  run_clean({.loops = 3}, [&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      for (int i = 0; i < 300; ++i)
        n.start(child_spec("far", [&]() -> task<> {
                  ++there; // one thread pumps all loops here
                  struct leaves {
                    int& n;
                    ~leaves() { ++n; }
                  } l{gone};
                  co_await sleep_long();
                }).on(placement::any_loop));
      co_await sleep_for(1s);
      CHECK(there == 300);
      n.cancel();
    };
    co_await with_nursery(body);
    CHECK(gone == 300);
  });
}

TEST_CASE("options that make no sense are refused with a sentence") {
  run_clean([](nursery& n) -> task<> {
    auto refused = [&](child_spec s) -> std::string {
      try {
        n.start(std::move(s));
      } catch (const std::invalid_argument& e) {
        return e.what();
      }
      return "";
    };
    auto spec = [] { return child_spec("worker", sleep_long); };
    CHECK(refused(spec().stop_within(-1s)) == "worker: stop_within is negative");
    CHECK(refused(spec().backoff({.first = -1s})) == "worker: backoff.first must not be negative");
    CHECK(refused(spec().backoff({.first = 2s, .most = 1s})) ==
          "worker: backoff.most must not be less than backoff.first");
    CHECK(refused(spec().backoff({.factor = 0.5})) ==
          "worker: backoff.factor must be a number of 1 or more");
    CHECK(n.live() == 0);

    std::string said;
    auto body = [](nursery&) -> task<> { co_return; };
    try {
      co_await with_nursery({.name = "pool", .budget = {3, -1s}}, body);
    } catch (const std::invalid_argument& e) {
      said = e.what();
    }
    CHECK(said == "pool: budget.within must be more than nothing");

    auto used = spec();
    auto taken = std::move(used);
    CHECK(refused(std::move(used)) == "start: the spec was used up");
  });
}

TEST_CASE("10^5 children start and end in one nursery, and ids come round again") {
  run_clean([](nursery& n) -> task<> {
    for (int i = 0; i < 100'000; ++i) {
      n.start([]() -> task<> { co_return; });
      if (i % 100 == 99) co_await checkpoint();
    }
    co_await sleep_for(1s);
    CHECK(n.live() == 0);
    CHECK(n.statistics().completed == 100'000);
  });
}

TEST_CASE("what a nursery keeps dies newest first, after its children") {
  std::string trace;
  struct kept {
    std::string* trace;
    char letter;
    kept(std::string& t, char c) : trace(&t), letter(c) {}
    kept(kept&& o) noexcept : trace(std::exchange(o.trace, nullptr)), letter(o.letter) {}
    ~kept() {
      if (trace) *trace += letter;
    }
  };
  run_clean([&](nursery& n) -> task<> {
    n.keep(kept(trace, 'a'));
    n.keep(kept(trace, 'b'));
    n.start([&]() -> task<> {
      mark m(trace, 'c');
      co_await sleep_for(1s);
    });
    co_return;
  });
  CHECK(trace == "cba");
}

TEST_CASE("S3: a child that is cancelled while it waits for its restart ends as cancelled") {
  run_clean([](nursery& n) -> task<> {
    auto fails = []() -> task<> {
      throw std::runtime_error("x");
      co_return;
    };
    auto c = n.start(
        child_spec("waits", fails).restart(restart::permanent).backoff({.first = 1h, .most = 1h}));
    co_await sleep_for(1s);
    CHECK(!c.ended());
    c.cancel();
    co_await c.wait();
    CHECK(c.result()->kind == how::cancelled);
    CHECK(n.statistics().cancelled == 1);
  });
}

TEST_CASE(
    "S7: a child that would start a sibling while its nursery stops is cancelled, not failed") {
  run_clean([](nursery& n) -> task<> {
    auto spawns = [&n]() -> task<> {
      for (;;) {
        auto wait = []() -> task<> { co_await sleep_for(10ms); };
        co_await shielded(1h, wait);
        n.start([]() -> task<> { co_return; });
      }
    };
    auto slow = []() -> task<> {
      auto wait = []() -> task<> { co_await sleep_for(100ms); };
      co_await shielded(1h, wait);
    };
    n.start(child_spec("spawns", spawns));
    co_await sleep_for(1ms);
    n.start(child_spec("slow", slow));
    interrupt();
    co_await sleep_for(1h);
  });
}

TEST_CASE("bad input: what is for a nursery's own loop says so, by its name, on another one") {
  run_clean(virtual_options{.loops = 2}, [](nursery& n) -> task<> {
    auto c = n.start([]() -> task<> { co_await sleep_for(1s); });
    auto says = [](const std::string& text, const char* what) {
      CHECK(text ==
            "nursery::" + std::string(what) + " was called from another thread than its loop's");
    };
    auto elsewhere = [&]() -> task<> {
      auto nothing_to_do = []() -> task<> { co_return; };
      auto monitors = [&]() -> task<> { co_await n.monitor(c); };
      says(co_await error_of(monitors), "monitor");
      child_spec waited("w", [](ready<int> r) -> task<> {
        r(1);
        co_return;
      });
      auto starts = [&]() -> task<> { co_await n.start_ready<int>(waited); };
      says(co_await error_of(starts), "start_ready");
      auto starts_all = [&]() -> task<> {
        n.start_all(child_spec("a", nothing_to_do));
        co_return;
      };
      says(co_await error_of(starts_all), "start_all");
      auto asks = [&]() -> task<> {
        n.remote();
        co_return;
      };
      says(co_await error_of(asks), "remote");
    };
    n.start(child_spec("elsewhere", elsewhere).on(placement::any_loop));
    co_await sleep_for(2s); // until it has ended: it uses what is here
  });
}

TEST_CASE("a nursery's start refuses another thread, and a used-up spec says so") {
  run_clean([](nursery& n) -> task<> {
    std::thread([&n] {
      CHECK_THROWS_AS(n.start([]() -> task<> { co_return; }), std::logic_error);
    }).join();
    auto nothing_to_do = []() -> task<> { co_return; };
    child_spec spec("once", nothing_to_do);
    CHECK(spec.name() == "once");
    n.start(std::move(spec));
    CHECK(!spec);
    CHECK(spec.name() == "");
    CHECK_THROWS_AS(std::move(spec).significant(), std::logic_error);
    co_return;
  });
}
