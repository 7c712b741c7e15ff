// What OTP's supervisor_SUITE demands, of real nurseries and children on virtual time. Random
// scripts of the real supervisor are played by tests/otp besides.
#include "runtime/messages/receive.hpp"
#include "runtime/supervision/otp.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/task/finally.hpp"
#include "tests/runtime/clean_run.hpp"

#include <algorithm>
#include <string>
#include <utility>

using namespace creche;
using namespace creche::testing;

namespace {

struct fail_now {};
struct finish_now {};

/// Who began and ended, in order: "+a +b -b".
using diary = std::string;

/// A child that lives until it is told otherwise, and takes `to_stop` to end in good order.
task<> live(diary& said, char name, clock_duration to_stop = 0s) {
  said += std::string(" +") + name;
  auto body = []() -> task<> {
    auto m = co_await receive<fail_now, finish_now>();
    if (std::holds_alternative<fail_now>(m)) throw std::runtime_error("told to fail");
  };
  auto cleanup = [&said, name, to_stop]() -> task<> {
    if (to_stop != 0s) co_await sleep_for(to_stop);
    said += std::string(" -") + name;
  };
  co_await finally(body, cleanup, 1h);
}

std::string taken(diary& l) { return std::exchange(l, {}); }

// A worker with OTP's defaults.
template <class F, class... A> child_spec worker(std::string_view name, restart r, F f, A... args) {
  return otp::worker(child_spec(name, std::move(f), std::move(args)...), r);
}
template <class F> child_spec worker(std::string_view name, F f) {
  return otp::worker(child_spec(name, std::move(f)));
}

constexpr budget three{3, 5s};

nursery_options with(strategy s) {
  auto o = otp::supervisor("sup", s);
  o.budget = three;
  return o;
}

child start(nursery& n, diary& said, char name, restart r = restart::permanent,
            clock_duration to_stop = 1s) {
  return n.start(worker(std::string(1, name), r,
                        [&said, name, to_stop] { return live(said, name, to_stop); }));
}

std::string state_of(nursery&, std::string_view name) {
  std::string found = "none";
  const auto look = [&](const auto& self, const tree_node& t) -> void {
    if (t.name == name) found = t.state;
    for (const auto& c : t.children) self(self, c);
  };
  look(look, tree());
  return found;
}

} // namespace

TEST_CASE("T17, O.sup_start_map: the otp preset has OTP's defaults") {
  const auto o = otp::supervisor("sup");
  CHECK(o.budget.restarts == 1);
  CHECK(o.budget.within == 5s);
  CHECK(o.strategy == strategy::one_for_one);
  CHECK(o.auto_shutdown == auto_shutdown::never);
  diary said;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto c = n.start(worker("a", [&said] { return live(said, 'a', 4999ms); }));
      co_await sleep_for(1s);
      c.send(finish_now{});
      co_await sleep_for(5s);
      CHECK(said == " +a -a +a"); // permanent, and at once
      n.stop();
    };
    co_await with_nursery(otp::supervisor("sup"), body);
  });
  CHECK(said == " +a -a +a -a"); // 5 s are enough
  CHECK(took == 6s + 4999ms);
}

TEST_CASE("O.one_for_all, S1: siblings end newest first, and start in the order of start") {
  diary said;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      start(n, said, 'a');
      co_await checkpoint(); // no two at once, whatever the seed
      auto b = start(n, said, 'b');
      start(n, said, 'c', restart::temporary);
      start(n, said, 'd');
      co_await sleep_for(1s);
      taken(said);
      b.send(fail_now{});
      co_await sleep_for(10s);
      CHECK(taken(said) == " -b -d -c -a +a +b +d");
      CHECK(b.restarts() == 1);
      n.cancel();
    };
    co_await with_nursery(with(strategy::one_for_all), body);
  });
}

TEST_CASE("O.rest_for_one, S1: earlier siblings keep their identity") {
  diary said;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto a = start(n, said, 'a');
      auto b = start(n, said, 'b');
      auto c = start(n, said, 'c');
      co_await sleep_for(1s);
      taken(said);
      b.send(fail_now{});
      co_await sleep_for(10s);
      CHECK(taken(said) == " -b -c +b +c");
      CHECK(a.restarts() == 0);
      CHECK(c.restarts() == 1);
      c.send(fail_now{});
      co_await sleep_for(10s);
      CHECK(taken(said) == " -c +c");
      n.cancel();
    };
    co_await with_nursery(with(strategy::rest_for_one), body);
  });
}

