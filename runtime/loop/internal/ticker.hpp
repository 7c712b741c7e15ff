// ticker.hpp: the thread that asks busy loops for their attention, once a millisecond.
//
// While a task has its turn its loop does not look at the clock: a checkpoint would cost ten times
// as much. So somebody else tells it that time has passed. While all loops sleep the ticker sleeps
// too, and the first loop that wakes up wakes it.
#pragma once

#include "runtime/time/clock.hpp"

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace creche::internal {

class loop;

class ticker {
public:
  static constexpr auto period = std::chrono::milliseconds(1);
  /// While no loop that is awake comes to a new burst: one is stuck, or a guest gets no turns.
  static constexpr auto long_period = std::chrono::milliseconds(20);

  ticker() = default;
  ticker(const ticker&) = delete;
  ~ticker() { stop(); }

  /// The loops live until stop(). Throws std::system_error.
  void start(std::vector<loop*> loops);
  /// Idempotent.
  void stop() noexcept;
  /// By a loop that is awake now. Any thread.
  void loop_is_awake() noexcept {
    if (asleep_.load() != 0) wake(); // seq_cst, as `loop::asleep_`: one of the two sees the other
  }

private:
  enum class seen : std::uint8_t { all_asleep, progress, none };
  void run() noexcept;
  seen tick() noexcept;
  void wake() noexcept;

  std::vector<loop*> loops_;
  std::uint64_t bursts_ = 0; // of all loops, at the last tick
  std::atomic<int> asleep_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

} // namespace creche::internal
