// pool_test.cpp: blocks come round again, also when they travel between threads.
#include "runtime/memory/pool.hpp"

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

using creche::detail::pool;

TEST_CASE("a pooled block can be written to its end, whatever its size") {
  std::vector<std::pair<void*, std::size_t>> blocks;
  for (std::size_t n : {1u, 31u, 32u, 33u, 500u, 2047u, 2048u, 2049u, 100'000u}) {
    void* p = pool::take(n);
    CHECK(reinterpret_cast<std::uintptr_t>(p) % 16 == 0);
    std::memset(p, int(n), n);
    blocks.emplace_back(p, n);
  }
  for (auto [p, n] : blocks) {
    CHECK(static_cast<unsigned char*>(p)[n - 1] == static_cast<unsigned char>(n));
    pool::give(p, n);
  }
}

#ifndef CRECHE_NO_POOL
namespace {

// One thread takes, another gives back: a bounded ring of pointers between them.
void hand_over(std::size_t blocks, std::size_t size) {
  constexpr std::size_t ring = 1024;
  std::array<std::atomic<void*>, ring> slots{};
  std::thread consumer([&] {
    for (std::size_t i = 0; i < blocks; ++i) {
      auto& s = slots[i % ring];
      void* p;
      while (!(p = s.exchange(nullptr, std::memory_order_acquire))) std::this_thread::yield();
      pool::give(p, size);
    }
  });
  for (std::size_t i = 0; i < blocks; ++i) {
    void* p = pool::take(size);
    std::memset(p, 1, size);
    auto& s = slots[i % ring];
    while (s.load(std::memory_order_relaxed)) std::this_thread::yield();
    s.store(p, std::memory_order_release);
  }
  consumer.join();
}

} // namespace

TEST_CASE("a block that was given back is the next one taken") {
  void* p = pool::take(64);
  pool::give(p, 64);
  CHECK(pool::take(64) == p);
  pool::give(p, 64);
}

TEST_CASE("memory that travels between two threads stays bounded") {
  hand_over(10'000, 96); // both threads have their magazines
  const auto before = pool::carved();
  hand_over(10'000'000, 96);
  // 1024 in the ring, and two magazines a thread: about 150 KB; all the blocks would be 960 MB
  CHECK(pool::carved() - before < 2u << 20);
}

TEST_CASE("a thread that ends gives its blocks to the others") {
  for (int round = 0; round < 200; ++round) {
    std::thread([] {
      std::vector<void*> all;
      for (int i = 0; i < 1000; ++i) all.push_back(pool::take(256));
      for (void* p : all) pool::give(p, 256);
    }).join();
  }
  const auto before = pool::carved();
  for (int round = 0; round < 200; ++round) {
    std::thread([] {
      std::vector<void*> all;
      for (int i = 0; i < 1000; ++i) all.push_back(pool::take(256));
      for (void* p : all) pool::give(p, 256);
    }).join();
  }
  CHECK(pool::carved() - before < 2u << 20); // each round takes 256 KB and leaves it behind
}
#endif
