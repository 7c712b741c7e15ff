// A nursery that stops refuses to start children. What that does to the child that asked depends on
// which nursery refused: its own is a cancel, another one is a failure.
#include "runtime/supervision/when.hpp"
#include "runtime/task/finally.hpp"
#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

task<> nothing_to_do() { co_return; }
task<> linger() { co_await sleep_for(9s); }

// Waits for its cancel, and then starts a child in `in`.
task<> starts_late(nursery& in) {
  auto wait = []() -> task<> { co_await sleep_for(no_limit); };
  auto start = [&in]() -> task<> {
    in.start(nothing_to_do);
    co_return;
  };
  co_await finally(wait, start);
}

} // namespace

TEST_CASE("T5: to be refused by another nursery is a failure, also while one's own stops") {
  const auto result = run_and_see([](nursery& root) -> task<> {
    nursery* closed = nullptr;
    auto other = [&](nursery& n) -> task<> {
      closed = &n;
      n.start([]() -> task<> { co_await shielded(no_limit, linger); });
      n.stop();
      co_return;
    };
    root.start([&]() -> task<> { co_await with_nursery({.name = "other"}, other); });
    co_await sleep_for(1s);
    auto mine = [&](nursery& n) -> task<> {
      n.start(child_spec("late", [&]() -> task<> { co_await starts_late(*closed); }));
      co_await sleep_for(1s);
      n.stop();
    };
    co_await with_nursery({.name = "mine"}, mine);
  });
  REQUIRE(result.run.failures());
  CHECK(result.run.failures()->to_text().find("test/mine/late: test/") != std::string::npos);
  CHECK(result.run.failures()->find<nursery_closed>());
}

TEST_CASE("T5: to be refused by one's own nursery is a cancel, also by way of one between") {
  for (const bool between : {false, true}) {
    child late;
    run_clean([&](nursery&) -> task<> {
      auto mine = [&](nursery& n) -> task<> {
        late = n.start([&n, between]() -> task<> {
          auto start = [&n]() -> task<> {
            co_await sleep_for(2s);
            n.start(nothing_to_do);
          };
          auto wrapped = [&]() -> task<> {
            auto all = when_all(start());
            (void)co_await std::move(all);
          };
          if (between)
            (void)co_await shielded(no_limit, wrapped);
          else
            (void)co_await shielded(no_limit, start);
        });
        co_await sleep_for(1s);
        n.stop();
      };
      co_await with_nursery({.name = "mine"}, mine);
    });
    REQUIRE(late.result());
    CHECK(late.result()->kind == how::cancelled);
  }
}
