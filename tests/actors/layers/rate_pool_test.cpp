// The buckets behind rate_limit, used by many threads at once: not a byte too many is granted.
#include "actors/layers/internal/rate_pool.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

using namespace creche;
using internal::rate_pool, internal::rate_way;

TEST_CASE("L7: threads that ask at once are granted the burst and the rate, and nothing more") {
  constexpr std::int64_t rate = 1'000'000, burst = 10'000;
  const rate_pool pool({.in = {.per_second = rate, .burst = burst}, .out = {.per_second = rate}});
  const time_point end{std::chrono::seconds(2)};
  std::atomic<std::int64_t> granted{0};
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (time_point now{std::chrono::seconds(1)};;) {
        const auto turn = pool.ask(0, rate_way::in, now, 1'000'000, false);
        now = time_point(clock_duration(turn.at_ns));
        if (now >= end) return pool.put_back(0, rate_way::in, turn.bytes);
        granted += turn.bytes;
      }
    });
  for (auto& each : threads) each.join();
  CHECK(granted <= rate + burst);
  CHECK(granted > rate - burst);
}

TEST_CASE("L7: threads with more keys than a pool knows forget the oldest, and break nothing") {
  const rate_pool pool({.in = {.per_second = 1, .burst = 1}, .out = {}}, 3);
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      for (std::uint64_t round = 0; round < 10'000; ++round) {
        const auto key = (i + round) % 7;
        const auto turn = pool.ask(key, rate_way::in, time_point{}, 5, round % 2 == 0);
        if (turn.bytes < 1) std::abort();
        pool.put_back(key, rate_way::in, turn.bytes);
      }
    });
  for (auto& each : threads) each.join();
  CHECK(pool.limits(rate_way::in));
  CHECK_FALSE(pool.limits(rate_way::out));
  // one that has gone is new again: its burst is there
  for (const std::uint64_t key : {101u, 102u, 103u})
    (void)pool.ask(key, rate_way::in, time_point{}, 1, false);
  CHECK(pool.ask(101, rate_way::in, time_point{}, 1, false).at_ns > 0);
  (void)pool.ask(104, rate_way::in, time_point{}, 1, false);
  CHECK(pool.ask(102, rate_way::in, time_point{}, 1, false).at_ns == 0);
}
