// The handle of a child: what it says, when it may be used, and by whom.
#include "runtime/interop/caf.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

#include <caf/send.hpp>

#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

task<> sleep_long() { co_await sleep_for(1000h); }

} // namespace

TEST_CASE("a handle stays valid after its child's end, and after the run") {
  child done, failed;
  std::thread::id home;
  run_clean({.loops = 2}, [&](nursery& n) -> task<> {
    done = n.start(child_spec("done", []() -> task<> { co_return; }));
    failed = n.start(child_spec("failed", []() -> task<> {
                       throw std::runtime_error("why");
                       co_return;
                     }).ignore_failure());
    CHECK(!done.ended());
    CHECK(!done.result());
    co_await sleep_for(1s);
    CHECK(done.ended());
  });
  const child copy = failed;
  std::thread([copy] {
    CHECK(copy.name() == "failed");
    CHECK(copy.ended());
    copy.cancel(); // nothing
    REQUIRE(copy.result());
    CHECK(copy.result()->kind == how::failed);
    REQUIRE(copy.result()->why);
    CHECK(copy.result()->why->what() == "why");
    CHECK(copy.result()->why->path() == "test/failed");
  }).join();
  CHECK(done.result()->kind == how::completed);
  CHECK(!done.result()->why);
  const child none;
  CHECK(!none);
  CHECK(none.ended());
  CHECK(!none.result());
  CHECK(none.name() == "");
  none.cancel();
}

TEST_CASE("T18 many tasks may wait for one child, on its loop and on others, and some give up") {
  int waited = 0, gave_up = 0;
  run_clean({.loops = 3}, [&](nursery& n) -> task<> {
    auto c = n.start(child_spec("c", []() -> task<> { co_await sleep_for(10s); }));
    for (int i = 0; i < 30; ++i) {
      auto waiter = [&, c, i]() -> task<> {
        auto wait = [&c]() -> task<> { co_await c.wait(); };
        if (co_await move_on_after(i % 3 ? 1h : 1s, wait))
          ++waited;
        else
          ++gave_up;
      };
      n.start(child_spec("w", waiter).on(i % 2 ? placement::any_loop : placement::here));
    }
    co_await c.wait();
    co_await c.wait(); // again
    child nobody;
    co_await nobody.wait();
    co_await sleep_for(1s);
    CHECK(waited == 20);
    CHECK(gave_up == 10);
  });
}

TEST_CASE("T18 waiting does not count as catching: the failure still ends the nursery") {
  const auto r = run_and_see([](nursery& n) -> task<> {
    auto c = n.start([]() -> task<> {
      throw std::runtime_error("x");
      co_return;
    });
    co_await c.wait();
    co_await sleep_long();
  });
  CHECK(r.run.exit_code() == 1);
}

TEST_CASE("a handle may be given to another child while somebody waits on it") {
  run_clean([](nursery& n) -> task<> {
    auto c = n.start([]() -> task<> { co_await sleep_for(2s); });
    n.start([&c, &n]() -> task<> {
      co_await sleep_for(1s);
      c = n.start([]() -> task<> { co_await sleep_for(10s); });
      c = child();
    });
    co_await c.wait(); // the one that it was
    CHECK(!c);
  });
}

TEST_CASE("wait lasts across restarts, until the logical child's end") {
  const auto took = run_clean([](nursery& n) -> task<> {
    int lives = 0;
    auto body = [&lives](nursery& m) -> task<> {
      auto c = m.start(child_spec("c",
                                  [&lives]() -> task<> {
                                    co_await sleep_for(1s);
                                    if (++lives < 3) throw std::runtime_error("x");
                                  })
                           .restart(restart::transient)
                           .backoff({.first = 1s, .most = 1s, .jitter = 0}));
      co_await c.wait();
      CHECK(lives == 3);
    };
    co_await with_nursery(body);
    (void)n;
  });
  CHECK(took == 5s);
}

