// Scopes from outside and over time: handles, receipts, reasons, shields, deadlines that move.
#include "runtime/supervision/nursery.hpp"
#include "runtime/sync/channel.hpp"
#include "runtime/task/finally.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

#include <random>
#include <thread>

using namespace creche;
using namespace creche::testing;

namespace {

task<> sleep_long() { co_await sleep_for(1h); }

// Cannot be stopped; ends by itself.
class stubborn_op {
public:
  explicit stubborn_op(clock_duration d) noexcept : d_(d) {}
  class awaiter final : public creche::detail::leaf_awaiter, timer {
  public:
    awaiter(creche::detail::task_run& r, clock_duration d) noexcept : leaf_awaiter(r), d_(d) {
      fire = [](timer& t) {
        auto& self = static_cast<awaiter&>(t);
        self.run_.ready(self);
      };
    }
    bool await_ready() const noexcept { return false; }
    void await_resume() const noexcept {}
    const char* kind() const noexcept override { return "stubborn"; }
    creche::detail::aborted abort() noexcept override { return creche::detail::aborted::refused; }

  private:
    void begin_wait() override {
      run_.arm(*this, later(run_.now(), d_));
      run_.wait(*this);
    }
    clock_duration d_;
  };
  awaiter bind(creche::detail::task_run& r) const noexcept { return {r, d_}; }

private:
  clock_duration d_;
};

} // namespace

TEST_CASE("X4: every cancel of a scope answers with exactly one receipt") {
  run_clean([](nursery& n) -> task<> {
    cancel_scope::handle h;
    auto stopped = [&](cancel_scope& s) -> task<> {
      h = s.remote();
      co_await sleep_for(1h);
    };
    n.start([&]() -> task<> {
      co_await sleep_for(1s);
      CHECK(!h.ended());
      CHECK(co_await h.cancel_and_wait("test") == receipt::cancelled);
      CHECK(h.ended());
      CHECK(co_await h.cancel_and_wait("again") == receipt::already_done);
    });
    CHECK(!co_await move_on_after(2h, stopped));
    co_await sleep_for(1s);

    auto completes = [&](cancel_scope& s) -> task<int> {
      h = s.remote();
      auto no_checkpoint = [&]() -> task<> { co_await sleep_for(2s); };
      co_await shielded(1h, no_checkpoint);
      co_return 3;
    };
    n.start([&]() -> task<> {
      co_await sleep_for(1s);
      CHECK(co_await h.cancel_and_wait() == receipt::completed_first);
    });
    CHECK(co_await move_on_after(2h, completes) == 3);
    co_await sleep_for(1s);

    auto refuses = [&](cancel_scope& s) -> task<> {
      h = s.remote();
      co_await stubborn_op(5s);
      co_await checkpoint();
    };
    n.start([&]() -> task<> {
      co_await sleep_for(1s);
      CHECK(co_await h.cancel_and_wait() == receipt::refused);
    });
    CHECK(!co_await move_on_after(2h, refuses));
  });
}

