// judged_run.hpp: what the allocation sweeps ask of a run in which one allocation failed: something
// came of it, and nothing is left.
//
// Included by the one source file of a sweep's program, as allocation_sweep.hpp is: main() is here.
#pragma once

#define DOCTEST_CONFIG_IMPLEMENT

#include "runtime/supervision/nursery.hpp"
#include "runtime/testing/allocation_sweep.hpp"
#include "runtime/testing/virtual_run.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace creche::testing {

/// Kept by the root, which drops it when the last child has ended.
struct until_all_have_ended {
  ~until_all_have_ended() { allocations_count(false); }
};

inline std::size_t entries_of(const char* folder) {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(folder)) ++n;
  return n;
}
/// Of this process, open now.
inline std::size_t descriptors() { return entries_of("/proc/self/fd"); }
/// Of this process. One that was detached may still be about to end.
inline std::size_t threads() { return entries_of("/proc/self/task"); }

/// A virtual run, whose outcome may be anything but a deadlock or something that is left.
template <class F> void run_and_judge(const virtual_options& options, F main) {
  const auto counted = [&main](nursery& n) -> task<> {
    n.keep(std::make_unique<until_all_have_ended>());
    allocations_count();
    co_await main(n);
  };
  const auto open = descriptors();
  const auto result = run_virtual(options, counted);
  if (!result.deadlock.empty()) throw std::logic_error("deadlock: " + result.deadlock);
  if (result.leaked) throw std::logic_error("actors are left");
  if (result.pending_timers) throw std::logic_error("timers are left");
  if (!result.ledger.balances()) throw std::logic_error(result.ledger.to_text());
  if (descriptors() != open) throw std::logic_error("descriptors are left");
}

/// Fails each allocation of the scenario once; and then every third one behind it as well.
template <class Scenario> void check_allocations(const Scenario& scenario) {
  for (const unsigned again : {0u, 3u}) {
    const auto swept = sweep_allocations(scenario, 1, 20, again);
    MESSAGE(swept.allocations << " allocations, again: " << again);
    CHECK(swept.allocations > 20);
    CHECK(swept.faults.size() == 0);
    for (const auto& fault : swept.faults) MESSAGE(fault);
  }
}

template <class F> void check_sweep(F main, const virtual_options& options = {}) {
  check_allocations([&] { run_and_judge(options, main); });
}

} // namespace creche::testing

int main(int argc, char** argv) {
  creche::testing::no_pool();
  doctest::Context context(argc, argv);
  return context.run();
}
