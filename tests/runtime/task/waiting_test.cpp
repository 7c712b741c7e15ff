// Waiting for the end of a child, and for how long anything may take.
#include "runtime/messages/request.hpp"
#include "runtime/supervision/nursery.hpp"
#include "runtime/sync/event.hpp"
#include "runtime/task/finally.hpp"
#include "runtime/testing/doctest.hpp"
#include "runtime/testing/wait_all_blocked.hpp"
#include "tests/runtime/clean_run.hpp"

#include <algorithm>
#include <limits>
#include <vector>

using namespace creche;
using namespace creche::testing;

// Not drawn by chance: only so do the waits begin in a known order.
TEST_CASE("those that wait for a child go on in the order they came") {
  std::string order;
  run_clean([&](nursery& n) -> task<> {
    auto awaited = n.start([]() -> task<> { co_await sleep_for(1s); });
    for (char name = 'a'; name < 'f'; ++name)
      n.start([&order, awaited, name]() -> task<> {
        co_await awaited.wait();
        order += name;
      });
    co_return;
  });
  CHECK(order == "abcde");
}

TEST_CASE("any of those that wait for a child may go, the others keep their order") {
  constexpr int many = 20'000;
  std::vector<int> order;
  run_clean([&](nursery& n) -> task<> {
    auto awaited = n.start([]() -> task<> { co_await sleep_for(1s); });
    std::vector<child> waiting;
    for (int i = 0; i < many; ++i)
      waiting.push_back(n.start([&order, awaited, i]() -> task<> {
        co_await awaited.wait();
        order.push_back(i);
      }));
    co_await wait_all_blocked();
    for (int i = 0; i < many; ++i)
      if (i % 1000 != 500) waiting[std::size_t(i)].cancel(); // the oldest first
  });
  CHECK(order.size() == many / 1000);
  CHECK(std::is_sorted(order.begin(), order.end()));
}

namespace {

// What a span means: nothing, or for ever.
struct extreme {
  const char* name;
  time_span span;
  bool for_ever;
};
const extreme extremes[] = {
    {"clock_duration::min", clock_duration::min(), false},
    {"hours::min", std::chrono::hours::min(), false},
    {"-25 h", -25h, false},
    {"-1 ns", -1ns, false},
    {"0", 0ns, false},
    {"no_limit - 1 ns", no_limit - 1ns, true},
    {"no_limit", no_limit, true},
    {"milliseconds::max", std::chrono::milliseconds::max(), true},
    {"seconds::max", std::chrono::seconds::max(), true},
    {"minutes::max", std::chrono::minutes::max(), true},
    {"hours::max", std::chrono::hours::max(), true},
    {"infinity", std::chrono::duration<double>(std::numeric_limits<double>::infinity()), true},
};

task<> for_an_hour() { co_await sleep_for(1h); }

} // namespace

CRECHE_TEST("every function that takes a span takes the longest and the shortest") {
  for (const auto& [name, span, for_ever] : extremes) {
    CAPTURE(name);
    const auto began = now();
    auto sleep = [time = span]() -> task<> { co_await sleep_for(time); };
    CHECK(co_await move_on_after(1h, sleep) == !for_ever);
    CHECK(co_await move_on_after(span, for_an_hour) == for_ever);
    CHECK(co_await shielded(span, for_an_hour) == for_ever);
    bool late = false;
    try {
      co_await fail_after(span, for_an_hour);
    } catch (const too_slow&) {
      late = true;
    }
    CHECK(late == !for_ever);
    auto moved = [time = span](cancel_scope& scope) -> task<> {
      scope.deadline_in(clock_duration(time));
      co_await sleep_for(1h);
    };
    CHECK(co_await move_on_after(2h, moved) == for_ever);
    bool overran = false;
    auto nothing = []() -> task<> { co_return; };
    try {
      co_await creche::finally(nothing, for_an_hour, span);
    } catch (const std::system_error& error) {
      overran = error.code() == errc::cleanup_overran;
    }
    CHECK(overran == !for_ever);
    CHECK(now() - began == (for_ever ? 6h : 0h));
  }
}

CRECHE_TEST("a request has an answer within the longest span, and is late within the shortest") {
  auto answers = n.start([]() -> task<> {
    for (;;) {
      auto question = co_await receive<asked<int, int>>();
      co_await sleep_for(1s);
      question.answer(question.message() + 1);
    }
  });
  for (const auto& [name, span, for_ever] : extremes) {
    CAPTURE(name);
    int answer = 0;
    auto ask_it = [&, time = span]() -> task<> { answer = co_await ask<int>(answers, 1, time); };
    std::error_code why;
    try {
      const bool over = co_await move_on_after(100h, ask_it);
      CHECK(over);
    } catch (const request_failed& error) {
      why = error.code();
    }
    CHECK(answer == (for_ever ? 2 : 0));
    CHECK((why == errc::timed_out) == !for_ever);
    co_await sleep_for(2s);
  }
  answers.cancel();
}
