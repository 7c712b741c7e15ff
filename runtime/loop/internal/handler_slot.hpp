// handler_slot.hpp: memory of one's own for a handler of asio's, so that what must be asked again,
// or wakes a loop, needs no memory then.
//
// Holds one handler at a time; of more, the others come from the pool. asio gives the memory back
// before it calls the handler, which may thus ask again. Any thread.
#pragma once

#include "runtime/memory/pool.hpp"

#include <atomic>
#include <cstddef>

namespace creche::internal {

class handler_slot {
public:
  static constexpr std::size_t size = 192; // asio 1.22: a wait has 104 bytes, a call 40, and theirs

  handler_slot() = default;
  handler_slot(const handler_slot&) = delete;

  /// What asio takes as a handler's allocator.
  template <class T> struct allocator {
    using value_type = T;
    handler_slot* slot;

    explicit allocator(handler_slot& of) noexcept : slot(&of) {}
    template <class U> allocator(const allocator<U>& other) noexcept : slot(other.slot) {}
    T* allocate(std::size_t n) { return static_cast<T*>(slot->take(n * sizeof(T))); }
    void deallocate(T* memory, std::size_t n) noexcept { slot->give(memory, n * sizeof(T)); }
    template <class U> bool operator==(const allocator<U>& other) const noexcept {
      return slot == other.slot;
    }
  };

  /// A handler whose memory is in the slot.
  template <class F> struct handler {
    using allocator_type = allocator<void>;
    handler_slot* slot;
    F call;
    allocator_type get_allocator() const noexcept { return allocator_type(*slot); }
    template <class... A> void operator()(const A&... with) { call(with...); }
  };
  template <class F> handler<F> hold(F call) noexcept { return {this, static_cast<F&&>(call)}; }

private:
  void* take(std::size_t bytes) {
    if (bytes <= size && !taken_.exchange(true)) return memory_;
    return detail::pool::take(bytes);
  }
  void give(void* memory, std::size_t bytes) noexcept {
    if (memory == memory_)
      taken_.store(false);
    else
      detail::pool::give(memory, bytes);
  }

  std::atomic<bool> taken_{false};
  alignas(std::max_align_t) std::byte memory_[size];
};

} // namespace creche::internal
