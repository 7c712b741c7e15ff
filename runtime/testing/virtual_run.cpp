#include "runtime/testing/virtual_run.hpp"

#include "runtime/internal/root.hpp"

#include <caf/scheduler/test_coordinator.hpp>

#include <stdexcept>

namespace creche::testing {

namespace {

class simulation {
public:
  simulation(internal::runtime_system& s, virtual_clock& c)
      : system_(s), clock_(c),
        caf_(dynamic_cast<caf::scheduler::test_coordinator&>(s.actors().scheduler())) {
    caf_.clock().current_time = clock_.now();
  }

  /// Runs until nothing can.
  void settle() {
    for (bool more = true; more;) {
      more = false;
      for (std::size_t i = 0; i < system_.loops(); ++i) {
        auto& l = system_.at(i);
        more |= l.pump();
        more |= l.poll();
      }
      more |= caf_.run() > 0;
      for (std::size_t i = 0; i < system_.loops(); ++i) more |= system_.at(i).has_work();
    }
  }
  /// Moves the clock to the next time anything is due; false if nothing is.
  bool jump() {
    auto next = wheel::never;
    for (std::size_t i = 0; i < system_.loops(); ++i)
      next = std::min(next, system_.at(i).timers().bound());
    if (auto& s = caf_.clock().schedule(); !s.empty())
      next = std::min(next, std::uint64_t(s.begin()->first.time_since_epoch().count()));
    if (next == wheel::never) return false;
    clock_.move_to(time_point(clock_duration(std::int64_t(next))));
    caf_.clock().current_time =
        std::max(caf_.clock().current_time, caf::actor_clock::time_point(clock_.now()));
    caf_.clock().trigger_expired_timeouts();
    return true;
  }

private:
  internal::runtime_system& system_;
  virtual_clock& clock_;
  caf::scheduler::test_coordinator& caf_;
};

} // namespace

virtual_result detail::run_root(const virtual_options& o, creche::detail::root_body body,
                                std::source_location where) {
  virtual_clock time;
  const auto start = time.now();
  internal::system_options so;
  so.loops = o.loops;
  so.testing = true;
  so.time = &time;
  so.seed = o.seed;
  internal::runtime_system system(so);
  std::vector<failure> failures;
  std::string deadlock;
  {
    run_options ro{.name = o.name, .budget = o.budget};
    internal::root_nursery root(system, ro, body, where, [] {});
    simulation sim(system, time);
    sim.settle();
    while (!root.ended()) {
      if (!sim.jump()) {
        if (!deadlock.empty()) break;
        deadlock = system.snapshot(100).to_text();
        root.cancel();
      }
      sim.settle();
    }
    sim.settle();
    failures = root.take_failures();
  }
  std::size_t leaked = 0;
  for (std::size_t i = 0; i < system.loops(); ++i) leaked += std::size_t(system.at(i).live());
  const auto kind = failures.empty() ? run_result::kind::completed : run_result::kind::failed;
  return {run_result(kind, std::move(failures), 0, false), time.now() - start, std::move(deadlock),
          leaked};
}

void interrupt() {
  auto* l = internal::loop::current();
  if (!l) throw std::logic_error("interrupt(): call it from a task");
  if (auto* r = l->owner->root) r->stop_all();
}

} // namespace creche::testing
