// run_test.hpp: one virtual run as a test: a body, a seed, and what is wrong at the end.
//
// What stands behind CRECHE_TEST, without any test framework: for binding another one.
#pragma once

#include "runtime/testing/virtual_run.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace creche::testing {

/// CRECHE_SEED of the environment, else a random one. Throws std::invalid_argument when it is set
/// to something that is no number.
std::uint64_t draw_seed();
/// What to type to run a doctest case of this program again with that seed.
std::string how_to_repeat(std::string_view test_case, std::uint64_t seed);

namespace detail {

struct test_report {
  virtual_result result;
  /// One text for each thing that was wrong: the run failed (the chain), deadlocked (the tree),
  /// left actors, left timers. Empty: the test passed.
  std::vector<std::string> complaints;
};

/// Runs the body with `o.seed`. A failure whose root causes are all `told` already (an assertion
/// that the test framework has printed) is no complaint.
test_report run_test(const virtual_options& options, creche::detail::root_body body,
                     std::source_location where, bool (*told)(const std::exception_ptr&) = nullptr);

} // namespace detail
} // namespace creche::testing
