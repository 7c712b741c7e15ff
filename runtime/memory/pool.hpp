// pool.hpp: memory for what is made and freed all the time: frames, actors, letters.
//
// Free blocks are kept per thread and size class in two magazines; full magazines travel through a
// shared depot, so blocks that are taken on one thread and given back on another come round again:
// what is held is bounded by what was in use at once, plus two magazines a class and thread.
// Any thread. With CRECHE_NO_POOL, or after bypass(), every block is the program's operator new's,
// so that ASan sees each object and a test can fail each allocation.
#pragma once

#include <cstddef>
#include <new>

namespace creche::detail {

class pool {
public:
  static constexpr std::size_t grain = 32;   // bytes between size classes
  static constexpr std::size_t classes = 64; // larger blocks are malloc's
  static constexpr std::size_t largest = grain * classes;
  static constexpr unsigned magazine = 128; // blocks

  /// At least `n` bytes (n > 0), aligned to 16. Throws std::bad_alloc.
  static void* take(std::size_t n) {
#ifndef CRECHE_NO_POOL
    if (n <= largest && n <= largest_pooled_) {
      auto& shelf = mine_[(n - 1) / grain];
      if (auto* first = shelf.loaded) {
        shelf.loaded = first->next;
        --shelf.count;
        return first;
      }
      return take_slow((n - 1) / grain);
    }
#endif
    return ::operator new(n);
  }

  /// `p` came from take(n); on any thread.
  static void give(void* memory, std::size_t n) noexcept {
#ifndef CRECHE_NO_POOL
    if (n <= largest && n <= largest_pooled_) {
      auto& shelf = mine_[(n - 1) / grain];
      if (shelf.count == magazine) turn_over((n - 1) / grain);
      shelf.loaded = new (memory) block{shelf.loaded, nullptr};
      ++shelf.count;
      return;
    }
#endif
    ::operator delete(memory, n);
  }

  /// Bytes carved from the system since the program started, by all threads.
  static std::size_t carved() noexcept;
  /// No block is kept from now on. REQUIRES: none was taken yet; for tests.
  static void bypass() noexcept { largest_pooled_ = 0; }
  static bool bypassed() noexcept { return largest_pooled_ == 0; }

private:
  struct block {
    block* next;
    block* next_magazine; // of the first block of a magazine in the depot
  };
  struct shelf {
    block* loaded;
    block* spare;   // a full magazine, or none
    unsigned count; // blocks in `loaded`
  };
  struct depot;
  struct janitor;

  static void* take_slow(std::size_t size_class);
  static void turn_over(std::size_t size_class) noexcept;

  static thread_local constinit inline shelf mine_[classes]{};
  static constinit inline std::size_t largest_pooled_ = largest; // or 0
};

/// For classes whose objects come from the pool: derive from it.
struct pooled {
  static void* operator new(std::size_t n) { return pool::take(n); }
  static void operator delete(void* memory, std::size_t n) noexcept { pool::give(memory, n); }
};

} // namespace creche::detail