TEST_CASE("O.one_for_all: a transient child that is done rests, is shown so, and comes back") {
  diary said;
  run_clean([&](nursery&) -> task<> {
    child b;
    auto body = [&](nursery& n) -> task<> {
      auto a = start(n, said, 'a');
      b = start(n, said, 'b', restart::transient);
      co_await sleep_for(1s);
      b.send(finish_now{});
      co_await sleep_for(2s);
      CHECK(b.ended());
      CHECK(state_of(n, "b") == "done");
      CHECK(b.send(finish_now{}) == send_result::undelivered);
      a.send(fail_now{});
      co_await sleep_for(10s);
      CHECK(taken(said) == " +a +b -b -a +a +b");
      b.send(finish_now{});
      co_await sleep_for(2s);
      a.cancel();
      co_await b.wait(); // nobody can bring it back
      CHECK(b.result()->kind == how::completed);
    };
    co_await with_nursery(with(strategy::one_for_all), body);
    CHECK(b.restarts() == 1);
  });
}

TEST_CASE("S3: a sibling that does not stop in time for a restart is cancelled") {
  diary said;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto a = start(n, said, 'a', restart::permanent, 0s);
      start(n, said, 'b', restart::permanent, 5001ms);
      co_await sleep_for(1s);
      a.send(fail_now{});
      co_await a.wait();
    };
    co_await move_on_after(
        20s, [&]() -> task<> { co_await with_nursery(with(strategy::one_for_all), body); });
  });
  CHECK(took >= 20s);
  CHECK(said.starts_with(" +a +b -a -b +a +b"));
  CHECK(std::count(said.begin(), said.end(), '+') == 4); // they stay: the cancel was for one life
}

TEST_CASE("S3, O.brutal_kill: stop_within 0, and unlimited, in a restart of siblings") {
  diary said;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto a = start(n, said, 'a', restart::permanent, 0s);
      n.start(worker("b", [&said] { return live(said, 'b', 0s); }).stop_within(0s));
      n.start(worker("c", [&said] { return live(said, 'c', 1000s); }).stop_within(no_limit));
      co_await sleep_for(1s);
      taken(said);
      a.send(fail_now{});
      co_await sleep_for(1001s);
      CHECK(taken(said) == " -a -c -b +a +b +c");
      co_await sleep_for(1h);
      CHECK(taken(said) == "");
      n.cancel();
    };
    co_await with_nursery(with(strategy::one_for_all), body);
  });
}

TEST_CASE("O.one_for_one_escalation: a child that cannot be started again ends the supervisor") {
  for (const auto s : {strategy::one_for_one, strategy::one_for_all, strategy::rest_for_one}) {
    CAPTURE(to_text(s));
    diary said;
    int made = 0;
    const auto r = run_and_see([&](nursery&) -> task<> {
      auto body = [&](nursery& n) -> task<> {
        start(n, said, 'a', restart::permanent, 0s);
        n.start(worker("b", [&]() -> task<> {
           if (++made == 1) return live(said, 'b');
           throw std::runtime_error("cannot start");
         })).send(fail_now{});
        start(n, said, 'c', restart::permanent, 0s);
        co_await sleep_for(1h);
      };
      co_await with_nursery(with(s), body);
    });
    REQUIRE(r.run.failures());
    CHECK(r.run.failures()->to_text().find("restart budget exhausted: 3 in 5 s") !=
          std::string::npos);
    CHECK(r.run.failures()->to_text().find("cannot start") != std::string::npos);
    CHECK(made == 4); // three restarts
  }
}

TEST_CASE("O.rest_for_one_other_child_fails_restart: child 1 is not restarted again") {
  diary said;
  int made = 0;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto a = start(n, said, 'a');
      auto b = n.start(worker("b", [&]() -> task<> {
        if (++made == 2) throw std::runtime_error("cannot start, this time");
        return live(said, 'b');
      }));
      auto c = start(n, said, 'c');
      co_await sleep_for(1s);
      a.send(fail_now{});
      co_await sleep_for(20s);
      CHECK(a.restarts() == 1);
      CHECK(b.restarts() == 2);
      CHECK(!c.ended());
      CHECK(made == 3);
      n.cancel();
    };
    co_await with_nursery(with(strategy::rest_for_one), body);
  });
}

TEST_CASE("O.multiple_restarts: 1 in 1 s with 2.1 s between failures lives for ever") {
  int lives = 0;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto c = n.start(worker("a", [&]() -> task<> {
        ++lives;
        co_await sleep_for(2100ms);
        throw std::runtime_error("again");
      }));
      co_await sleep_for(100 * 2100ms + 1s);
      CHECK(c.restarts() == 100);
      n.cancel();
    };
    auto o = otp::supervisor("sup");
    o.budget = {1, 1s};
    co_await with_nursery(o, body);
  });
  CHECK(lives == 101);
}

