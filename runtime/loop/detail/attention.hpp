// attention.hpp: how a loop that is busy is asked to look up: at the time, and at what came.
//
// What runs on a loop looks at one flag, at every checkpoint and before every message; it is up at
// most a millisecond after time has passed (runtime/loop/internal/ticker.hpp), and at once when
// somebody was cancelled from another thread. Whoever finds it up gives its turn back.
#pragma once

#include <atomic>

namespace creche::internal {

class attention {
public:
  attention() = default;
  attention(const attention&) = delete;

  /// Any thread.
  void ask() noexcept { asked_.store(true, std::memory_order_release); }
  bool asked() const noexcept { return asked_.load(std::memory_order_relaxed); }
  /// The loop looks now.
  void look() noexcept {
    if (asked()) asked_.exchange(false, std::memory_order_acq_rel);
  }

  /// Of the loop whose thread this is; on another thread one that nobody asks for.
  static attention& here() noexcept { return *here_; }
  static void set_here(attention* of_loop) noexcept { here_ = of_loop ? of_loop : &nobodys_; }

private:
  std::atomic<bool> asked_{false};
  static attention nobodys_;
  static thread_local constinit inline attention* here_ = &nobodys_;
};

constinit inline attention attention::nobodys_;

} // namespace creche::internal
