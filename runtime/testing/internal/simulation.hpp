// simulation.hpp: drives the loops of a system by hand, on one thread and a clock that jumps when
// nothing can run.
//
// CAF's scheduler is its test_coordinator; both read one clock. With a seed, the order of loops, of
// turns and of CAF's actors is drawn; without, all are first come, first served.
#pragma once

#include "runtime/loop/internal/dice.hpp"
#include "runtime/system/internal/runtime_system.hpp"
#include "runtime/testing/detail/waiters.hpp"

#include <caf/scheduler/test_coordinator.hpp>

namespace creche::internal {

class simulation {
public:
  /// `seed` 0: no chance at all.
  simulation(runtime_system& system, virtual_clock& clock, std::uint64_t seed);
  ~simulation();
  simulation(const simulation&) = delete;

  /// Runs until nothing can, and nobody waits for just that. False: there were more than so many
  /// rounds at one time, if that is not 0; they are counted anew then.
  bool settle(std::size_t most_rounds = 0);
  /// Moves the clock to the next time anything is due; false if nothing is.
  bool jump();
  /// Timers that are set on the loops.
  std::size_t pending_timers() const noexcept;

  testing::detail::waiter_list when_all_blocked;

private:
  bool run_all(std::size_t most_rounds);
  std::size_t run_caf();

  runtime_system& system_;
  virtual_clock& clock_;
  caf::scheduler::test_coordinator& caf_;
  std::size_t rounds_ = 0; // since the clock has moved
  const bool drawn_;
  dice dice_;
  std::vector<loop*> order_;
};

} // namespace creche::internal
