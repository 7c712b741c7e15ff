#include "runtime/pool.hpp"

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
    static depot* d = new depot; // never destroyed: threads may end after main has
    return *d;
  }
  void put(std::size_t c, block* m) {
    std::lock_guard hold(lists[c].lock);
    m->next_magazine = lists[c].full;
    lists[c].full = m;
  }
  void put_loose(std::size_t c, block* b) {
    std::lock_guard hold(lists[c].lock);
    auto& l = lists[c];
    while (b) {
      auto* next = std::exchange(b->next, l.loose);
      l.loose = b;
      if (++l.loose_count == magazine) {
        l.loose->next_magazine = l.full;
        l.full = std::exchange(l.loose, nullptr);
        l.loose_count = 0;
      }
      b = next;
    }
  }
  block* get(std::size_t c) {
    std::lock_guard hold(lists[c].lock);
    auto* m = lists[c].full;
    if (m) lists[c].full = m->next_magazine;
    return m;
  }
};

// Gives a thread's magazines back when it ends, and holds the piece of memory it carves from.
struct pool::janitor {
  char* at = nullptr;
  char* end = nullptr;
  ~janitor() {
    for (std::size_t c = 0; c < classes; ++c) {
      auto& s = mine_[c];
      if (s.spare) depot::shared().put(c, std::exchange(s.spare, nullptr));
      depot::shared().put_loose(c, std::exchange(s.loaded, nullptr));
      s.count = 0;
    }
    // the uncut rest of the chunk, in blocks of the largest size
    block* rest = nullptr;
    for (; std::size_t(end - at) >= largest; at += largest) rest = new (at) block{rest, nullptr};
    depot::shared().put_loose(classes - 1, rest);
    at = end = nullptr;
  }
  static janitor& mine() {
    static thread_local janitor j;
    return j;
  }
};

void* pool::take_slow(std::size_t c) {
  auto& j = janitor::mine();
  auto& s = mine_[c];
  auto* m = s.spare ? std::exchange(s.spare, nullptr) : depot::shared().get(c);
  if (m) {
    s.loaded = m->next;
    s.count = magazine - 1;
    return m;
  }
  const auto n = (c + 1) * grain;
  if (std::size_t(j.end - j.at) < n) {
    auto* p = static_cast<char*>(std::aligned_alloc(64, chunk_bytes));
    if (!p) throw std::bad_alloc();
    carved_bytes.fetch_add(chunk_bytes, std::memory_order_relaxed);
    j.at = p;
    j.end = p + chunk_bytes;
  }
  return std::exchange(j.at, j.at + n);
}

void pool::turn_over(std::size_t c) noexcept {
  janitor::mine();
  auto& s = mine_[c];
  if (s.spare) depot::shared().put(c, s.spare);
  s.spare = std::exchange(s.loaded, nullptr);
  s.count = 0;
}

std::size_t pool::carved() noexcept { return carved_bytes.load(std::memory_order_relaxed); }

} // namespace creche::detail
