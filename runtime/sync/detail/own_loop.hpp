// own_loop.hpp: the one loop that an event, a channel or a parking belongs to.
//
// The first task that waits decides which; what comes from another loop is refused with a sentence,
// for it would be a race. Two relaxed loads at most; a message about misuse is all it gives.
#pragma once

#include "runtime/loop/detail/loops_born.hpp"

#include <atomic>
#include <cstdint>

namespace creche::internal {
class loop;
}

namespace creche::detail {

class own_loop {
public:
  own_loop() noexcept = default;
  own_loop(const own_loop&) = delete;

  /// A task of `here` waits. Throws std::logic_error if it belongs to another loop that lives.
  void wait_on(internal::loop& here, const char* what) {
    if (loop_.load(std::memory_order_relaxed) != &here ||
        born_.load(std::memory_order_relaxed) != loops_born.load(std::memory_order_relaxed))
        [[unlikely]]
      bind(here, what);
  }
  /// Not a wait; by this thread. Throws std::logic_error as above.
  void touch(const char* what) const {
    if (auto* bound = loop_.load(std::memory_order_relaxed)) look(*bound, what);
  }

private:
  void bind(internal::loop& here, const char* what);
  void look(const internal::loop& bound, const char* what) const;

  bool lives(const internal::loop& bound) const noexcept;

  std::atomic<internal::loop*> loop_{nullptr}; // it may have ended
  std::atomic<std::uint64_t> number_{0};       // of that loop: addresses come again
  std::atomic<std::uint64_t> born_{0};         // so many loops when it was known last
};

} // namespace creche::detail
