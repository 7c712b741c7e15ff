// spin.hpp: a lock of one byte, for sections of a few steps that nobody blocks in.
#pragma once

#include <atomic>
#include <thread>

namespace creche::internal {

inline void spin_lock(std::atomic<bool>& held) noexcept {
  while (held.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
}
inline void spin_unlock(std::atomic<bool>& held) noexcept {
  held.store(false, std::memory_order_release);
}

class spin_guard {
public:
  explicit spin_guard(std::atomic<bool>& held) noexcept : held_(held) { spin_lock(held_); }
  spin_guard(const spin_guard&) = delete;
  ~spin_guard() { spin_unlock(held_); }

private:
  std::atomic<bool>& held_;
};

} // namespace creche::internal
