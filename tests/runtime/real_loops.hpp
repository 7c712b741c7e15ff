// real_loops.hpp: loops with threads of their own, for tests of what lies below run().
#pragma once

#include "runtime/system/internal/runtime_system.hpp"

#include <future>

namespace creche::testing {

/// A system whose loops run. Ends them, and must find them empty, when it dies.
class real_loops {
public:
  explicit real_loops(unsigned loops) : system_({.loops = loops}) { system_.start(); }
  ~real_loops() { finish(); }

  internal::loop& operator[](std::size_t i) { return system_.at(i); }
  caf::actor_system& caf() { return system_.actors(); }
  internal::runtime_system& system() { return system_; }

  /// Runs `f` on the loop and gives its result.
  template <class F> auto call(std::size_t i, F f) {
    std::packaged_task<decltype(f())()> work(std::move(f));
    auto result = work.get_future();
    internal::post_call(system_.at(i), std::move(work));
    return result.get();
  }
  /// How many residents did not end. Idempotent.
  std::size_t finish(clock_duration patience = std::chrono::seconds(10)) {
    return std::exchange(done_, true) ? 0 : system_.finish(patience);
  }

private:
  internal::runtime_system system_;
  bool done_ = false;
};

/// Waits, on a foreign thread, until an atomic has a value.
template <class T> void await(const std::atomic<T>& a, T wanted) {
  for (T seen = a.load(); seen != wanted; seen = a.load()) a.wait(seen);
}
template <class T> void set(std::atomic<T>& a, T value) {
  a.store(value);
  a.notify_all();
}

} // namespace creche::testing
