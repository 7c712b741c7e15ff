// creche_tasks_bench.cpp: what tasks cost: their life, a checkpoint, a deadline, a channel.
//
//     creche_tasks_bench [--count N] [life] [await] [channel]        without a word, all there is
//
// Prints one JSON line for each variant: nanoseconds per item, by the clock and by the processors,
// the medians of five rounds.
#include "runtime/sync/shared_channel.hpp"
#include "runtime/system/run.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "tests/bench/stopwatch.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

using namespace creche;

constexpr int rounds = 5;

task<> sleep_for_ever() { co_await sleep_for(no_limit); }

/// Runs `round` once to warm the pools and five times for the record.
template <class F> task<> measure(const char* what, int count, F round) {
  std::array<double, rounds> ns, cpu;
  co_await round();
  for (int i = 0; i < rounds; ++i) {
    const bench::stopwatch watch;
    co_await round();
    const auto took = watch.read();
    ns[i] = took.ns / count;
    cpu[i] = took.cpu_ns / count;
  }
  std::sort(ns.begin(), ns.end());
  std::sort(cpu.begin(), cpu.end());
  std::printf("{\"what\": \"%s\", \"ns\": %.1f, \"min\": %.1f, \"max\": %.1f, \"cpu_ns\": %.1f, "
              "\"count\": %d}\n",
              what, ns[rounds / 2], ns.front(), ns.back(), cpu[rounds / 2], count);
  std::fflush(stdout);
}

// ---- life: all of them at once in one nursery

task<> finish_all(int count) {
  auto body = [count](nursery& n) -> task<> {
    for (int i = 0; i < count; ++i) n.start([]() -> task<> { co_return; });
    co_return;
  };
  co_await with_nursery(body);
}

/// Each sleeps under a deadline of its own, up to an hour ahead; then all are cancelled.
task<> cancel_all(int count) {
  auto body = [count](nursery& n) -> task<> {
    std::uint32_t dice = 1;
    for (int i = 0; i < count; ++i) {
      dice = dice * 1664525u + 1013904223u;
      n.start([limit = clock_duration(std::chrono::seconds(100 + dice % 3500))]() -> task<> {
        co_await move_on_after(limit, [] { return sleep_for_ever(); });
      });
    }
    co_await sleep_for(clock_duration(1)); // all of them wait
    n.cancel();
  };
  co_await with_nursery(body);
}

// ---- await

task<> checkpoints(int count) {
  for (int i = 0; i < count; ++i) co_await checkpoint();
}
task<> deadline_scopes(int count) {
  for (int i = 0; i < count; ++i)
    co_await move_on_after(std::chrono::seconds(10), []() -> task<> { co_await checkpoint(); });
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

task<> lives(int count) {
  co_await measure("start_and_finish", count, [=] { return finish_all(count); });
  co_await measure("cancel_sleeping_with_deadline", count, [=] { return cancel_all(count); });
}
task<> awaits(int count) {
  co_await measure("checkpoint", 10 * count, [=] { return checkpoints(10 * count); });
  co_await measure("deadline_scope", count, [=] { return deadline_scopes(count); });
}

} // namespace

int main(int argc, char** argv) {
  int count = 1'000'000;
  bool all = true, wants_channels = false, wants_lives = false, wants_awaits = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view a = argv[i];
    if (a == "--count" && i + 1 < argc) {
      count = std::max(100, std::atoi(argv[++i]));
      continue;
    }
    all = false;
    wants_channels |= a == "channel";
    wants_lives |= a == "life";
    wants_awaits |= a == "await";
  }
  const auto r = run({.name = "bench", .loops = 2}, [&](nursery&) -> task<> {
    if (all || wants_awaits) co_await awaits(count);
    if (all || wants_lives) co_await lives(count);
    if (all || wants_channels) co_await channels(count);
  });
  return r.finish();
}
