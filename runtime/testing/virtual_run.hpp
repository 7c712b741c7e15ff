// virtual_run.hpp: run() for tests: one thread, a virtual clock that jumps when nothing can run.
//
// The same program and seed give the same trace every time; a day passes in milliseconds. Loops are
// pumped by the calling thread, CAF's scheduler is its test_coordinator, and both read one clock.
#pragma once

#include "runtime/system/run.hpp"

namespace creche::testing {

struct virtual_options {
  std::string_view name = "test";
  unsigned loops = 1;
  creche::budget budget{};
  bool log = false;
  /// What chance is drawn from: the order in which actors that can run get their turns, the order
  /// of loops, the jitter of restarts. All that creche promises is kept, as the order within a
  /// mailbox. 0: first come, first served, loop by loop.
  std::uint64_t seed = 0;
  /// Rounds of turns at one virtual time, after which it is said that the run never comes to rest;
  /// 0: as many as it takes.
  std::size_t most_rounds = 0;
  /// So much virtual time may pass, in so many jumps of the clock; then the run is said to be
  /// stuck: a task with a heartbeat lets time pass for ever, whatever the others wait for.
  time_span most_time = std::chrono::hours(24 * 36'525); // a century
  std::size_t most_jumps = 10'000'000;
};

struct virtual_result {
  run_result run;
  clock_duration elapsed; ///< virtual time
  /// Nothing could run, nothing was due, and the root had not ended; or it did not come to rest, or
  /// went on for too long: the tree at that time, as text. The tree was then cancelled.
  std::string deadlock;
  /// Actors that were left when the root had ended: must be 0.
  std::size_t leaked;
  /// Timers that were still set then: must be 0.
  std::size_t pending_timers;
  /// Of every letter, after the end: must balance.
  creche::ledger ledger;
};

namespace detail {
virtual_result run_root(const virtual_options& options, creche::detail::root_body body,
                        std::source_location where);
} // namespace detail

/// Throws std::invalid_argument for options that make no sense.
template <class F>
virtual_result run_virtual(virtual_options options, F main,
                           std::source_location where = std::source_location::current()) {
  auto call = [&main](nursery& root) { return main(root); };
  return detail::run_root(options, creche::detail::root_body_of(call), where);
}
template <class F>
virtual_result run_virtual(F main, std::source_location where = std::source_location::current()) {
  return run_virtual(virtual_options{}, std::move(main), where);
}

/// From inside: asks the root for its orderly stop, as a signal would.
void interrupt();

} // namespace creche::testing
