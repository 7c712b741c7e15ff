// The gauge between two neighbours: every byte is added once and taken once, and a sender that
// waits is always told, also from another thread.
#include "actors/stack/internal/link.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <random>
#include <thread>

using namespace creche::internal;

namespace {
constexpr marks some{.high = 100, .low = 20};
}

TEST_CASE("L3: there is room below the high mark; resume comes at the low one, once") {
  gauge g;
  CHECK(g.room(some));
  g.add(99);
  CHECK(g.room(some));
  g.add(1);
  CHECK(g.in_flight() == 100);
  CHECK_FALSE(g.room(some));
  CHECK_FALSE(g.take(79, some, false)); // 21 left
  CHECK(g.take(1, some, false));        // 20: now
  CHECK_FALSE(g.take(1, some, false));
  CHECK(g.room(some));
}

TEST_CASE("L3: nobody is told who does not wait") {
  gauge g;
  g.add(150);
  CHECK_FALSE(g.take(150, some, true));
  g.add(150);
  CHECK_FALSE(g.room(some));
  CHECK(g.take(150, some, true));
}

TEST_CASE("L3: a receiver that needs more wakes the sender above the low mark, but not above the "
          "high one") {
  gauge g;
  g.add(120);
  CHECK_FALSE(g.starve(some, false)); // nobody waits
  CHECK_FALSE(g.room(some));
  CHECK_FALSE(g.starve(some, false)); // it holds as much as it may
  CHECK_FALSE(g.take(60, some, false));
  CHECK(g.starve(some, false));
  CHECK_FALSE(g.starve(some, false)); // told once
}

TEST_CASE(
    "L3: with two threads no byte is lost, no mark passed by more than one piece, no wake missed") {
  for (unsigned seed = 0; seed < 20; ++seed) {
    gauge g;
    constexpr std::uint64_t all = 200'000;
    std::atomic<std::uint64_t> sent{0};    // the mailbox: what was sent and may be taken
    std::atomic<std::uint64_t> resumes{0}; // the letter back
    std::thread sender([&] {
      std::mt19937 random(seed);
      std::uint64_t seen = 0;
      for (std::uint64_t n = 0; n < all;) {
        while (!g.room(some)) { // told exactly once for every time it waits
          while (resumes.load() == seen) resumes.wait(seen);
          ++seen;
        }
        const auto piece = 1 + random() % 30;
        REQUIRE(g.in_flight() < some.high);
        g.add(std::uint32_t(piece));
        n += piece;
        sent.fetch_add(piece);
        sent.notify_one();
      }
    });
    std::mt19937 random(seed + 1000);
    std::uint64_t taken = 0;
    while (taken < all) {
      auto there = sent.load();
      while (there == taken) {
        sent.wait(there);
        there = sent.load();
      }
      const auto n = std::min<std::uint64_t>(there - taken, 1 + random() % 50);
      taken += n;
      if (g.take(std::uint32_t(n), some, true)) {
        resumes.fetch_add(1);
        resumes.notify_one();
      }
    }
    sender.join();
    CHECK(g.in_flight() == sent.load() - taken);
  }
}

TEST_CASE("L12: a link lives as long as one of its ends, on whichever thread that ends") {
  for (int i = 0; i < 200; ++i) {
    link_ref a(new stack_link);
    auto b = a;
    std::thread other([mine = std::move(b)]() mutable { mine = link_ref(); });
    a = link_ref();
    other.join();
  }
}
