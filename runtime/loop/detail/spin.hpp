// spin.hpp: a lock of one byte, for sections of a few stores in which nobody blocks.
//
// Any thread. Meets the standard's BasicLockable: std::lock_guard takes it.
#pragma once

#include <atomic>

namespace creche::internal {

/// Tells the processor that this thread only waits for another one.
inline void pause_a_moment() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class spin_lock {
public:
  void lock() noexcept {
    while (held_.exchange(true, std::memory_order_acquire)) wait();
  }
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

private:
  // The holder may have lost its processor: after some looks its thread gets ours.
  void wait() const noexcept;

  std::atomic<bool> held_{false};
};

/// Holds a spin lock for as long as it lives. (std::lock_guard needs <mutex>, which is heavy.)
class spin_guard {
public:
  explicit spin_guard(spin_lock& lock) noexcept : lock_(lock) { lock_.lock(); }
  spin_guard(const spin_guard&) = delete;
  ~spin_guard() { lock_.unlock(); }

private:
  spin_lock& lock_;
};

} // namespace creche::internal