TEST_CASE("O.hanging_restart_loop: while a child cannot start, the nursery answers") {
  int made = 0;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto a = n.start(child_spec("a",
                                  [&]() -> task<> {
                                    ++made;
                                    throw std::runtime_error("cannot start");
                                    co_return;
                                  })
                           .restart(restart::permanent)
                           .backoff({.first = 2s, .most = 2s, .jitter = 0}));
      co_await sleep_for(101s);
      CHECK(made == 51);
      CHECK(state_of(n, "a") == "waiting for restart");
      CHECK(n.live() == 1);
      auto other = n.start([]() -> task<> { co_return; });
      co_await other.wait();
      n.stop();
    };
    co_await with_nursery(body);
  });
}

TEST_CASE("O.tree: a restart from the top makes static children again, not the others") {
  diary said;
  nursery* inner = nullptr;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto sup = n.start(worker("sup", [&]() -> task<> {
        auto inside = [&](nursery& below) -> task<> {
          inner = &below;
          start(below, said, 's', restart::permanent, 0s);
          auto m = co_await receive<fail_now>();
          (void)m;
          throw std::runtime_error("from the top");
        };
        co_await with_nursery(with(strategy::one_for_one), inside);
      }));
      co_await sleep_for(1s);
      start(*inner, said, 'd', restart::permanent, 0s);
      co_await sleep_for(1s);
      CHECK(said == " +s +d");
      sup.send(fail_now{});
      co_await sleep_for(1s);
      CHECK(said.substr(6) != ""); // both have ended, in the order of a cancel
      CHECK(said.ends_with(" +s"));
      CHECK(inner->live() == 1);
      n.cancel();
    };
    co_await with_nursery(with(strategy::one_for_one), body);
  });
}

TEST_CASE("O.child_adm: a child that is stopped twice, and one that is not this nursery's") {
  diary said;
  run_clean([&](nursery& root) -> task<> {
    auto elsewhere = root.start([]() -> task<> { co_await sleep_for(no_limit); });
    auto body = [&](nursery& n) -> task<> {
      auto a = start(n, said, 'a');
      co_await sleep_for(1s);
      a.cancel();
      a.cancel();
      co_await a.wait();
      a.cancel(); // gone
      CHECK(a.restarts() == 0);
      CHECK(n.live() == 0);
      std::string text;
      try {
        (void)co_await n.monitor(elsewhere);
      } catch (const std::invalid_argument& e) {
        text = e.what();
      }
      CHECK(text == "monitor: not a child of this nursery");
    };
    co_await with_nursery(with(strategy::one_for_all), body);
    elsewhere.cancel();
  });
}

TEST_CASE("O.sup_flags / child_specs: a spec that makes no sense is refused, with its name") {
  run_clean([&](nursery& root) -> task<> {
    auto none = [](ready<int>) -> task<> { co_return; };
    auto plain = []() -> task<> { co_return; };
    const auto refused = [](auto& n, child_spec s) -> std::string {
      try {
        n.start(std::move(s));
      } catch (const std::invalid_argument& e) {
        return e.what();
      }
      return "";
    };
    CHECK(refused(root, child_spec("w", none).ready_within(0s)) ==
          "w: ready_within must be more than nothing");
    CHECK(refused(root, child_spec("w", none).ready_within(-1s)) ==
          "w: ready_within must be more than nothing");
    CHECK(refused(root, child_spec("w", plain).ready_within(1s)) ==
          "w: ready_within, but its function takes no ready<R>, so it cannot say that it is ready");
    CHECK(refused(root, worker("w", plain).significant()) ==
          "w: it is significant, and permanent: it never ends for good");
    auto body = [&](nursery& n) -> task<> {
      const auto spec = [&] { return worker("w", restart::temporary, plain).significant(); };
      const std::string said = "w: it is significant, and its nursery never shuts down by itself: "
                               "auto_shutdown is never";
      CHECK(refused(n, spec()) == said);
      auto remote = n.remote();
      CHECK(refused(remote, spec()) == said);
      CHECK(n.live() == 0);
      co_return;
    };
    co_await with_nursery(otp::supervisor("sup"), body);
  });
}