TEST_CASE("cancel from many threads at once, while children come and go, loses nobody") {
  int wrong = 0;
  const auto r = run(quiet(2), [&](nursery& n) -> task<> {
    for (int round = 0; round < 100; ++round) {
      std::vector<child> all;
      for (int i = 0; i < 20; ++i)
        all.push_back(n.start(child_spec("c", [i]() -> task<> {
                                if (i % 2) co_return;
                                co_await sleep_long();
                              }).on(i % 3 ? placement::any_loop : placement::here)));
      std::thread a([&] {
        for (auto& c : all) c.cancel();
      });
      std::thread b([&] {
        for (auto i = all.rbegin(); i != all.rend(); ++i) i->cancel();
      });
      for (auto& c : all) co_await c.wait();
      a.join();
      b.join();
      for (std::size_t i = 0; i < all.size(); ++i) {
        const auto how_it_ended = all[i].result()->kind;
        if (i % 2 == 0 && how_it_ended != how::cancelled) ++wrong;
      }
    }
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(wrong == 0);
}

TEST_CASE("waits for a child's end cross loops, and meet timeouts and the end in every order") {
  std::atomic<int> waited{0}, gave_up{0};
  const auto r = run(quiet(3), [&](nursery& n) -> task<> {
    for (int round = 0; round < 200; ++round) {
      auto c = n.start(child_spec("c", [round]() -> task<> {
                         co_await sleep_for(std::chrono::microseconds(round));
                       }).on(round % 2 ? placement::any_loop : placement::here));
      std::vector<child> waiters;
      for (int i = 0; i < 6; ++i)
        waiters.push_back(n.start(child_spec("w", [&, c, i, round]() -> task<> {
                                    auto wait = [&c]() -> task<> { co_await c.wait(); };
                                    const bool over = bool(co_await move_on_after(
                                        i % 2 ? 1h : clock_duration(round * 1'000), wait));
                                    CHECK((!over || c.ended()));
                                    ++(over ? waited : gave_up);
                                  }).on(placement::any_loop)));
      for (auto& w : waiters) co_await w.wait();
    }
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(waited + gave_up == 1200);
  CHECK(waited >= 600);
}

TEST_CASE("T18 a wait for a child of another system outlives neither system's end") {
  std::atomic<int> waited{0}, gave_up{0};
  const auto other = run(quiet(2), [&](nursery& n) -> task<> {
    for (int round = 0; round < 60; ++round) {
      const auto c = n.start(child_spec("c", sleep_long).on(placement::any_loop));
      std::atomic<bool> waits{false};
      std::thread t([&] { // a system of its own, whose end and the child's race
        auto wait = [&]() -> task<> {
          set(waits, true);
          co_await c.wait();
        };
        const auto r = run(quiet(1), [&](nursery&) -> task<> {
          const bool over =
              bool(co_await move_on_after(std::chrono::microseconds(round * 3), wait));
          ++(over ? waited : gave_up);
        });
        CHECK(r.how() == run_result::kind::completed);
        set(waits, true);
      });
      await(waits, true);
      c.cancel();
      co_await c.wait();
      t.join();
    }
  });
  CHECK(other.how() == run_result::kind::completed);
  CHECK(waited + gave_up == 60);
}

TEST_CASE("a task that CAF kills has failed: its nursery answers for it") {
  std::optional<outcome> end;
  const auto r = run_and_see([&](nursery& n) -> task<> {
    auto c = n.start(child_spec("victim", sleep_long));
    co_await sleep_for(1s);
    caf::anon_send_exit(actor_of(c), caf::exit_reason::kill);
    co_await c.wait();
    end = c.result();
    co_await sleep_long();
  });
  REQUIRE(end);
  CHECK(end->kind == how::killed);
  CHECK(end->why->code() == errc::killed);
  CHECK(r.run.exit_code() == 1);
  CHECK(r.run.failures()->to_text().find("test/victim: killed from outside") != std::string::npos);
}

TEST_CASE("A13 a task that completes before the kill bites has completed") {
  stubborn op;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> { co_await op; });
    co_await sleep_for(1s);
    caf::anon_send_exit(actor_of(c), caf::exit_reason::kill);
    co_await sleep_for(1s);
    CHECK(!c.ended());
    op.finish(1);
    co_await c.wait();
    CHECK(c.result()->kind == how::completed);
  });
}
