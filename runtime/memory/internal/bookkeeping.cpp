#include "runtime/memory/internal/bookkeeping.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <new>
#include <thread>

namespace creche::internal {

namespace {

// Behind the reserve: others may give something back meanwhile.
constexpr unsigned most_waits = 100;
constexpr auto wait = std::chrono::milliseconds(1);
thread_local constinit unsigned waits = 0; // since the reserve was set aside

std::atomic<void*> reserve{nullptr};
std::new_handler before = nullptr; // the program's own

} // namespace

void bookkeeping::begin() {
  static std::once_flag once;
  std::call_once(once, [] {
    set_aside();
    before = std::set_new_handler(&out_of_memory);
  });
}

// Called by operator new until it has what it wants.
void bookkeeping::out_of_memory() {
  if (depth_ != 0) {
    if (void* given_back = reserve.exchange(nullptr)) {
      spent_ = true;
      return std::free(given_back);
    }
    if (waits < most_waits) {
      spent_ = true;
      if (waits++ != 0) std::this_thread::sleep_for(wait);
      return;
    }
  }
  if (before) return before();
  throw std::bad_alloc();
}

void bookkeeping::set_aside() noexcept {
  spent_ = false;
  waits = 0;
  if (reserve.load(std::memory_order_relaxed)) return;
  void* nobody = nullptr;
  void* block = std::malloc(reserve_bytes);
  if (!block) {
    spent_ = true; // tried again next time
    return;
  }
  if (!reserve.compare_exchange_strong(nobody, block)) std::free(block);
}

} // namespace creche::internal