TEST_CASE("O25.auto_shutdown: any and all, of real children") {
  for (const auto a : {auto_shutdown::any, auto_shutdown::all}) {
    CAPTURE(to_text(a));
    diary said;
    bool stopped = true;
    run_clean([&](nursery&) -> task<> {
      auto body = [&](nursery& n) -> task<> {
        start(n, said, 'h', restart::permanent, 0s);
        const auto chief = [&](char name) {
          return n.start(worker(std::string(1, name), restart::temporary, [&said, name] {
                           return live(said, name);
                         }).significant());
        };
        auto x = chief('x');
        auto y = chief('y');
        x.send(fail_now{}); // a temporary child's failure is an end by itself, too
        co_await sleep_for(10s);
        y.send(finish_now{});
        co_await sleep_for(10s);
        stopped = false;
      };
      auto o = with(strategy::one_for_one);
      o.auto_shutdown = a;
      co_await with_nursery(o, body);
    });
    CHECK(stopped);
    CHECK(said.ends_with(" -h"));
    CHECK((said.find("-x") < said.find("-y")));
  }
}

TEST_CASE("O.do_not_save_start_parameters: what a temporary child was given goes with it") {
  run_clean([&](nursery& n) -> task<> {
    auto plain = n.start([](counted&&) -> task<> { co_return; }, counted());
    auto described =
        n.start(worker("t", restart::temporary, [](counted&) -> task<> { co_return; }, counted()));
    co_await plain.wait();
    co_await described.wait();
    CHECK(counted::live == 0); // though both have handles
  });
}

// ---- ready_within

TEST_CASE("S4: a child that is not ready in time has failed, and its starter hears why") {
  std::string said;
  const auto took = run_clean([&](nursery& n) -> task<> {
    auto spec = child_spec("slow", [](ready<int>) -> task<> { co_await sleep_for(1h); })
                    .ready_within(5s)
                    .restart(restart::permanent);
    auto begin = [&]() -> task<> { (void)co_await n.start_ready<int>(spec); };
    said = co_await error_of(begin);
    CHECK(n.live() == 0); // it is not restarted
  });
  CHECK(took == 5s);
  CHECK(said.find("not ready within 5 s") != std::string::npos);
}

TEST_CASE("S4, S2: the deadline holds in every incarnation, and spends the budget") {
  int lives = 0;
  clock_duration took{};
  const auto r = run_and_see([&](nursery&) -> task<> {
    const auto begin = now();
    auto body = [&](nursery& n) -> task<> {
      n.start(worker("slow", [&](ready<void> is_ready) -> task<> {
                if (++lives == 1) {
                  is_ready();
                  co_await sleep_for(60s);
                  throw std::runtime_error("a first life");
                }
                co_await sleep_for(1h);
              }).ready_within(4s));
      co_await sleep_for(1h);
    };
    auto o = otp::supervisor("sup");
    o.budget = {2, 1h};
    try {
      co_await with_nursery(o, body);
    } catch (const failure_group&) {
      took = now() - begin;
      throw;
    }
  });
  CHECK(lives == 3);
  CHECK(took == 60s + 4s + 4s);
  REQUIRE(r.run.failures());
  CHECK(r.run.failures()->to_text().find("not ready within 4 s") != std::string::npos);
  CHECK(r.run.failures()->to_text().find("sup/slow") != std::string::npos);
}

TEST_CASE("S5: a slow start blocks nobody, and is shown as starting until it is ready") {
  run_clean([&](nursery& n) -> task<> {
    bool sibling = false;
    auto slow = n.start(child_spec("slow", [](ready<int> is_ready) -> task<> {
                          co_await sleep_for(10s);
                          is_ready(1);
                          co_await sleep_for(10s);
                        }).ready_within(10001ms));
    n.start([&]() -> task<> {
      sibling = true;
      co_return;
    });
    co_await sleep_for(1s);
    CHECK(sibling);
    CHECK(state_of(n, "slow") == "starting");
    co_await sleep_for(10s);
    CHECK(state_of(n, "slow") == "running");
    co_await slow.wait();
    CHECK(slow.result()->kind == how::completed);
  });
}

TEST_CASE("S5: a group's restart takes one that is starting, and its starter hears of it") {
  diary said;
  std::string heard;
  run_clean([&](nursery& root) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto a = start(n, said, 'a', restart::permanent, 0s);
      auto starter = root.start([&]() -> task<> { // no sibling: it would end, too
        auto spec = worker("slow", [](ready<int>) -> task<> { co_await sleep_for(1h); });
        auto begin = [&]() -> task<> { (void)co_await n.start_ready<int>(spec); };
        heard = co_await error_of(begin);
      });
      co_await sleep_for(1s);
      a.send(fail_now{});
      co_await starter.wait();
      CHECK(heard.find("before it was ready") != std::string::npos);
      CHECK(n.live() == 1); // it is no more
      n.cancel();
    };
    co_await with_nursery(with(strategy::one_for_all), body);
  });
}
