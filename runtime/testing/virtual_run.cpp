#include "runtime/testing/virtual_run.hpp"

#include "runtime/system/internal/root.hpp"
#include "runtime/testing/internal/simulation.hpp"

#include <stdexcept>

namespace creche::testing {

namespace {

run_options root_options(const virtual_options& options) {
  return {.name = options.name,
          .loops = options.loops,
          .budget = options.budget,
          .drain = no_limit,
          .cancel = no_limit,
          .kill = no_limit};
}

void check(const virtual_options& options) {
  internal::check(root_options(options), "run_virtual");
  if (options.loops == 0) throw std::invalid_argument("run_virtual: it needs a loop");
  if (options.most_time <= clock_duration::zero() || options.most_jumps == 0)
    throw std::invalid_argument("run_virtual: most_time and most_jumps must be more than nothing");
}

// Pumps a root until it has ended. What does not end by itself is cancelled, once.
class driver {
public:
  driver(const virtual_options& options, internal::runtime_system& system,
         internal::root_nursery& root, internal::simulation& simulation, virtual_clock& clock)
      : options_(options), system_(system), root_(root), simulation_(simulation), clock_(clock) {}

  /// Why it did not end by itself, and the tree at that time; "" if it did.
  std::string run() {
    for (begin(); !root_.ended(); rests_ = simulation_.settle(options_.most_rounds)) {
      const auto why = why_stuck();
      if (!why) continue;
      if (!stuck_.empty()) break;
      stuck_ = *why + system_.snapshot(100).to_text();
      root_.cancel();
      begin();
    }
    simulation_.settle(options_.most_rounds);
    return std::move(stuck_);
  }

private:
  void begin() {
    rests_ = simulation_.settle(options_.most_rounds);
    began_ = clock_.now();
    jumps_ = 0;
  }
  // Lets time pass, if that can help.
  std::optional<std::string> why_stuck() {
    if (!rests_) return "it never comes to rest:\n";
    if (!simulation_.jump()) return "";
    if (++jumps_ > options_.most_jumps)
      return "it goes on after " + std::to_string(options_.most_jumps) + " jumps of the clock:\n";
    if (clock_.now() - began_ > options_.most_time)
      return "it goes on after " + span_text(options_.most_time) + " of virtual time:\n";
    return std::nullopt;
  }

  const virtual_options& options_;
  internal::runtime_system& system_;
  internal::root_nursery& root_;
  internal::simulation& simulation_;
  virtual_clock& clock_;
  bool rests_ = true;
  time_point began_{};
  std::size_t jumps_ = 0;
  std::string stuck_;
};

} // namespace

virtual_result detail::run_root(const virtual_options& options, creche::detail::root_body body,
                                std::source_location where) {
  check(options);
  virtual_clock clock;
  const auto start = clock.now();
  internal::system_options wanted;
  wanted.loops = options.loops;
  wanted.testing = true;
  wanted.time = &clock;
  wanted.seed = options.seed ? options.seed : 1;
  internal::runtime_system system(wanted);
  std::vector<failure> failures;
  std::string deadlock;
  std::size_t pending_timers = 0;
  {
    internal::root_nursery root(system, root_options(options), body, where, [] {});
    internal::simulation simulation(system, clock, options.seed);
    deadlock = driver(options, system, root, simulation, clock).run();
    failures = root.take_failures();
    pending_timers = simulation.pending_timers();
  }
  std::size_t leaked = 0;
  for (std::size_t i = 0; i < system.loops(); ++i) leaked += std::size_t(system.at(i).live());
  const auto kind = failures.empty() ? run_result::kind::completed : run_result::kind::failed;
  return {run_result(kind, std::move(failures), 0, false),
          clock.now() - start,
          std::move(deadlock),
          leaked,
          pending_timers,
          system.letters()};
}

void interrupt() {
  auto* here = internal::loop::current();
  if (!here) throw std::logic_error("interrupt(): call it from a task");
  if (auto* root = internal::runtime_of(*here).root) root->stop_all();
}

} // namespace creche::testing