TEST_CASE("X4: a scope is cancelled from another loop and from a foreign thread") {
  const auto r = run(quiet(2), [](nursery& n) -> task<> {
    cancel_scope::handle h;
    auto body = [&](cancel_scope& s) -> task<> {
      h = s.remote();
      auto other = [h]() -> task<> {
        CHECK(co_await h.cancel_and_wait("from another loop") == receipt::cancelled);
      };
      n.start(child_spec("other", other).on(placement::any_loop));
      co_await sleep_for(1h);
    };
    CHECK(!co_await move_on_after(2h, body));
    auto again = [&](cancel_scope& s) -> task<> {
      std::thread([h = s.remote()] { h.cancel("from a thread"); }).join();
      co_await sleep_for(1h);
    };
    CHECK(!co_await move_on_after(2h, again));
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("T19: the first reason wins, later ones are kept behind it") {
  run_clean([](nursery&) -> task<> {
    auto body = [](cancel_scope& s) -> task<> {
      CHECK(s.reasons().empty());
      s.cancel();
      s.cancel("a");
      s.cancel("b");
      CHECK(s.reasons().size() == 2);
      CHECK(s.reasons()[0].what == "a");
      CHECK(s.reasons()[1].what == "b");
      for (int i = 0; i < 1000; ++i) s.cancel("many");
      CHECK(s.reasons().size() == 16);
      co_return;
    };
    co_await move_on_after(1h, body);
    auto late = [](cancel_scope& s) -> task<> {
      auto cleanup = [&]() -> task<> {
        CHECK(s.reasons().front().what == "deadline");
        co_return;
      };
      co_await finally(sleep_long, cleanup);
    };
    CHECK(!co_await move_on_after(1s, late));
  });
}

TEST_CASE("T.cancel_shielding: a shield hides outer cancels, not its own, and can be switched") {
  const auto took = run_clean([](nursery&) -> task<> {
    std::string trace;
    auto outer = [&](cancel_scope& o) -> task<> {
      auto inner = [&](cancel_scope& s) -> task<> {
        s.shield(true);
        CHECK(s.shielded());
        o.cancel();
        co_await checkpoint();
        co_await sleep_for(1s);
        trace += 's';
        s.shield(false);
        s.shield(true);
        co_await sleep_for(1s);
        trace += 't';
        s.shield(false);
        co_await checkpoint();
        trace += '!';
      };
      co_await move_on_after(1h, inner);
      trace += '!';
    };
    CHECK(!co_await move_on_after(1h, outer));
    CHECK(trace == "st");
    auto own = [](cancel_scope& s) -> task<> {
      s.cancel();
      co_await checkpoint();
    };
    CHECK(!co_await shielded(1h, own));
    CHECK(!co_await shielded(1s, sleep_long));
  });
  CHECK(took == 3s);
}

TEST_CASE("T.cancel_shielding: what sleeps under a shield wakes up when the shield is lifted") {
  const auto took = run_clean([](nursery& n) -> task<> {
    auto outer = [&](cancel_scope& o) -> task<> {
      auto inner = [&](cancel_scope& s) -> task<> {
        s.shield(true);
        n.start([&]() -> task<> {
          co_await sleep_for(1s);
          o.cancel();
          co_await sleep_for(1s);
          s.shield(false);
        });
        co_await sleep_for(1h);
      };
      co_await move_on_after(2h, inner);
    };
    CHECK(!co_await move_on_after(3h, outer));
  });
  CHECK(took == 2s);
}

TEST_CASE("T.cancel_shielding: a shield in the turn of the cancel comes too late for who sleeps") {
  std::string trace;
  const auto took = run_clean([&](nursery&) -> task<> {
    cancel_scope *outer = nullptr, *inner = nullptr;
    auto sleeper = [&](cancel_scope& s) -> task<> {
      inner = &s;
      co_await sleep_for(1h);
      trace += "slept ";
    };
    auto around = [&](cancel_scope& s) -> task<> {
      outer = &s;
      (void)co_await move_on_after(no_limit, sleeper);
      trace += "inside ";
    };
    auto worker = [&]() -> task<> {
      CHECK(!co_await move_on_after(no_limit, around));
      trace += "behind";
    };
    auto body = [&](nursery& n) -> task<> {
      n.start(worker);
      co_await sleep_for(1s);
      outer->cancel();
      inner->shield(true);
    };
    co_await with_nursery(body);
  });
  CHECK(trace == "behind");
  CHECK(took == 1s);
}

TEST_CASE("T.cancel_shielding: nor does it keep the children of a nursery that waits for them") {
  std::string trace;
  const auto took = run_clean([&](nursery&) -> task<> {
    cancel_scope *outer = nullptr, *inner = nullptr;
    auto family = [](nursery& n) -> task<> {
      n.start(sleep_long);
      co_return;
    };
    auto waits = [&](cancel_scope& s) -> task<> {
      inner = &s;
      co_await with_nursery(family);
      trace += "waited";
    };
    auto around = [&](cancel_scope& s) -> task<> {
      outer = &s;
      (void)co_await move_on_after(no_limit, waits);
    };
    auto worker = [&]() -> task<> { (void)co_await move_on_after(no_limit, around); };
    auto body = [&](nursery& n) -> task<> {
      n.start(worker);
      co_await sleep_for(1s);
      outer->cancel();
      inner->shield(true);
    };
    co_await with_nursery(body);
  });
  CHECK(trace == "waited"); // the nursery catches what it cannot see further out (Trio)
  CHECK(took == 1s);
}

TEST_CASE("T.cancel_shielding: nor what is open in a nursery inside, not as Trio has it") {
  std::string trace;
  const auto took = run_clean([&](nursery& n) -> task<> {
    auto late = [&](cancel_scope& s) -> task<> {
      auto family = [&](nursery&) -> task<> {
        n.cancel();
        s.shield(true);
        co_await sleep_for(1s);
        trace += "slept ";
      };
      co_await with_nursery(family);
      trace += "family ";
      co_await sleep_for(1s); // only what was open had heard of it
      trace += "shielded";
    };
    co_await move_on_after(no_limit, late);
  });
  CHECK(trace == "family shielded");
  CHECK(took == 1s);
}

TEST_CASE("T.basic_timeout: a deadline moves both ways, and one in the past cancels at once") {
  const auto took = run_clean([](nursery&) -> task<> {
    auto body = [](cancel_scope& s) -> task<> {
      CHECK(s.deadline() == later(now(), 1s));
      s.deadline_in(5s);
      co_await sleep_for(3s);
      CHECK(!s.cancel_called());
      s.deadline_in(no_limit);
      co_await sleep_for(10s);
      s.deadline_at(now());
      CHECK(s.cancel_called());
      s.deadline_in(1h); // no effect any more
      co_await checkpoint();
      FAIL("went on");
    };
    CHECK(!co_await move_on_after(1s, body));
    CHECK(!co_await move_on_at(later(now(), 2s), sleep_long));
    CHECK(!co_await move_on_at(now() - 1s, sleep_long));
    CHECK(!co_await move_on_at(time_point::min(), sleep_long));
  });
  CHECK(took == 15s);
}

TEST_CASE("T7: fail_after and fail_at throw too_slow, and give the value otherwise") {
  run_clean([](nursery&) -> task<> {
    auto value = []() -> task<int> { co_return 2; };
    CHECK(co_await fail_after(1s, value) == 2);
    CHECK_THROWS_AS(co_await fail_after(1s, sleep_long), too_slow);
    CHECK_THROWS_AS(co_await fail_at(later(now(), 1s), sleep_long), too_slow);
    CHECK_THROWS_AS(co_await fail_after(-1s, sleep_long), too_slow);
    std::error_code code;
    try {
      co_await fail_after(1s, sleep_long);
    } catch (const std::system_error& e) {
      code = e.code();
      CHECK(std::string(e.what()).find("scope_handle_test.cpp") != std::string::npos);
    }
    CHECK((code == errc::timed_out));
    // a stop from further out is no timeout
    auto inside = []() -> task<> { co_await fail_after(1h, sleep_long); };
    CHECK(!co_await move_on_after(1s, inside));
  });
}

TEST_CASE(
    "T.current_effective_deadline: the earliest that no shield hides; the past if cancelled") {
  run_clean([](nursery&) -> task<> {
    const auto start = now();
    CHECK(co_await effective_deadline() == time_point::max());
    auto outer = [&](cancel_scope& o) -> task<> {
      auto inner = [&](cancel_scope& i) -> task<> {
        CHECK(co_await effective_deadline() == later(start, 10s));
        i.deadline_at(later(start, 5s));
        CHECK(co_await effective_deadline() == later(start, 5s));
        i.deadline_in(no_limit);
        i.shield(true);
        CHECK(co_await effective_deadline() == time_point::max());
        o.cancel();
        CHECK(co_await effective_deadline() == time_point::max());
        i.shield(false);
        CHECK(co_await effective_deadline() == time_point::min());
      };
      co_await move_on_after(1h, inner);
    };
    co_await move_on_after(10s, outer);
  });
}

TEST_CASE("T.very_deep_cancel_scope_nesting: 20 000 scopes and nurseries are stopped in no time") {
  struct nest {
    static task<> scopes(int depth) {
      if (depth == 0) co_return co_await sleep_for(1h);
      auto inner = [depth]() -> task<> { co_await scopes(depth - 1); };
      co_await move_on_after(no_limit, inner);
    }
    static task<> nurseries(int depth) {
      if (depth == 0) co_return co_await sleep_for(1h);
      co_await with_nursery([depth](nursery&) -> task<> { co_await nurseries(depth - 1); });
    }
  };
  run_clean([](nursery&) -> task<> {
    CHECK(!co_await move_on_after(1s, [] { return nest::scopes(20'000); }));
    CHECK(!co_await move_on_after(1s, [] { return nest::nurseries(20'000); }));
  });
}

TEST_CASE("T.cancel_scope_nesting: a cancel of the whole task in the same turn is the outer one") {
  run_clean([](nursery&) -> task<> {
    bool caught = false;
    auto body = [&](nursery& m) -> task<> {
      m.start([&]() -> task<> {
        auto inner = [&](cancel_scope& s) -> task<> {
          s.cancel();
          m.cancel(); // tells this task by letter, but means it at once
          co_await checkpoint();
        };
        co_await move_on_after(1h, inner);
        caught = true;
      });
      co_await sleep_long();
    };
    co_await with_nursery(body);
    CHECK(!caught);
  });
}

TEST_CASE("T19: scopes that others cancel and shield at any moment lose no item and no wake-up") {
  struct listed {
    std::vector<cancel_scope*>& open;
    cancel_scope* scope;
    listed(std::vector<cancel_scope*>& o, cancel_scope& s) : open(o), scope(&s) {
      open.push_back(&s);
    }
    listed(const listed&) = delete;
    ~listed() { std::erase(open, scope); }
  };
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 dice(seed);
    const auto below = [&](std::size_t n) { return std::size_t(dice() % n); };
    std::uint64_t sent = 0, got = 0, left = 0;
    const auto r = run_virtual({.seed = seed}, [&](nursery&) -> task<> {
      channel<int> c(below(3));
      std::vector<cancel_scope*> open;
      bool done = false;
      auto inner = [&](cancel_scope& s) -> task<> {
        const listed here(open, s);
        if (co_await c.receive())
          ++got;
        else
          done = true;
      };
      auto outer = [&](cancel_scope& s) -> task<> {
        const listed here(open, s);
        (void)co_await move_on_after(no_limit, inner);
      };
      auto receiver = [&]() -> task<> {
        while (!done) (void)co_await move_on_after(no_limit, outer);
      };
      auto body = [&](nursery& n) -> task<> {
        n.start(receiver);
        n.start(receiver);
        for (int i = 0; i < 200; ++i) {
          auto* s = open.empty() ? nullptr : open[below(open.size())];
          switch (below(5)) {
          case 0:
            if (s) s->cancel();
            break;
          case 1:
            if (s) s->shield(true);
            break;
          case 2:
            if (s) s->shield(false);
            break;
          case 3: sent += c.try_send(1); break;
          case 4: co_await sleep_for(1ms); break;
          }
        }
        c.close();
      };
      co_await with_nursery(body);
      left = c.statistics().buffered;
    });
    INFO("seed ", seed);
    REQUIRE(r.deadlock == "");
    REQUIRE(sent == got + left);
  }
}

TEST_CASE("T2: a cancelled scope is seen again and again, by every later checkpoint") {
  run_clean([](nursery&) -> task<> {
    int stops = 0;
    auto body = [&](cancel_scope& s) -> task<> {
      s.cancel();
      for (int i = 0; i < 3; ++i) {
        auto inner = [&]() -> task<> { co_await checkpoint(); };
        auto count = [&]() -> task<> {
          ++stops;
          co_return;
        };
        co_await finally(inner, count);
      }
    };
    CHECK(!co_await move_on_after(1h, body));
    CHECK(stops == 1); // it unwinds: there is no way to go on
  });
}
