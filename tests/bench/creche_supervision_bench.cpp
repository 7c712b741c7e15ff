// creche_supervision_bench.cpp: what supervision costs: a restart, and a hundred thousand children.
//
//     creche_supervision_bench [--count N] [restart] [children]      without a word, both
//
// Prints one JSON line for each measurement, in the shapes of erlang_bench.erl's. A restart is
// measured by its child: from the moment before it fails to its first statement when it runs again.
#include "runtime/system/run.hpp"
#include "runtime/task/this_task.hpp"
#include "tests/bench/stopwatch.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace {

using namespace creche;
using namespace bench;
using namespace std::chrono_literals;

constexpr int crashes = 400;

task<> restarts() {
  std::vector<double> took;
  time_point failed{};
  auto worker = [&]() -> task<> {
    if (failed != time_point{}) took.push_back(double((system_clock().now() - failed).count()));
    if (took.size() == crashes) co_return;
    co_await sleep_for(5ms); // so that the list of restarts stays small
    failed = system_clock().now();
    throw std::runtime_error("crash");
  };
  auto body = [&](nursery& n) -> task<> {
    n.start(child_spec("worker", worker).restart(restart::transient).backoff({.first = 0ns}));
    co_return;
  };
  co_await with_nursery({.name = "workers", .budget = {100'000, 1s}}, body);
  std::sort(took.begin(), took.end());
  for (const auto& [what, at] : {std::pair("fail_to_running_p50", crashes / 2),
                                 std::pair("fail_to_running_p99", crashes * 99 / 100)})
    std::printf("{\"what\": \"%s\", \"ns\": %.1f, \"count\": %d}\n", what, took[std::size_t(at)],
                crashes);
}

task<> wait_for_ever() { co_await sleep_for(no_limit); }

task<> children(int count) {
  stopwatch stop;
  auto body = [&](nursery& n) -> task<> {
    const auto before = resident_bytes();
    const stopwatch start;
    for (int i = 0; i < count; ++i)
      n.start(child_spec("worker", wait_for_ever).restart(restart::permanent));
    co_await sleep_for(clock_duration(1)); // all of them wait
    print("start_supervised", start.read(), count);
    print_bytes("bytes_supervised", resident_bytes() - before, count);
    stop = stopwatch();
    n.remote().stop();
  };
  co_await with_nursery(body);
  print("stop_supervised", stop.read(), count);
}

} // namespace

int main(int argc, char** argv) {
  int count = 100'000;
  bool all = true, wants_restart = false, wants_children = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view a = argv[i];
    if (a == "--count" && i + 1 < argc) {
      count = std::max(100, std::atoi(argv[++i]));
      continue;
    }
    all = false;
    wants_restart |= a == "restart";
    wants_children |= a == "children";
  }
  const auto r = run({.name = "bench", .loops = 1, .log = false}, [&](nursery&) -> task<> {
    if (all || wants_restart) co_await restarts();
    if (all || wants_children) co_await children(count);
  });
  return r.finish();
}
