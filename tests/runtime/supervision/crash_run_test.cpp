// Thousands of supervised crashes leave nothing behind; tests/bench/ does a million.
#include "tests/runtime/crash_run.hpp"

#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

TEST_CASE("T17: twenty thousand supervised crashes leave no actor, timer, descriptor or byte") {
  holdings before, after;
  const auto r = run(quiet(1), [&](nursery&) -> task<> {
    co_await crash_run(2'000, 4); // what is kept for the next time is kept by then
    before = holdings::now();
    co_await crash_run(20'000, 4);
    after = holdings::now();
  });
  INFO((r.failures() ? r.failures()->to_text() : ""));
  CHECK(r.how() == run_result::kind::completed);
  CHECK(r.ledger().balances());
  CHECK(after.actors == before.actors);
  CHECK(after.timers == before.timers);
  CHECK(after.caf_actors == before.caf_actors);
  CHECK(after.descriptors == before.descriptors);
  CHECK(after.malloc_bytes <= before.malloc_bytes + 64 * 1024); // 3 bytes a crash
  CHECK(after.pool_bytes <= before.pool_bytes + 256 * 1024);
}
