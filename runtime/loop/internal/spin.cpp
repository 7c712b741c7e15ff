#include "runtime/loop/detail/spin.hpp"

#include <thread>

namespace creche::internal {

void spin_lock::wait() const noexcept {
  constexpr int looks = 64;
  for (int i = 0; i < looks; ++i) {
    if (!held_.load(std::memory_order_relaxed)) return;
    pause_a_moment();
  }
  std::this_thread::yield();
}

} // namespace creche::internal
