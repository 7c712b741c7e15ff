#include "runtime/testing/internal/simulation.hpp"

#include "runtime/testing/wait_all_blocked.hpp"

#include <algorithm>
#include <stdexcept>

namespace creche::internal {

simulation::simulation(runtime_system& system, virtual_clock& clock, std::uint64_t seed)
    : system_(system), clock_(clock),
      caf_(dynamic_cast<caf::scheduler::test_coordinator&>(system.actors().scheduler())),
      drawn_(seed != 0), dice_(seed) {
  caf_.clock().current_time = clock_.now();
  for (std::size_t i = 0; i < system_.loops(); ++i) {
    order_.push_back(&system_.at(i));
    if (drawn_) order_.back()->draw_from(&dice_);
  }
  system_.driver = this;
}

simulation::~simulation() {
  system_.driver = nullptr;
  for (auto* each : order_) each->draw_from(nullptr);
}

bool simulation::settle(std::size_t most_rounds) {
  do {
    if (!run_all(most_rounds)) return false;
  } while (when_all_blocked.wake_all());
  return true;
}

bool simulation::run_all(std::size_t most_rounds) {
  for (bool more = true; more;) {
    if (++rounds_ > most_rounds && most_rounds) {
      rounds_ = 0;
      return false;
    }
    more = false;
    if (drawn_) dice_.shuffle(order_);
    for (auto* each : order_) {
      more |= each->pump();
      more |= each->poll();
    }
    more |= run_caf() > 0;
    for (auto* each : order_) more |= each->has_work();
  }
  return true;
}

// Jobs of CAF's scheduler are actors: each is there once, and its mailbox keeps its order.
std::size_t simulation::run_caf() {
  if (!drawn_) return caf_.run();
  dice_.shuffle(caf_.jobs);
  return caf_.run(1 + dice_.below(8));
}

bool simulation::jump() {
  auto next = wheel::never;
  for (auto* each : order_) next = std::min(next, each->timers().bound());
  if (auto& due = caf_.clock().schedule(); !due.empty())
    next = std::min(next, std::uint64_t(due.begin()->first.time_since_epoch().count()));
  if (next == wheel::never) return false;
  if (time_point(clock_duration(std::int64_t(next))) > clock_.now()) rounds_ = 0;
  clock_.move_to(time_point(clock_duration(std::int64_t(next))));
  caf_.clock().current_time =
      std::max(caf_.clock().current_time, caf::actor_clock::time_point(clock_.now()));
  caf_.clock().trigger_expired_timeouts();
  return true;
}

std::size_t simulation::pending_timers() const noexcept {
  std::size_t n = 0;
  for (auto* each : order_) n += each->timers().size();
  return n;
}

} // namespace creche::internal

namespace creche::testing::detail {

void all_blocked_awaiter::begin_wait() {
  auto* home = internal::loop::current();
  auto* driver = home ? internal::runtime_of(*home).driver : nullptr;
  if (!driver) throw std::logic_error("wait_all_blocked(): this is no virtual run");
  wait_in(driver->when_all_blocked);
}

} // namespace creche::testing::detail
