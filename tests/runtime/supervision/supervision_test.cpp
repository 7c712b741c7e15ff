// Strategies with real children: who is restarted with whom, in which order, and what handles say.
#include "runtime/supervision/otp.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/testing/probe.hpp"
#include "tests/runtime/clean_run.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

constexpr budget plenty{1000, 1s};

// What the workers did, in order: "a" began, "A" is gone.
struct diary {
  std::string text;
  std::string took() { return std::exchange(text, {}); }
  task<> work(char name) {
    struct stay {
      std::string& text;
      char name;
      stay(std::string& t, char n) : text(t), name(n) { text += n; }
      stay(const stay&) = delete;
      ~stay() { text += char(name - 'a' + 'A'); }
    } here(text, name);
    co_await sleep_for(1000h);
  }
  child_spec worker(char name, restart r = restart::permanent) {
    auto f = [this, name] { return work(name); };
    return otp::worker(child_spec(std::string(1, name), f), r);
  }
};

nursery_options group(strategy s) { return {.name = "group", .budget = plenty, .strategy = s}; }

} // namespace

TEST_CASE("S1: a crash restarts its group: ends newest first, starts in order") {
  const std::pair<strategy, const char*> all[] = {{strategy::one_for_one, "Bb"},
                                                  {strategy::one_for_all, "BCAabc"},
                                                  {strategy::rest_for_one, "BCbc"}};
  for (const auto& [s, expected] : all) {
    diary d;
    run_clean([&](nursery&) -> task<> {
      auto body = [&](nursery& n) -> task<> {
        auto a = n.start(d.worker('a')), b = n.start(d.worker('b')), c = n.start(d.worker('c'));
        co_await sleep_for(1s);
        CHECK(d.took() == "abc");
        crash(b);
        co_await sleep_for(1s);
        CHECK(d.took() == expected);
        CHECK(b.restarts() == 1);
        CHECK(a.restarts() == (s == strategy::one_for_all));
        CHECK(!c.ended());
        n.cancel();
      };
      co_await with_nursery(group(s), body);
    });
  }
}

TEST_CASE("S3: a member that ignores its stop is cancelled, and then runs again like the others") {
  diary d;
  int lives = 0;
  run_clean([&](nursery&) -> task<> {
    auto stubborn = [&]() -> task<> {
      ++lives;
      auto deaf = []() -> task<> { co_await sleep_for(20s); };
      co_await shielded(1h, deaf);
      co_await sleep_for(1000h);
    };
    auto body = [&](nursery& n) -> task<> {
      auto a = n.start(d.worker('a'));
      auto b = n.start(otp::worker(child_spec("stubborn", stubborn)));
      co_await sleep_for(1s);
      crash(a);
      co_await sleep_for(15s);
      CHECK(lives == 1); // told to stop, then cancelled after 5 s; its shield holds for 20
      co_await sleep_for(10s);
      CHECK(lives == 2);
      co_await sleep_for(100s);
      CHECK(lives == 2);
      CHECK(!b.ended());
      CHECK(d.took() == "aAa");
      n.cancel();
    };
    co_await with_nursery(group(strategy::one_for_all), body);
  });
}

TEST_CASE("S8: who is done counts as ended, and lives again when its group restarts") {
  int runs = 0;
  diary d;
  run_clean([&](nursery&) -> task<> {
    auto once = [&]() -> task<> {
      ++runs;
      co_await sleep_for(1s);
    };
    auto body = [&](nursery& n) -> task<> {
      auto a = n.start(d.worker('a'));
      auto job = n.start(otp::worker(child_spec("job", once), restart::transient));
      co_await job.wait();
      CHECK(job.ended());
      CHECK(job.result()->kind == how::completed);
      CHECK(job.send(1) == send_result::undelivered);
      crash(a);
      co_await sleep_for(1ms);
      CHECK(!job.ended());
      CHECK(!job.result());
      CHECK(runs == 2);
      CHECK((co_await n.monitor(job)).kind == how::completed);
      job.cancel(); // it will not run again
      crash(a);
      co_await sleep_for(1s);
      CHECK(runs == 2);
      CHECK(co_await job.cancel_and_wait() == receipt::already_done);
      a.cancel();
    }; // a done child would not keep it open
    co_await with_nursery(group(strategy::one_for_all), body);
  });
}

