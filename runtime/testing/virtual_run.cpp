#include "runtime/testing/virtual_run.hpp"

#include "runtime/internal/root.hpp"
#include "runtime/internal/simulation.hpp"

#include <stdexcept>

namespace creche::testing {

virtual_result detail::run_root(const virtual_options& o, creche::detail::root_body body,
                                std::source_location where) {
  virtual_clock time;
  const auto start = time.now();
  internal::system_options so;
  so.loops = o.loops;
  so.testing = true;
  so.time = &time;
  so.seed = o.seed ? o.seed : 1;
  internal::runtime_system system(so);
  std::vector<failure> failures;
  std::string deadlock;
  std::size_t pending_timers = 0;
  {
    run_options ro{.name = o.name,
                   .budget = o.budget,
                   .drain = no_limit,
                   .cancel = no_limit,
                   .kill = no_limit};
    internal::root_nursery root(system, ro, body, where, [] {});
    internal::simulation sim(system, time, o.seed);
    bool rests = sim.settle(o.most_rounds);
    while (!root.ended()) {
      if (!rests || !sim.jump()) {
        if (!deadlock.empty()) break;
        deadlock = rests ? "" : "it never comes to rest:\n";
        deadlock += system.snapshot(100).to_text();
        root.cancel();
      }
      rests = sim.settle(o.most_rounds);
    }
    sim.settle(o.most_rounds);
    failures = root.take_failures();
    pending_timers = sim.pending_timers();
  }
  std::size_t leaked = 0;
  for (std::size_t i = 0; i < system.loops(); ++i) leaked += std::size_t(system.at(i).live());
  const auto kind = failures.empty() ? run_result::kind::completed : run_result::kind::failed;
  return {run_result(kind, std::move(failures), 0, false),
          time.now() - start,
          std::move(deadlock),
          leaked,
          pending_timers,
          system.letters()};
}

void interrupt() {
  auto* l = internal::loop::current();
  if (!l) throw std::logic_error("interrupt(): call it from a task");
  if (auto* r = l->owner->root) r->stop_all();
}

} // namespace creche::testing
