// creche_crash_run.cpp: a million supervised crashes, and what they leave.
//
//     creche_crash_run [--count N]
//
// Prints one JSON line for what the process holds before and after, and one for the time. Exits
// with 1 if an actor, a timer or a descriptor is left, or more bytes than noise.
#include "runtime/system/run.hpp"
#include "tests/bench/stopwatch.hpp"
#include "tests/runtime/crash_run.hpp"

#include <cstdio>
#include <cstdlib>
#include <string_view>

using namespace creche;
using creche::testing::holdings;

namespace {

void print(const char* what, const holdings& h) {
  std::printf("{\"what\": \"%s\", \"actors\": %lld, \"caf_actors\": %lld, \"timers\": %lld, "
              "\"descriptors\": %zu, \"malloc_bytes\": %zu, \"pool_bytes\": %zu, "
              "\"resident_bytes\": %zu}\n",
              what, static_cast<long long>(h.actors), static_cast<long long>(h.caf_actors),
              static_cast<long long>(h.timers), h.descriptors, h.malloc_bytes, h.pool_bytes,
              h.resident_bytes);
}

} // namespace

int main(int argc, char** argv) {
  int count = 1'000'000;
  if (argc == 3 && std::string_view(argv[1]) == "--count") count = std::max(1, std::atoi(argv[2]));
  holdings before, after;
  bench::stopwatch::reading took{};
  const auto r = run({.name = "bench", .loops = 1, .log = false}, [&](nursery&) -> task<> {
    co_await testing::crash_run(10'000, 10);
    before = holdings::now();
    const bench::stopwatch watch;
    co_await testing::crash_run(count, 10);
    took = watch.read();
    after = holdings::now();
  });
  print("before_crashes", before);
  print("after_crashes", after);
  bench::print("supervised_crash", took, count);
  constexpr std::size_t noise = 1 << 20;
  const bool same = after.actors == before.actors && after.caf_actors == before.caf_actors &&
                    after.timers == before.timers && after.descriptors == before.descriptors &&
                    after.malloc_bytes <= before.malloc_bytes + noise &&
                    after.pool_bytes <= before.pool_bytes + noise &&
                    after.resident_bytes <= before.resident_bytes + 4 * noise &&
                    r.ledger().balances();
  if (!same) std::fprintf(stderr, "creche_crash_run: the crashes left something\n");
  const int code = r.finish();
  return code ? code : same ? 0 : 1;
}
