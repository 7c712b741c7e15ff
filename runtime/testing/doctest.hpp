// doctest.hpp: test cases that are tasks.
//
//   CRECHE_TEST("a worker ends when it is told") {
//     auto worker = n.start([]() -> task<> { co_await sleep_for(24h); });
//     worker.cancel();
//     const auto end = co_await testing::expect_end(worker);
//     CHECK(end.kind == how::cancelled);
//   }
//
// The body is a coroutine of type task<> (it must co_await or co_return something), the body of a
// root nursery that is in scope as `n`. It runs on one thread and a virtual clock. The case fails,
// besides its own assertions, when the run fails (printed as a chain), when it deadlocks (printed
// as a tree, then cancelled), and when actors or timers are left at its end.
// Every run draws a seed for the order of what can run at the same time; CRECHE_SEED=N in the
// environment sets it (0: first come, first served). What fails prints the command that
// repeats it. A main of your own needs nothing for that; `#include
// <creche/runtime/testing/seed.hpp>` tells it the command, too.
//
// Mind doctest: INFO and CAPTURE keep a stack, so none may be in scope across a co_await while
// other tasks use them; give the result of a co_await a name before you CHECK it.
#pragma once

#include "runtime/testing/checkpoint.hpp"
#include "runtime/testing/probe.hpp"
#include "runtime/testing/run_test.hpp"
#include "runtime/testing/seed.hpp"
#include "runtime/testing/sequencer.hpp"
#include "runtime/testing/wait_all_blocked.hpp"

#include <doctest/doctest.h>

namespace creche::testing::detail {

// A failed REQUIRE: doctest has printed it.
inline bool told_by_doctest(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const doctest::detail::TestFailureException&) {
    return true;
  } catch (...) {
    return false;
  }
}

inline void run_case(task<> (*body)(nursery&), virtual_options o,
                     std::source_location where = std::source_location::current()) {
  if (o.seed == 0) o.seed = draw_seed();
  repeat_command = how_to_repeat(doctest::getContextOptions()->currentTest->m_name, o.seed);
  DOCTEST_INFO("seed ", o.seed, "; repeat it with: ", repeat_command);
  const auto report = run_test(o, creche::detail::root_body_of(body), where, &told_by_doctest);
  for (auto& text : report.complaints)
    DOCTEST_ADD_FAIL_CHECK_AT(where.file_name(), int(where.line()), text);
}

} // namespace creche::testing::detail

/// CRECHE_TEST("name") { ... } or CRECHE_TEST("name", .loops = 2) { ... }, with the members of
/// virtual_options in their order. A seed given here is fixed.
#define CRECHE_TEST(...) CRECHE_TEST_AS(DOCTEST_ANONYMOUS(creche_test_), __VA_ARGS__)
#define CRECHE_TEST_AS(body, test_name, ...)                                                       \
  static ::creche::task<> body(::creche::nursery& n);                                              \
  DOCTEST_TEST_CASE(test_name) { ::creche::testing::detail::run_case(&body, {__VA_ARGS__}); }      \
  static ::creche::task<> body([[maybe_unused]] ::creche::nursery& n)