TEST_CASE("S4: a child that is not ready yet when its group restarts is told to its starter only") {
  diary d;
  bool told = false;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto a = n.start(d.worker('a'));
      auto later = [&]() -> task<> {
        co_await sleep_for(1s);
        crash(a);
      };
      n.start(otp::worker(child_spec("later", later), restart::temporary));
      auto slow = [](ready<int>) -> task<> { co_await sleep_for(1h); };
      auto spec = otp::worker(child_spec("slow", slow));
      try {
        co_await n.start_ready<int>(spec);
      } catch (const std::system_error& e) {
        told = e.code() == errc::not_ready;
      }
      co_await sleep_for(1s);
      CHECK(n.live() == 1);
      n.cancel();
    };
    co_await with_nursery(group(strategy::one_for_all), body);
  });
  CHECK(told);
}

TEST_CASE("S1: a nursery of nurseries: the inner one is stopped whole, and rebuilt") {
  diary d;
  run_clean([&](nursery&) -> task<> {
    auto inner = [&]() -> task<> {
      auto body = [&](nursery& n) -> task<> {
        n.start(d.worker('x'));
        n.start(d.worker('y'));
        co_return;
      };
      co_await with_nursery(group(strategy::one_for_one), body);
    };
    auto body = [&](nursery& n) -> task<> {
      auto a = n.start(d.worker('a'));
      n.start(otp::worker(child_spec("inner", inner)));
      co_await sleep_for(1s);
      const auto first = d.took();
      CHECK(first.size() == 3);
      crash(a);
      co_await sleep_for(1s);
      const auto then = d.took();
      CHECK(then.substr(0, 1) == "A");
      CHECK(std::count(then.begin(), then.end(), 'X') == 1);
      CHECK(std::count(then.begin(), then.end(), 'x') == 1);
      CHECK(then.find('X') < then.find('a'));
      n.cancel();
    };
    co_await with_nursery(group(strategy::one_for_all), body);
  });
}

TEST_CASE("O.multiple_restarts: with OTP's defaults the second crash in 5 s ends the nursery") {
  for (const auto pause : {4s, 6s}) {
    diary d;
    bool gave_up = false;
    run_clean([&](nursery&) -> task<> {
      auto body = [&](nursery& n) -> task<> {
        auto a = n.start(d.worker('a'));
        co_await sleep_for(1s);
        crash(a);
        co_await sleep_for(pause);
        crash(a);
        co_await sleep_for(1s);
        n.cancel();
      };
      try {
        co_await with_nursery(otp::supervisor("sup"), body);
      } catch (const failure_group& g) {
        gave_up = g.to_text().find("restart budget exhausted: 1 in 5 s") != std::string::npos;
      }
    });
    CHECK(gave_up == (pause == 4s));
  }
}

TEST_CASE("O.child_specs: what makes no sense is refused with a sentence") {
  run_clean([](nursery& outer) -> task<> {
    auto nothing = []() -> task<> { co_return; };
    const auto complaint = [&](nursery& n, child_spec s) -> std::string {
      try {
        n.start(std::move(s));
      } catch (const std::invalid_argument& e) {
        return e.what();
      }
      return "";
    };
    CHECK(complaint(outer, child_spec("w", nothing).restart(restart::permanent).significant())
              .find("w: it is significant, and permanent") == 0);
    CHECK(complaint(outer, child_spec("w", nothing).stop_within(-1ns)) ==
          "w: stop_within is negative");
    auto body = [&](nursery& n) -> task<> {
      CHECK(complaint(n, child_spec("w", nothing).significant()).find("auto_shutdown is never") !=
            std::string::npos);
      co_return;
    };
    co_await with_nursery(otp::supervisor("sup"), body);
  });
}
