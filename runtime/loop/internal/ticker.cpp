#include "runtime/loop/internal/ticker.hpp"

#include "runtime/loop/internal/loop.hpp"

#include <csignal>

namespace creche::internal {

void ticker::start(std::vector<loop*> loops) {
  loops_ = std::move(loops);
  // Signals are for the program's own threads.
  sigset_t all, before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { run(); });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw;
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  for (auto* each : loops_) each->set_ticker(this);
}

void ticker::stop() noexcept {
  if (!thread_.joinable()) return;
  stopping_.store(true);
  wake();
  thread_.join();
}

void ticker::wake() noexcept {
  asleep_.store(0);
  asleep_.notify_one();
}

ticker::seen ticker::tick() noexcept {
  bool busy = false;
  std::uint64_t bursts = 0;
  for (auto* each : loops_) {
    bursts += each->bursts();
    if (each->asleep()) continue;
    busy = true;
    each->want_attention();
  }
  const bool same = std::exchange(bursts_, bursts) == bursts;
  return !busy ? seen::all_asleep : same ? seen::none : seen::progress;
}

void ticker::run() noexcept {
  constexpr unsigned patience = 100;
  unsigned in_vain = 0; // ticks in a row
  while (!stopping_.load()) {
    const auto found = tick();
    in_vain = found == seen::none ? in_vain + 1 : 0;
    if (found == seen::all_asleep) {
      asleep_.store(1);
      // one that woke up before it could see that we sleep
      bool busy = stopping_.load();
      for (auto* each : loops_) busy = busy || !each->asleep_now();
      if (!busy) asleep_.wait(1);
      asleep_.store(0);
    }
    if (in_vain < patience)
      std::this_thread::sleep_for(period);
    else
      std::this_thread::sleep_for(long_period); // what was asked stays asked
  }
}

} // namespace creche::internal
