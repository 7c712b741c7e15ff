// Transports in memory: a pair of ends, and what can go wrong between them.
#include "actors/testing/memory.hpp"

#include "actors/stack/connection.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"

#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

struct seen {
  std::string bytes, pieces;
  std::optional<close_record> lost;
  clock_duration took{};
};

/// What one end sees of `sent`, when the other end then closes.
task<seen> passes(nursery& n, const memory_ends& ends, const std::string& sent) {
  const auto begun = now();
  auto writer = n.start([&]() -> task<> {
    auto a = co_await open(n, ends.a);
    co_await a.send(sent);
    a.close();
    co_await a.ended();
  });
  seen s;
  {
    auto b = co_await open(n, ends.b);
    try {
      while (auto piece = co_await b.frames().next()) {
        s.bytes += piece->view();
        s.pieces += std::to_string(piece->size()) + " ";
      }
    } catch (const connection_lost& e) {
      s.lost = e.record();
    }
    s.took = now() - begun;
  }
  co_await writer.wait();
  co_return s;
}

} // namespace

CRECHE_TEST("L13: what goes in at one end comes out at the other, both ways, then the end") {
  for (const bool lockstep : {false, true}) {
    const auto ends = lockstep ? lockstep_pair() : memory_pair();
    const auto s = co_await passes(n, ends, "hello");
    CHECK(s.bytes == "hello");
    CHECK_FALSE(s.lost.has_value());
  }
}

CRECHE_TEST("L13: faults at a byte: split, drop, truncate, reset; a delay for all") {
  seen s;
  const auto split = memory_pair({.to_b = {.split = 2}});
  s = co_await passes(n, split, "hello");
  CHECK(s.bytes == "hello");
  CHECK(s.pieces == "2 2 1 ");
  const auto drop = memory_pair({.to_b = {.drop_at = 1, .drop_bytes = 3}});
  s = co_await passes(n, drop, "hello");
  CHECK(s.bytes == "ho");
  const auto black = memory_pair({.to_b = {.drop_at = 2}});
  s = co_await passes(n, black, "hello");
  CHECK(s.bytes == "he");
  const auto delay = memory_pair({.to_b = {.delay = 3s}});
  s = co_await passes(n, delay, "hello");
  CHECK(s.bytes == "hello");
  CHECK(s.took >= 3s);
  for (std::size_t i = 0; i <= 5; ++i) {
    const auto cut = memory_pair({.to_b = {.truncate_at = i}});
    s = co_await passes(n, cut, "hello");
    CHECK(s.bytes == std::string("hello").substr(0, i));
    CHECK_FALSE(s.lost.has_value());
    const auto broken = memory_pair({.to_b = {.reset_at = i}});
    s = co_await passes(n, broken, "hello");
    CHECK(s.bytes == std::string("hello").substr(0, i));
    REQUIRE(s.lost.has_value());
    CHECK(s.lost->how == ended_by::reset);
  }
}

CRECHE_TEST("L13: between two ends lies no more than the capacity; in lockstep one packet") {
  for (const bool lockstep : {false, true}) {
    memory_options o{.capacity = 1000, .lockstep = lockstep};
    const auto ends = memory_pair(o);
    auto b = co_await open(n, ends.b);
    std::size_t sent = 0;
    auto writer = n.start([&]() -> task<> {
      auto a = co_await open(n, ends.a);
      for (; sent < 1'000'000; sent += 100) co_await a.send(std::string(100, 'x'));
      a.close();
      co_await a.ended();
    });
    co_await sleep_for(1ns);
    CHECK(sent < 300'000);
    std::size_t got = 0;
    while (auto piece = co_await b.frames().next()) got += piece->size();
    CHECK(got == 1'000'000);
    b.close();
    co_await writer.wait();
  }
}

CRECHE_TEST("L13: an end is opened once; who writes to nobody is not held for ever") {
  const auto ends = memory_pair();
  auto b = co_await open(n, ends.b);
  auto a = co_await open(n, ends.a);
  std::string what;
  try {
    auto again = co_await open(n, ends.a);
  } catch (const std::exception& e) {
    what = e.what();
  }
  CHECK(what.find("opened before") != std::string::npos);
  b.abort();
  co_await b.ended();
  const auto end = co_await a.ended();
  CHECK(end.how == ended_by::reset);
}
