// std::stop_token into a scope and out of one.
#include "runtime/task/stop_token.hpp"

#include "runtime/supervision/nursery.hpp"
#include "runtime/sync/event.hpp"
#include "tests/runtime/clean_run.hpp"

#include <thread>

using namespace creche;
using namespace creche::testing;

TEST_CASE("S22: a std::stop_token cancels a body, and its value is nothing then") {
  run_clean([](nursery& n) -> task<> {
    std::stop_source source;
    n.start([&]() -> task<> {
      co_await sleep_for(1s);
      source.request_stop();
    });
    auto work = []() -> task<int> {
      co_await sleep_for(1h);
      co_return 1;
    };
    const auto before = now();
    const auto value = co_await until_stopped(source.get_token(), work);
    CHECK(!value);
    CHECK(now() - before == 1s);
    auto quick = []() -> task<int> { co_return 2; };
    CHECK(co_await until_stopped(std::stop_token(), quick) == 2);
  });
}

TEST_CASE("S22: a token that is stopped already stops the body at its first checkpoint") {
  run_clean([](nursery&) -> task<> {
    std::stop_source source;
    source.request_stop();
    bool began = false;
    auto work = [&]() -> task<> {
      began = true;
      co_await sleep_for(1h);
    };
    CHECK(!co_await until_stopped(source.get_token(), work));
    CHECK(began);
  });
}

TEST_CASE("S22, T8: a token may be stopped by a thread that knows nothing of creche") {
  auto result = run(quiet(1), [](nursery&) -> task<> {
    std::stop_source source;
    std::jthread stranger([&] { source.request_stop(); });
    auto work = []() -> task<> { co_await sleep_for(no_limit); };
    const bool completed = co_await until_stopped(source.get_token(), work);
    CHECK(!completed);
  });
  CHECK(result.how() == run_result::kind::completed);
}

TEST_CASE("S22: the token of a body is stopped when the body is cancelled, by whatever") {
  run_clean([](nursery& n) -> task<> {
    std::stop_token seen;
    auto body = [&](std::stop_token token) -> task<> {
      seen = token;
      CHECK(!token.stop_requested());
      co_await sleep_for(1h);
    };
    auto with_token = [&]() -> task<> { co_await with_stop_token(body); };
    CHECK(!co_await move_on_after(1s, with_token)); // a deadline
    CHECK(seen.stop_requested());
    seen = {};
    auto c = n.start(with_token);
    co_await sleep_for(1s);
    c.cancel(); // its task
    co_await c.wait();
    CHECK(seen.stop_requested());
    seen = {};
    auto opened = [&](nursery& inner) -> task<> {
      inner.start(with_token);
      co_await sleep_for(1s);
      inner.cancel(); // its nursery
    };
    co_await with_nursery(opened);
    CHECK(seen.stop_requested());
  });
}

TEST_CASE("S22: a body that completes, or is shielded, leaves its token alone") {
  run_clean([](nursery&) -> task<> {
    std::stop_token seen;
    auto body = [&](std::stop_token token) -> task<int> {
      seen = token;
      co_await sleep_for(2s);
      CHECK(!token.stop_requested());
      co_return 7;
    };
    CHECK(co_await with_stop_token(body) == 7);
    CHECK(!seen.stop_requested());
    auto shielded_body = [&]() -> task<> {
      auto inside = [&]() -> task<> { (void)co_await with_stop_token(body); };
      co_await shielded(1h, inside);
    };
    (void)co_await move_on_after(1s, shielded_body);
    CHECK(!seen.stop_requested());
  });
}

TEST_CASE("S22: in a scope that is cancelled already the token is stopped from the start") {
  run_clean([](nursery&) -> task<> {
    bool stopped = false;
    auto body = [&](std::stop_token token) -> task<> {
      stopped = token.stop_requested();
      co_return;
    };
    auto with_token = [&](cancel_scope& scope) -> task<> {
      scope.cancel();
      co_await with_stop_token(body);
    };
    (void)co_await move_on_after(no_limit, with_token);
    CHECK(stopped);
  });
}
