#include "runtime/memory/pool.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <utility>

namespace creche::detail {

namespace {
constexpr std::size_t chunk_bytes = std::size_t{1} << 18;
std::atomic<std::size_t> carved_bytes{0};
} // namespace

// Magazines on their way between threads; one list a size class. Loose blocks are the rest of a
// thread that ended, fewer than a magazine at a time.
struct pool::depot {
  struct list {
    std::mutex lock;
    block* full = nullptr;
    block* loose = nullptr;
    unsigned loose_count = 0;
  };
  std::array<list, classes> lists;

  static depot& shared() {
    static depot* made = new depot; // never destroyed: threads may end after main has
    return *made;
  }
  void put(std::size_t size_class, block* full) {
    std::lock_guard hold(lists[size_class].lock);
    full->next_magazine = lists[size_class].full;
    lists[size_class].full = full;
  }
  void put_loose(std::size_t size_class, block* chain) {
    std::lock_guard hold(lists[size_class].lock);
    auto& of_class = lists[size_class];
    while (chain) {
      auto* next = std::exchange(chain->next, of_class.loose);
      of_class.loose = chain;
      if (++of_class.loose_count == magazine) {
        of_class.loose->next_magazine = of_class.full;
        of_class.full = std::exchange(of_class.loose, nullptr);
        of_class.loose_count = 0;
      }
      chain = next;
    }
  }
  block* get(std::size_t size_class) {
    std::lock_guard hold(lists[size_class].lock);
    auto* full = lists[size_class].full;
    if (full) lists[size_class].full = full->next_magazine;
    return full;
  }
};

// Gives a thread's magazines back when it ends, and holds the piece of memory it carves from.
struct pool::janitor {
  char* at = nullptr;
  char* end = nullptr;
  ~janitor() {
    for (std::size_t size_class = 0; size_class < classes; ++size_class) {
      auto& kept = mine_[size_class];
      if (kept.spare) depot::shared().put(size_class, std::exchange(kept.spare, nullptr));
      depot::shared().put_loose(size_class, std::exchange(kept.loaded, nullptr));
      kept.count = 0;
    }
    // the uncut rest of the chunk, in blocks of the largest size
    block* rest = nullptr;
    for (; std::size_t(end - at) >= largest; at += largest) rest = new (at) block{rest, nullptr};
    depot::shared().put_loose(classes - 1, rest);
    at = end = nullptr;
  }
  static janitor& mine() {
    static thread_local janitor of_thread;
    return of_thread;
  }
};

void* pool::take_slow(std::size_t size_class) {
  auto& of_thread = janitor::mine();
  auto& kept = mine_[size_class];
  auto* first = kept.spare ? std::exchange(kept.spare, nullptr) : depot::shared().get(size_class);
  if (first) {
    kept.loaded = first->next;
    kept.count = magazine - 1;
    return first;
  }
  const auto n = (size_class + 1) * grain;
  if (std::size_t(of_thread.end - of_thread.at) < n) {
    auto* chunk = static_cast<char*>(::operator new(chunk_bytes, std::align_val_t(64)));
    carved_bytes.fetch_add(chunk_bytes, std::memory_order_relaxed);
    of_thread.at = chunk;
    of_thread.end = chunk + chunk_bytes;
  }
  return std::exchange(of_thread.at, of_thread.at + n);
}

void pool::turn_over(std::size_t size_class) noexcept {
  janitor::mine();
  auto& kept = mine_[size_class];
  if (kept.spare) depot::shared().put(size_class, kept.spare);
  kept.spare = std::exchange(kept.loaded, nullptr);
  kept.count = 0;
}

std::size_t pool::carved() noexcept { return carved_bytes.load(std::memory_order_relaxed); }

} // namespace creche::detail
