// creche_tasks_bench.cpp: what tasks pay to speak with each other.
//
//     creche_tasks_bench [--count N] [channel]        without a word, all there is
//
// Prints one JSON line for each variant: nanoseconds per item, the median of five rounds.
#include "runtime/run.hpp"
#include "runtime/shared_channel.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

using namespace creche;

constexpr int rounds = 5;

/// Runs `round` once to warm the pools and five times for the record.
template <class F> task<> measure(const char* what, int count, F round) {
  std::array<double, rounds> ns;
  co_await round();
  for (auto& x : ns) {
    const auto start = system_clock().now();
    co_await round();
    x = double((system_clock().now() - start).count()) / count;
  }
  std::sort(ns.begin(), ns.end());
  std::printf("{\"what\": \"%s\", \"ns\": %.1f, \"min\": %.1f, \"max\": %.1f, \"count\": %d}\n",
              what, ns[rounds / 2], ns.front(), ns.back(), count);
  std::fflush(stdout);
}

/// One task sends `count` numbers to another.
template <class Channel> task<> stream(std::size_t capacity, int count, placement sender) {
  Channel ch(capacity);
  auto send = [&ch, count]() -> task<> {
    for (int i = 0; i < count; ++i) co_await ch.send(i);
    ch.close();
  };
  auto body = [&](nursery& n) -> task<> {
    n.start(child_spec("sender", send).on(sender));
    while (co_await ch.receive()) {
    }
  };
  co_await with_nursery(body);
}

template <class Channel>
task<> stream_bench(const char* what, std::size_t capacity, int count, placement sender) {
  auto round = [=] { return stream<Channel>(capacity, count, sender); };
  return measure(what, count, round);
}

task<> channels(int count) {
  const auto here = placement::here, far = placement::any_loop;
  co_await stream_bench<channel<int>>("channel_0_one_loop", 0, count, here);
  co_await stream_bench<channel<int>>("channel_64_one_loop", 64, count, here);
  co_await stream_bench<shared_channel<int>>("shared_channel_0_one_loop", 0, count, here);
  co_await stream_bench<shared_channel<int>>("shared_channel_64_one_loop", 64, count, here);
  co_await stream_bench<shared_channel<int>>("shared_channel_0_two_loops", 0, count / 20, far);
  co_await stream_bench<shared_channel<int>>("shared_channel_64_two_loops", 64, count, far);
  co_await stream_bench<shared_channel<int>>("shared_channel_1024_two_loops", 1024, count, far);
}

} // namespace

int main(int argc, char** argv) {
  int count = 1'000'000;
  bool all = true, wants_channels = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view a = argv[i];
    if (a == "--count" && i + 1 < argc) {
      count = std::max(100, std::atoi(argv[++i]));
      continue;
    }
    all = false;
    wants_channels |= a == "channel";
  }
  const auto r = run({.name = "bench", .loops = 2}, [&](nursery&) -> task<> {
    if (all || wants_channels) co_await channels(count);
  });
  return r.finish();
}
