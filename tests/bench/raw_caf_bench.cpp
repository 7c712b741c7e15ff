// raw_caf_bench.cpp: what CAF alone costs, in the shapes that creche is measured in.
//
//     raw_caf_bench [--count N] [hop] [spawn] [cancel]        without a word, all three
//
// Prints one JSON line for each measurement, {"what", "ns", "cpu_ns" or "bytes",
// "count"}, of one hop or one actor; cpu_ns is of all threads. CAF as it comes, but for the number
// of its workers.
#include "tests/bench/stopwatch.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/send.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using namespace bench;
using namespace std::chrono_literals;
using stop_atom = caf::atom_constant<caf::atom("stop")>;

constexpr int hops = 1'000'000;
constexpr int lives = 300'000;
constexpr int in_flight = 1000;
constexpr int ring_size = 4;

class caf_with {
public:
  explicit caf_with(int workers) : config_(workers), system_(config_) {}
  caf::actor_system& system() { return system_; }

private:
  struct config : caf::actor_system_config {
    explicit config(int workers) {
      set("scheduler.max-threads", static_cast<std::size_t>(workers));
    }
  };
  config config_;
  caf::actor_system system_;
};

std::string with_workers(const char* what, int workers) {
  return std::string(what) + (workers == 1 ? "_one_worker" : "_two_workers");
}

/// Passes a counter on to its neighbour until it is zero.
class ring_actor : public caf::event_based_actor {
public:
  ring_actor(caf::actor_config& cfg, std::atomic<bool>* flag)
      : caf::event_based_actor(cfg), done_(flag) {}

  caf::behavior make_behavior() override {
    return {[this](int left) {
              if (left > 0) return send(next_, left - 1);
              *done_ = true;
              done_->notify_one();
            },
            [this](const caf::actor& next) { next_ = next; },
            [this](stop_atom) {
              next_ = nullptr;
              quit();
            }};
  }

private:
  std::atomic<bool>* done_;
  caf::actor next_;
};

void hop(int workers) {
  caf_with caf(workers);
  std::atomic<bool> done = false;
  std::vector<caf::actor> ring;
  for (int i = 0; i < ring_size; ++i) ring.push_back(caf.system().spawn<ring_actor>(&done));
  for (int i = 0; i < ring_size; ++i) caf::anon_send(ring[i], ring[(i + 1) % ring_size]);
  const auto lap = [&](int n) {
    done = false;
    const stopwatch watch;
    caf::anon_send(ring[0], n);
    done.wait(false);
    return watch.read();
  };
  lap(hops / 10);
  print(with_workers("caf_message_hop", workers), lap(hops), hops);
  for (auto& a : ring) caf::anon_send(a, stop_atom::value);
}

/// Spawns monitored actors that end at once, at most `in_flight` at a time, and sees each end.
class spawner : public caf::event_based_actor {
public:
  spawner(caf::actor_config& cfg, std::atomic<bool>* flag)
      : caf::event_based_actor(cfg), done_(flag) {
    set_down_handler([this](caf::down_msg&) {
      --living_;
      if (++seen_ == lives) {
        *done_ = true;
        done_->notify_one();
        return quit();
      }
      if (living_ < in_flight / 2) fill();
    });
  }

  caf::behavior make_behavior() override {
    fill();
    return {[](stop_atom) {}};
  }

private:
  void fill() {
    for (; living_ < in_flight && made_ < lives; ++living_, ++made_)
      spawn<caf::monitored>([](caf::event_based_actor*) {});
  }

  std::atomic<bool>* done_;
  int living_ = 0, made_ = 0, seen_ = 0;
};

void spawn(int workers) {
  caf_with caf(workers);
  std::atomic<bool> done = false;
  const stopwatch watch;
  const caf::actor kept = caf.system().spawn<spawner>(&done); // else it is unreachable, and ended
  done.wait(false);
  print(with_workers("spawn_end_observed", workers), watch.read(), lives);
}

caf::behavior wait_for_an_hour(caf::event_based_actor* self, std::atomic<int>* waiting) {
  self->delayed_send(self, 1h, stop_atom::value);
  if (--*waiting == 0) waiting->notify_one();
  return {[self](stop_atom) { self->quit(); }};
}

void wait_for_zero(std::atomic<int>& number) {
  for (int n = number; n != 0; n = number) number.wait(n);
}

void cancel(int count) {
  caf_with caf(1); // with two, spawning many at once costs many times as much
  std::atomic<int> waiting = count;
  std::atomic<int> living = count;
  std::vector<caf::actor> actors;
  actors.reserve(static_cast<std::size_t>(count));
  const auto before = resident_bytes();
  const stopwatch watch;
  for (int i = 0; i < count; ++i) actors.push_back(caf.system().spawn(wait_for_an_hour, &waiting));
  wait_for_zero(waiting);
  print("start_waiting_actor", watch.read(), count);
  print_bytes("bytes_waiting_actor", resident_bytes() - before, count);
  for (auto& a : actors)
    a->attach_functor([&living] {
      if (--living == 0) living.notify_one();
    });
  const stopwatch killing;
  for (auto& a : actors) caf::anon_send_exit(a, caf::exit_reason::kill);
  wait_for_zero(living);
  print("kill_all_waiting_actors", killing.read(), count);
  actors.clear();
  caf.system().clock().cancel_all();
}

} // namespace

int main(int argc, char** argv) {
  int count = 200'000;
  std::string words;
  for (int i = 1; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--count") && i + 1 < argc)
      count = std::atoi(argv[++i]);
    else
      words += std::string(argv[i]) + ' ';
  }
  const auto wanted = [&](const char* word) {
    return words.empty() || words.find(word) != std::string::npos;
  };
  for (const int workers : {1, 2}) {
    if (wanted("hop")) hop(workers);
    if (wanted("spawn")) spawn(workers);
  }
  if (wanted("cancel")) cancel(count);
}
