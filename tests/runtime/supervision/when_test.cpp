// when_all, when_any: children like others, none of which outlives the call.
#include "runtime/supervision/when.hpp"

#include "runtime/task/finally.hpp"
#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

task<int> number(int n, clock_duration after) {
  co_await sleep_for(after);
  co_return n;
}
task<std::string> text(std::string t, clock_duration after) {
  co_await sleep_for(after);
  co_return t;
}
task<> nap(clock_duration d, std::string& trace, char letter) {
  mark m(trace, letter);
  co_await sleep_for(d);
}
task<> fail(clock_duration after, const char* what) {
  co_await sleep_for(after);
  throw std::runtime_error(what);
}

} // namespace

TEST_CASE("when_all gives all values in order, and takes as long as the slowest") {
  std::string trace;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto all = co_await when_all(number(7, 3s), text("seven", 1s), nap(2s, trace, 'n'));
    CHECK(std::get<0>(all) == 7);
    CHECK(std::get<1>(all) == "seven");
    CHECK(std::get<2>(all) == nothing());
  });
  CHECK(took == 3s);
  CHECK(trace == "n");
}

TEST_CASE("T5: when_all: one failure cancels the others, and all are waited for") {
  std::string trace;
  const auto took = run_clean([&](nursery&) -> task<> {
    bool caught = false;
    try {
      co_await when_all(nap(1h, trace, 'a'), fail(1s, "one"), nap(1h, trace, 'b'));
    } catch (const failure_group& g) {
      caught = true;
      CHECK(g.failures().size() == 1);
      CHECK(g.find<std::runtime_error>()->what() == std::string("one"));
      CHECK(trace.size() == 2);
    }
    CHECK(caught);
  });
  CHECK(took == 1s);
}

TEST_CASE("when_any gives the first, and the others have ended") {
  std::string trace;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto any = co_await when_any(number(7, 3s), text("first", 1s), nap(2s, trace, 'n'));
    CHECK(any.first == 1);
    CHECK(!std::get<0>(any.values));
    CHECK(std::get<1>(any.values) == "first");
    CHECK(!std::get<2>(any.values));
    CHECK(trace == "n");
  });
  CHECK(took == 1s);
}

TEST_CASE("when_any: who completed before the cancel reached it is not lost") {
  run_clean([&](nursery&) -> task<> {
    auto any = co_await when_any(number(1, 1s), number(2, 1s), number(3, 2s));
    CHECK(any.first == 0);
    CHECK(std::get<0>(any.values) == 1);
    CHECK(!std::get<2>(any.values));
  });
}

TEST_CASE("when_any: a failure that comes first is thrown") {
  std::string trace;
  run_clean([&](nursery&) -> task<> {
    CHECK_THROWS_AS(co_await when_any(nap(1h, trace, 'n'), fail(1s, "x")), failure_group);
    CHECK(trace == "n");
  });
}

TEST_CASE("a stop from outside takes all of them") {
  std::string trace;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto both = [&]() -> task<> {
      co_await when_all(nap(1h, trace, 'a'), nap(1h, trace, 'b'));
      trace += '!';
    };
    CHECK(!co_await move_on_after(1s, both));
    auto any = [&]() -> task<> {
      co_await when_any(nap(1h, trace, 'c'), nap(1h, trace, 'd'));
      trace += '!';
    };
    CHECK(!co_await move_on_after(1s, any));
  });
  CHECK(took == 2s);
  CHECK(trace.size() == 4);
}

TEST_CASE("stopped from outside they give nothing, even if a clean-up shields them meanwhile") {
  std::string trace;
  run_clean([&](nursery&) -> task<> {
    cancel_scope* inner = nullptr;
    auto body = []() -> task<std::string> { co_return co_await text("never", 1h); };
    auto cleanup = [&]() -> task<> {
      inner->shield(true);
      trace += 'c';
      co_return;
    };
    auto one = [&]() -> task<std::string> { co_return co_await finally(body, cleanup); };
    auto all = [&](cancel_scope& s) -> task<> {
      inner = &s;
      co_await when_all(one(), number(1, 1h));
      trace += '!';
    };
    auto any = [&](cancel_scope& s) -> task<> {
      inner = &s;
      co_await when_any(one(), number(1, 1h));
      trace += '!';
    };
    auto outer_all = [&]() -> task<> { (void)co_await move_on_after(no_limit, all); };
    auto outer_any = [&]() -> task<> { (void)co_await move_on_after(no_limit, any); };
    CHECK(!co_await move_on_after(1s, outer_all));
    CHECK(!co_await move_on_after(1s, outer_any));
  });
  CHECK(trace == "cc");
}
