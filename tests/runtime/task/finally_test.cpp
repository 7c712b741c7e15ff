// finally: the clean-up runs however the body ends, shielded, and not for ever.
#include "runtime/task/finally.hpp"

#include "runtime/supervision/nursery.hpp"
#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

// What a clean-up and its body did, in order.
struct diary {
  std::string text;
  task<> sleep(char done, clock_duration d) {
    mark stopped(text, char(done - 'a' + 'A')); // upper case: gone, by its end or by a stop
    co_await sleep_for(d);
    text += done;
  }
};

} // namespace

TEST_CASE("finally: after a value, an exception and a stop the clean-up has run") {
  diary l;
  run_clean([&](nursery&) -> task<> {
    auto value = []() -> task<int> { co_return 4; };
    auto cleanup = [&] { return l.sleep('c', 1s); };
    CHECK(co_await finally(value, cleanup) == 4);
    CHECK(l.text == "cC");

    auto fails = []() -> task<> {
      co_await sleep_for(1s);
      throw std::runtime_error("body");
    };
    std::string what;
    try {
      co_await finally(fails, cleanup);
    } catch (const std::runtime_error& e) {
      what = e.what();
    }
    CHECK(what == "body");
    CHECK(l.text == "cCcC");

    l.text.clear();
    auto whole = [&]() -> task<> {
      auto body = [&] { return l.sleep('b', 1h); };
      co_await finally(body, cleanup);
      l.text += '!';
    };
    CHECK(!co_await move_on_after(1s, whole));
    CHECK(l.text == "BcC");
  });
}

TEST_CASE("finally: a body that could not even be made is cleaned up after") {
  diary l;
  run_clean([&](nursery&) -> task<> {
    auto unmade = []() -> task<> { throw std::logic_error("no body"); };
    auto cleanup = [&] { return l.sleep('c', 1s); };
    CHECK_THROWS_AS(co_await finally(unmade, cleanup), std::logic_error);
    auto body = []() -> task<> { co_return; };
    CHECK_THROWS_AS(co_await finally(body, unmade), std::logic_error);
  });
  CHECK(l.text == "cC");
}

TEST_CASE("T7: a clean-up is shielded from the cancel that ended its body, unless asked") {
  diary l;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto body = [&] { return l.sleep('b', 1h); };
    auto cleanup = [&] { return l.sleep('c', 3s); };
    auto open = [&]() -> task<> { co_await finally(body, cleanup).unshielded(); };
    CHECK(!co_await move_on_after(1s, open));
    CHECK(l.text == "BC");
    auto hidden = [&]() -> task<> { co_await finally(body, cleanup); };
    CHECK(!co_await move_on_after(1s, hidden));
    CHECK(l.text == "BCBcC");
  });
  CHECK(took == 5s);
}

TEST_CASE("finally: a clean-up that overruns its limit is stopped, and that is a failure") {
  diary l;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto body = []() -> task<> { co_return; };
    auto cleanup = [&] { return l.sleep('c', 1h); };
    std::error_code code;
    try {
      co_await finally(body, cleanup, 2s);
    } catch (const std::system_error& e) {
      code = e.code();
    }
    CHECK((code == errc::cleanup_overran));
    CHECK(l.text == "C");

    // beside a stop, too: the failure wins
    auto stopped = [&]() -> task<> {
      auto sleeps = []() -> task<> { co_await sleep_for(1h); };
      co_await finally(sleeps, cleanup, 2s);
    };
    CHECK_THROWS_AS(co_await move_on_after(1s, stopped), std::system_error);
  });
  CHECK(took == 5s);
}

TEST_CASE("finally: when body and clean-up both fail, neither is lost") {
  run_clean([&](nursery&) -> task<> {
    auto body = []() -> task<> {
      throw std::runtime_error("the body");
      co_return;
    };
    auto cleanup = []() -> task<> {
      throw std::logic_error("the clean-up");
      co_return;
    };
    bool caught = false;
    try {
      co_await finally(body, cleanup);
    } catch (const failure_group& g) {
      caught = true;
      CHECK(g.failures().size() == 1);
      CHECK(g.failures()[0].what() == "the clean-up");
      CHECK(g.find<std::runtime_error>());
      CHECK(g.find<std::logic_error>());
    }
    CHECK(caught);
  });
}

TEST_CASE("finally: a stop of an unshielded clean-up does not lose the body's failure") {
  run_clean([](nursery&) -> task<> {
    auto body = []() -> task<> {
      throw std::runtime_error("body");
      co_return;
    };
    auto clean = []() -> task<> { co_await sleep_for(1h); };
    auto both = [&]() -> task<> { co_await finally(body, clean, 2h).unshielded(); };
    auto limited = [&]() -> task<> { co_await move_on_after(1s, both); };
    const auto said = co_await error_of(limited);
    CHECK(said == "body");
  });
}

TEST_CASE("finally: nested clean-ups run innermost first, and a nursery inside is waited for") {
  std::string trace;
  run_clean([&](nursery&) -> task<> {
    auto all = [&]() -> task<> {
      auto outer_body = [&]() -> task<> {
        auto inner_body = [&]() -> task<> {
          co_await with_nursery([&](nursery& n) -> task<> {
            n.start([&]() -> task<> {
              mark m(trace, 'n');
              co_await sleep_for(1h);
            });
            co_await sleep_for(1h);
          });
        };
        auto inner_cleanup = [&]() -> task<> {
          co_await sleep_for(1s);
          trace += 'i';
        };
        co_await finally(inner_body, inner_cleanup);
      };
      auto outer_cleanup = [&]() -> task<> {
        co_await sleep_for(1s);
        trace += 'o';
      };
      co_await finally(outer_body, outer_cleanup);
    };
    CHECK(!co_await move_on_after(1s, all));
  });
  CHECK(trace == "nio");
}
