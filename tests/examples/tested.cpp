// Tests of one's own code: tasks that are test cases, on one thread and a virtual clock.
#include "sealed.hpp"
#include <creche/actors/testing/check_layer.hpp>
#include <creche/actors/testing/memory.hpp>
#include <creche/creche.hpp>
#define DOCTEST_CONFIG_IMPLEMENT
#include <creche/runtime/testing/doctest.hpp>

#include <stdexcept>
#include <string>

using namespace creche;
using namespace std::chrono_literals;
using namespace creche::testing;

// ---- what is tested

// Asks again and again, with longer and longer waits, for an hour at most.
task<bool> patiently(auto& try_it) {
  auto tries = [&]() -> task<> {
    for (auto wait = clock_duration(1s); !try_it(); wait *= 2) co_await sleep_for(wait);
  };
  co_return co_await move_on_after(1h, tries);
}

task<> greeter(connection& c) {
  while (auto name = co_await c.frames().next())
    co_await c.send("hello, " + std::string(name->view()));
}

// ---- the tests

CRECHE_TEST("what never works is given up after an hour") {
  const auto began = now();
  int tries = 0;
  auto never = [&] { return ++tries > 100; };
  const bool worked = co_await patiently(never);
  CHECK(!worked);
  CHECK(tries == 12);
  CHECK(now() - began == 1h); // and this test takes a millisecond
}

CRECHE_TEST("a worker that fails is started again") {
  probe<std::string> seen;
  auto work = [&]() -> task<> {
    seen.put("start");
    co_await sleep_for(1s);
  };
  auto worker = n.start(child_spec("worker", work).restart(restart::permanent));
  co_await seen.next();
  crash(worker);
  const auto again = co_await seen.next();
  CHECK(again == "start");
  CHECK(worker.restarts() == 1);
  worker.cancel();
  const auto end = co_await expect_end(worker);
  CHECK(end.kind == how::cancelled);
}

CRECHE_TEST("a greeter answers, also if its bytes come one at a time") {
  auto ends = memory_pair({.to_b = {.split = 1, .delay = 10ms}});
  auto us = co_await open(n, ends.a / lines(line_end::lf));
  auto them = co_await open(n, ends.b / lines(line_end::lf));
  auto server = n.start([&] { return greeter(them); });
  co_await us.send("ann");
  const auto said = co_await us.frames().next();
  CHECK(said->view() == "hello, ann");
  us.close();
  co_await expect_end(server);
}

TEST_CASE("the layer keeps the contract of layers") { // some hundred runs of its own
  const auto report = check_layer(
      [] { return below_script("3:hiu,2:ac,", "9:half"); }, netstring() / layered<sealed>(7u),
      [] { return above_script({"hi"}).receives({"hi", "a"}).sends("3:hiu,"); });
  CHECK_MESSAGE(report.passed(), report.text());
}

int main(int argc, char** argv) {
  doctest::Context run(argc, argv);
  run.setOption("no-version", true);
  run.setOption("no-intro", true);
  return run.run();
}
