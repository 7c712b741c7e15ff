// creche_hop_bench.cpp: what a hop, a task's life and a cancel cost, in the shapes of
// raw_caf_bench.
//
//     creche_hop_bench [--count N] [hop] [spawn] [cancel]        without a word, all three
//
// Prints one JSON line for each measurement; README.md says which, and the goals.
#include "runtime/system/internal/runtime_system.hpp"
#include "runtime/system/run.hpp"
#include "runtime/task/this_task.hpp"
#include "tests/bench/stopwatch.hpp"

#include <caf/send.hpp>

#include <cstdlib>
#include <string_view>

namespace {

using namespace creche;
using namespace bench;
using namespace std::chrono_literals;
namespace in = creche::internal;

constexpr int letter_hops = 2'000'000;
constexpr int message_hops = 1'000'000;
constexpr int far_hops = 30'000;
constexpr int lives = 1'000'000;
constexpr int in_flight = 1000;

// One of four in a ring; passes a token on until it is used up.
class hopper final : public in::resident {
public:
  struct hop {
    int left;
    void operator()(in::resident& r) const {
      auto& h = static_cast<hopper&>(r);
      if (left == 0) return h.done->store(true), h.done->notify_one();
      in::tell<hop, in::lane::data>(*h.next, left - 1);
    }
  };
  hopper(caf::actor_config& cfg, std::atomic<bool>* d) : resident(cfg), done(d) {}
  void on_caf(caf::mailbox_element& e) override {
    const int left = e.content().get_as<int>(0);
    if (left == 0) return done->store(true), done->notify_one();
    next->enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, left - 1),
                  nullptr);
  }
  hopper* next = nullptr;
  std::atomic<bool>* done;
};

void ring(const char* what, in::loop& a, in::loop& b, int hops, bool letters) {
  constexpr int size = 4;
  std::atomic<bool> done{false};
  hopper* h[size];
  for (int i = 0; i < size; ++i) h[i] = in::make_resident<hopper>(i % 2 ? b : a, &done);
  for (int i = 0; i < size; ++i) h[i]->next = h[(i + 1) % size];
  stopwatch watch;
  if (letters)
    in::tell<hopper::hop, in::lane::data>(*h[0], hops);
  else
    caf::anon_send(h[0]->handle(), hops);
  done.wait(false);
  print(what, watch.read(), hops);
  for (auto* x : h)
    caf::anon_send(x->handle(), caf::exit_msg{caf::actor_addr{}, caf::exit_reason::kill});
}

void hop() {
  in::system_options o;
  o.loops = 2;
  in::runtime_system system(o);
  system.start();
  auto &a = system.at(0), &b = system.at(1);
  ring("letter_hop_one_loop", a, a, letter_hops, true);
  ring("caf_message_hop_one_loop", a, a, message_hops, false);
  ring("letter_hop_two_loops", a, b, far_hops, true);
  ring("caf_message_hop_two_loops", a, b, far_hops, false);
  system.finish(1s);
}

task<> nothing() { co_return; }

task<> spawn_and_end(nursery&) {
  for (int round = 0; round < 2; ++round) { // the first warms the pools
    stopwatch watch;
    co_await with_nursery([](nursery& n) -> task<> {
      for (int i = 0; i < lives; ++i) {
        n.start(nothing);
        if (i % in_flight == in_flight - 1)
          while (n.live()) co_await checkpoint();
      }
    });
    if (round) print("spawn_end_task", watch.read(), lives);
  }
}

task<> sleeper(int i) { co_await sleep_for(1h + std::chrono::microseconds(i * 7919L % 1'000'003)); }

struct cancel_all {
  int count;
  task<> operator()(nursery&) const {
    const auto before = resident_bytes();
    std::optional<stopwatch> watch;
    auto body = [&](nursery& n) -> task<> {
      for (int i = 0; i < count; ++i) n.start(sleeper, i);
      co_await sleep_for(1ns); // a turn after all of theirs: they sleep
      print_bytes("bytes_sleeping_task", resident_bytes() - before, count);
      watch.emplace();
      n.cancel();
    };
    co_await with_nursery(body);
    print("cancel_all_sleeping_tasks", watch->read(), count);
  }
};

} // namespace

int main(int argc, char** argv) {
  int count = 1'000'000;
  bool all = true, hops = false, spawns = false, cancels = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view a = argv[i];
    if (a == "--count" && i + 1 < argc) {
      count = std::max(1, std::atoi(argv[++i]));
      continue;
    }
    all = false;
    hops |= a == "hop";
    spawns |= a == "spawn";
    cancels |= a == "cancel";
  }
  const run_options one{.name = "bench", .loops = 1};
  if (all || cancels) (void)run(one, cancel_all{count}); // first: it measures fresh memory
  if (all || hops) hop();
  if (all || spawns) (void)run(one, spawn_and_end);
}
