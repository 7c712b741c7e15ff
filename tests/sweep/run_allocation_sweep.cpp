// Every allocation of a whole run fails once: of its set-up, of its tree, and of its take-down, on
// any of its threads. std::bad_alloc comes out of run(), or what it returns says it.
#include "actors/creche.hpp"
#include "runtime/interop/asio.hpp"
#include "runtime/interop/embedded.hpp"
#include "tests/sweep/judged_run.hpp"

#include <asio/io_context.hpp>
#include <pthread.h>

#include <thread>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

/// From here to the end of the scope.
struct counted {
  counted() { allocations_count(); }
  ~counted() { allocations_count(false); }
};

/// CAF has threads of its own: its clock, its printer, and one for the servers of a system. What
/// they want and do not get ends the process, in CAF.
bool on_no_thread_of_caf() noexcept {
  char name[32] = {};
  ::pthread_getname_np(::pthread_self(), name, sizeof name);
  return !std::string_view(name).starts_with("caf.");
}

template <class Run> void check_run(Run whole_run) {
  const auto scenario = [&whole_run] {
    const auto open = descriptors();
    try {
      const counted all_of_it;
      whole_run();
    } catch (const std::bad_alloc&) {
    }
    while (threads() != 1) std::this_thread::yield(); // or it hangs
    if (descriptors() != open) throw std::logic_error("descriptors are left");
  };
  check_allocations(scenario);
}

task<> main_task(nursery& n) {
  n.start(child_spec("far", []() -> task<> { co_await sleep_for(1ms); }).on(placement::any_loop));
  n.start([]() -> task<> { co_await sleep_for(1h); });
  co_await sleep_for(2ms);
  n.stop();
}

} // namespace

TEST_CASE("R1: a virtual run, from its start to its return") {
  check_run([] {
    const auto result = run_virtual({.loops = 2}, main_task);
    allocations_count(false);
    if (!result.deadlock.empty()) throw std::logic_error("deadlock: " + result.deadlock);
    if (result.leaked) throw std::logic_error("actors are left");
  });
}

TEST_CASE("R1: a run on two threads, from its start to its return") {
  allocations_count_where(on_no_thread_of_caf);
  check_run([] {
    const auto result =
        run({.loops = 2, .signals = run_options::signals_are::none, .log = false}, main_task);
    allocations_count(false);
    if (!result.ledger().balances()) throw std::logic_error(result.ledger().to_text());
  });
}

TEST_CASE("R1: a tree on a program's io_context, from its start to its end") {
  allocations_count_where(on_no_thread_of_caf);
  check_run([] {
    asio::io_context io;
    auto tree = embed(io, {.signals = run_options::signals_are::none, .log = false},
                      [](nursery& n) -> task<> {
                        n.start([]() -> task<> { co_await sleep_for(1h); });
                        co_await sleep_for(2ms);
                        n.stop();
                      });
    while (!tree.ended()) io.run_one();
    allocations_count(false);
    if (!tree.wait().ledger().balances()) throw std::logic_error(tree.wait().ledger().to_text());
  });
}
