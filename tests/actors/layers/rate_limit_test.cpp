// rate_limit: its rate in each direction, alone and shared, what waits and what ends; its text.
#include "actors/layers/rate_limit.hpp"

#include "actors/layers/framers.hpp"
#include "actors/services/standard_words.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"
#include "runtime/testing/virtual_run.hpp"

#include <atomic>
#include <deque>
#include <ostream>
#include <string>
#include <vector>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kib = 1 << 10, mib = 1 << 20, gib = 1 << 30;

/// No byte is like the one before it.
std::string pattern(std::size_t size) {
  std::string text(size, 0);
  for (std::size_t i = 0; i < size; ++i) text[i] = char(i * 2654435761u >> 13);
  return text;
}

/// Reads until nothing comes any more, for so long.
task<std::string> read_for(connection& from, clock_duration time) {
  std::string text;
  const auto reads = [&]() -> task<> {
    while (auto piece = co_await from.frames().next()) text += piece->view();
  };
  co_await move_on_after(time, reads);
  co_return text;
}

/// How many bytes there are now.
task<std::size_t> came_at_once(connection& from) {
  co_return (co_await read_for(from, 1ns)).size();
}

task<> send_all(connection& to, const std::string& text) {
  constexpr std::size_t piece = 10'000;
  for (std::size_t at = 0; at < text.size(); at += piece)
    co_await to.send(std::string_view(text).substr(at, piece));
}

bool is_near(std::size_t bytes, std::int64_t wanted) {
  return std::abs(std::int64_t(bytes) - wanted) <= wanted / 50; // 2 %
}

/// Leaves the address of a peer, as a layer does that reads a proxy's header.
struct proxied : layer {
  const endpoint from;
  explicit proxied(const char* address) : from{address, 1} {}
  const char* name() const noexcept override { return "proxied"; }
  void established() override {
    facts().set(addresses{from, {}});
    established_above();
  }
};

std::string again(const std::string& text) { return parse_stack(text).to_text(); }

std::string wrong(const std::string& text) {
  try {
    parse_stack(text);
  } catch (const stack_text_error& e) {
    return std::to_string(e.column()) + ": " + e.what();
  }
  return "parses";
}

} // namespace

CRECHE_TEST("L7: what the peer sends comes in with the rate, all of it and in order") {
  for (const std::int64_t rate : {5 * kib, mib}) {
    memory_wire w;
    auto c = co_await open(n, w.transport() / rate_limit({.in = {.per_second = rate}}));
    const auto sent = pattern(std::size_t(12 * rate));
    w.feed(sent);
    const auto came = co_await read_for(c, 10s);
    CHECK(is_near(came.size(), 10 * rate));
    CHECK(sent.starts_with(came));
    CHECK(w.given() <= came.size() + 200'000); // the rest waits at the peer
    CHECK(came + co_await read_for(c, 3s) == sent);
  }
}

CRECHE_TEST("L7: what is written goes out with the rate, all of it and in order") {
  for (const std::int64_t rate : {5 * kib, mib}) {
    memory_wire w;
    auto c = co_await open(n, w.transport() / rate_limit({.out = {.per_second = rate}}));
    const auto text = pattern(std::size_t(12 * rate));
    auto writes = n.start([&]() -> task<> { co_await send_all(c, text); });
    co_await sleep_for(10s);
    CHECK(is_near(w.got().size(), 10 * rate));
    co_await writes.wait();
    co_await c.flushed();
    CHECK(w.got() == text);
  }
}

CRECHE_TEST("L7: the two directions have limits of their own, and one without has none") {
  memory_wire w, v;
  auto both = co_await open(n, w.transport() / rate_limit({.in = {.per_second = 100 * kib},
                                                           .out = {.per_second = 10 * kib}}));
  auto out = co_await open(n, v.transport() / rate_limit({.out = {.per_second = kib}}));
  w.feed(pattern(2 * mib));
  v.feed(pattern(2 * mib));
  auto writes = n.start([&]() -> task<> { co_await send_all(both, pattern(200 * kib)); });
  auto reads = n.start([&]() -> task<> {
    const auto came = co_await read_for(out, 1ns);
    CHECK(came.size() == 2 * mib); // at once
  });
  const auto came = co_await read_for(both, 10s);
  CHECK(is_near(came.size(), 1000 * kib));
  CHECK(is_near(w.got().size(), 100 * kib));
  co_await writes.wait();
  co_await reads.wait();
}

CRECHE_TEST("L7: a burst passes at once, and never more than it, however large the pieces are") {
  memory_wire w;
  auto c =
      co_await open(n, w.transport() / rate_limit({.in = {.per_second = 1000, .burst = 5000},
                                                   .out = {.per_second = 1000, .burst = 300}}));
  w.feed(pattern(20'000));
  co_await c.send(pattern(20'000));
  co_await sleep_for(1ns);
  CHECK((co_await came_at_once(c)) == 5000);
  CHECK(w.got().size() == 300);
  co_await sleep_for(1s);
  CHECK((co_await came_at_once(c)) == 1000);
  CHECK(w.got().size() == 1300);
  CHECK((co_await read_for(c, 15s)).size() == 14'000);
  co_await sleep_for(1h);
  w.feed(pattern(20'000)); // after a long silence, no more than a burst as well
  co_await sleep_for(1ns);
  CHECK((co_await came_at_once(c)) == 5000);
}

CRECHE_TEST("L7: who waits is told in the tree, and nothing is done while it waits") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / rate_limit({.in = {.per_second = 1, .burst = 1},
                                                        .out = {.per_second = 1, .burst = 1}}));
  w.feed("abc");
  co_await c.send("abc");
  co_await sleep_for(100ms);
  const auto text = tree().to_text();
  CHECK_MESSAGE(text.find("rate limit") != text.npos, text);
  co_await sleep_for(3s);
  CHECK(w.got() == "abc");
  CHECK((co_await came_at_once(c)) == 3);
  CHECK(tree().to_text().find("rate limit") == std::string::npos);
}

CRECHE_TEST("L7: two stacks with one shared rate keep to it together, and neither starves") {
  const shared_rate together({.in = {.per_second = 200 * kib}, .out = {.per_second = 100 * kib}});
  memory_wire w[2];
  auto a = co_await open(n, w[0].transport() / rate_limit(together));
  auto b = co_await open(n, w[1].transport() / rate_limit(together));
  for (auto& each : w) each.feed(pattern(3 * mib));
  const auto text = pattern(2 * mib);
  auto first = n.start([&]() -> task<> { co_await send_all(a, text); });
  auto second = n.start([&]() -> task<> { co_await send_all(b, text); });
  std::size_t other = 0;
  auto reads = n.start([&]() -> task<> { other = (co_await read_for(b, 10s)).size(); });
  const auto one = (co_await read_for(a, 10s)).size();
  co_await reads.wait();
  CHECK(is_near(one + other, 2000 * kib));
  CHECK(std::min(one, other) > 800 * kib);
  const auto out_one = w[0].got().size(), out_other = w[1].got().size();
  CHECK(is_near(out_one + out_other, 1000 * kib));
  CHECK(std::min(out_one, out_other) > 400 * kib);
  first.cancel();
  second.cancel();
  co_await first.wait();
  co_await second.wait();
}

CRECHE_TEST("L7: a stack has the shared rate for itself when the others have ended") {
  const shared_rate together({.out = {.per_second = 100 * kib}});
  std::deque<memory_wire> wires(20);
  memory_wire last;
  auto c = co_await open(n, last.transport() / rate_limit(together));
  co_await with_nursery([&](nursery& others) -> task<> {
    for (auto& wire : wires)
      others.start([&, to = &wire]() -> task<> {
        auto peer = co_await open(others, to->transport() / rate_limit(together));
        co_await send_all(peer, pattern(mib));
      });
    co_await sleep_for(10s);
    others.cancel();
  });
  std::size_t all = 0;
  for (auto& wire : wires) {
    CHECK(wire.got().size() > 30 * kib); // its share is 50
    all += wire.got().size();
  }
  CHECK(is_near(all, 1000 * kib));
  auto writes = n.start([&]() -> task<> { co_await send_all(c, pattern(2 * mib)); });
  co_await sleep_for(10s);
  CHECK(is_near(last.got().size(), 1000 * kib));
  writes.cancel();
  co_await writes.wait();
}

TEST_CASE("L7: stacks on several loops have one rate together") {
  const shared_rate together({.out = {.per_second = 100 * kib}});
  std::atomic<std::size_t> all{0};
  std::atomic<int> talks{0};
  const auto run = run_virtual({.loops = 4}, [&](nursery& n) -> task<> {
    for (int i = 0; i < 4; ++i) {
      const auto talk = [&](nursery& own) -> task<> {
        memory_wire wire;
        auto peer = co_await open(own, wire.transport() / rate_limit(together));
        const auto sends = [&]() -> task<> { co_await send_all(peer, pattern(mib)); };
        co_await move_on_after(10s, sends);
        all += wire.got().size();
        ++talks;
        peer.abort();
        co_await peer.ended();
      };
      auto body = [talk]() -> task<> { co_await with_nursery(talk); };
      n.start(child_spec("talk", body).on(placement::any_loop));
    }
    co_return;
  });
  CHECK(run.deadlock == "");
  CHECK(run.run.exit_code() == 0);
  CHECK(talks == 4);
  CHECK(is_near(all, 1000 * kib));
}

CRECHE_TEST("L7: each address has a rate, and the one that was silent for longest is forgotten") {
  const rate_per_address each({.in = {.per_second = 10, .burst = 1000}}, 2);
  std::deque<memory_wire> wires;
  // how much of 1000 bytes comes at once
  const auto burst_of = [&](const char* address) -> task<std::size_t> {
    auto& wire = wires.emplace_back();
    auto c = co_await open(n, wire.transport() / layered<proxied>(address) / rate_limit(each));
    wire.feed(pattern(1000));
    co_await sleep_for(1ns);
    const auto came = co_await came_at_once(c);
    c.abort();
    co_await c.ended();
    co_return came;
  };
  CHECK((co_await burst_of("192.0.2.1")) == 1000);
  CHECK((co_await burst_of("192.0.2.1")) == 0); // all its connections have one
  CHECK((co_await burst_of("192.0.2.2")) == 1000);
  CHECK((co_await burst_of("192.0.2.1")) == 0);
  CHECK((co_await burst_of("2001:db8:1:2::3")) == 1000); // 192.0.2.2 goes
  CHECK((co_await burst_of("2001:db8:1:2:9:9:9:9")) == 0);
  CHECK((co_await burst_of("192.0.2.1")) == 0);
  CHECK((co_await burst_of("192.0.2.2")) == 1000);       // as new
  CHECK((co_await burst_of("2001:db8:1:3::3")) == 1000); // another site
  CHECK((co_await burst_of("::ffff:192.0.2.2")) == 0);
}

CRECHE_TEST("L7: stacks without an address have one rate together") {
  const rate_per_address each({.in = {.per_second = 10, .burst = 1000}});
  memory_wire w[2];
  auto a = co_await open(n, w[0].transport() / rate_limit(each));
  auto b = co_await open(n, w[1].transport() / rate_limit(each));
  for (auto& wire : w) wire.feed(pattern(600));
  co_await sleep_for(1ns);
  CHECK((co_await came_at_once(a)) + (co_await came_at_once(b)) == 1000);
}

CRECHE_TEST("L7: a cancel of what waits for its rate is immediate, an abort as well") {
  for (const bool aborts : {false, true}) {
    memory_wire w;
    auto c = co_await open(n, w.transport() /
                                  rate_limit({.in = {.per_second = 1}, .out = {.per_second = 1}}));
    w.feed(pattern(50'000));
    co_await c.send(pattern(50'000));
    co_await sleep_for(1s);
    const auto began = now();
    if (aborts) {
      c.abort();
      co_await c.ended();
    } else {
      auto stack = c.stack();
      co_await stack.cancel_and_wait();
    }
    CHECK(now() - began < 1ms);
    CHECK(w.aborted());
  }
}

CRECHE_TEST("L7: a close waits until what was written has passed with the rate") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / rate_limit({.out = {.per_second = 1000, .burst = 1}}));
  co_await c.send(pattern(10'000));
  const auto began = now();
  c.close();
  const auto end = co_await c.ended();
  CHECK(end.how == ended_by::clean);
  CHECK(now() - began > 9'900ms);
  CHECK(now() - began < 10'200ms);
  CHECK(w.got() == pattern(10'000));
  CHECK(w.closed());
}

CRECHE_TEST("L7: a close does not wait for what came and nobody will read") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / rate_limit({.in = {.per_second = 1}}));
  w.feed(pattern(50'000));
  co_await c.send("bye");
  co_await sleep_for(1s);
  const auto began = now();
  c.close();
  const auto end = co_await c.ended();
  CHECK(end.how == ended_by::clean);
  CHECK(now() - began < 1ms);
  CHECK(w.got() == "bye");
}

CRECHE_TEST("L7: our end is said behind what was written, and the answer is read") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / rate_limit({.out = {.per_second = 1000, .burst = 1}}));
  co_await c.send(pattern(1000));
  c.finish();
  co_await sleep_for(500ms);
  CHECK_FALSE(w.finished());
  co_await sleep_for(600ms);
  CHECK(w.finished());
  CHECK(w.got() == pattern(1000));
  w.feed("answer");
  w.eof();
  CHECK((co_await read_for(c, 1s)) == "answer");
}

CRECHE_TEST("L7: the peer's end is told behind what it has sent") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / rate_limit({.in = {.per_second = 1000, .burst = 1}}));
  w.feed(pattern(10'000));
  w.eof();
  const auto began = now();
  CHECK((co_await read_for(c, 1h)) == pattern(10'000));
  CHECK(now() - began > 9'900ms);
  CHECK(now() - began < 10'200ms);
}

CRECHE_TEST("L7: a drain comes behind what waits for its rate, or ends with its own limit") {
  memory_wire w, v;
  const rate_limits slow{.in = {.per_second = 1000, .burst = 1}, .out = {}};
  auto c = co_await open(n, w.transport() / rate_limit(slow));
  w.feed(pattern(5000));
  std::string came;
  auto reads = n.start([&]() -> task<> {
    came = co_await read_for(c, 1h);
    c.close();
  });
  co_await sleep_for(1s);
  const auto began = now();
  auto stack = c.stack();
  stack.stop();
  co_await stack.wait();
  co_await reads.wait();
  CHECK(came == pattern(5000));
  CHECK(now() - began < 5s);
  auto spec = as_child(v.transport() / rate_limit(slow), "stack").stop_within(2s);
  auto cut = n.start(std::move(spec));
  v.feed(pattern(60'000));
  co_await sleep_for(1s);
  const auto then = now();
  cut.stop();
  co_await cut.wait();
  CHECK(now() - then < 2100ms);
}

CRECHE_TEST("L7: frames pass whole and in order, and a long one is made up for") {
  const auto ends = lockstep_pair();
  auto peer = n.start([&]() -> task<> {
    auto b = co_await open(n, ends.b / netstring() /
                                  rate_limit<frames>({.in = {.per_second = 1000, .burst = 100}}));
    const auto began = now();
    for (const std::size_t size : {1000u, 0u, 1u, 1000u, 1000u}) {
      auto frame = co_await b.frames().next();
      REQUIRE(frame.has_value());
      CHECK(frame->view() == pattern(size));
    }
    CHECK(now() - began > 1900ms);
    CHECK(now() - began < 2100ms);
    for (int i = 0; i < 1000; ++i) co_await b.frames().next(); // a flood of empty ones is held
    CHECK(now() - began > 3900ms);
  });
  auto a =
      co_await open(n, ends.a / netstring() / rate_limit<frames>({.out = {.per_second = mib}}));
  for (const std::size_t size : {1000u, 0u, 1u, 1000u, 1000u}) co_await a.send(pattern(size));
  for (int i = 0; i < 1000; ++i) co_await a.send("");
  co_await a.flushed();
  co_await peer.wait();
  a.close();
}

CRECHE_TEST("L7: a layer that is removed while bytes wait in it loses none of them") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / rate_limit({.in = {.per_second = 1000, .burst = 1},
                                                        .out = {.per_second = 1000, .burst = 1}}));
  w.feed(pattern(5000));
  co_await c.send(pattern(5000));
  co_await sleep_for(1s);
  CHECK(w.got().size() < 1100);
  const auto came = co_await read_for(c, 1ns);
  CHECK(came.size() < 1100);
  const auto began = now();
  co_await c.remove("rate_limit"); // behind what was written, which keeps to its rate
  CHECK(now() - began < 5s);
  co_await c.flushed();
  CHECK(w.got() == pattern(5000));
  CHECK(came + (co_await read_for(c, 1s)) == pattern(5000));
}

TEST_CASE("L7, P11: the text of rate_limit parses and prints the same") {
  for (std::string text :
       {"rate_limit(1MiB/s)", "rate_limit(1MiB/s,burst=64KiB)", "rate_limit(in=1MiB/s)",
        "rate_limit(out=3B/s)", "rate_limit(in=1MiB/s,burst=1B)", "rate_limit(out=5KiB/s,burst=2B)",
        "rate_limit(in=1MiB/s,out=512KiB/s)", "rate_limit(in=1MiB/s,out=512KiB/s,burst=64KiB)",
        "rate_limit(in=1MiB/s,burst=1KiB,out=1MiB/s)",
        "rate_limit(out=1MiB/s,burst=1KiB,in=1MiB/s)",
        "rate_limit(in=1MiB/s,burst=1KiB,out=2B/s,burst=2KiB)", "rate_limit(100GiB/s,burst=1GiB)",
        "netstring/rate_limit(in=1MiB/s,out=512KiB/s,burst=64KiB,frames)"})
    CHECK(again(text) == text);
  CHECK(again("rate_limit(1048576B/s,burst=1024B)") == "rate_limit(1MiB/s,burst=1KiB)");
  CHECK(again("rate_limit(out=1MiB/s,in=1MiB/s,burst=9B)") == "rate_limit(1MiB/s,burst=9B)");
  CHECK(again("rate_limit(out=2B/s,burst=2KiB,in=1MiB/s,burst=1KiB)") ==
        "rate_limit(in=1MiB/s,burst=1KiB,out=2B/s,burst=2KiB)");
  CHECK(rate_limit({.in = {.per_second = mib, .burst = 64 * kib}}).to_text() ==
        "rate_limit(in=1MiB/s,burst=64KiB)");
  CHECK(rate_limit<frames>({.in = {.per_second = 1}, .out = {.per_second = 1}}).to_text() ==
        "rate_limit(1B/s,frames)");
  CHECK(rate_limit(shared_rate({.in = {.per_second = 1}})).to_text() == "?");
}

TEST_CASE("L7, P11: what is wrong with the text of rate_limit is said where it is") {
  for (std::string text :
       {"rate_limit", "rate_limit(1B/s,2B/s)", "rate_limit(1B/s,in=2B/s)", "rate_limit(burst=1KiB)",
        "rate_limit(in=1B/s,in=1B/s)", "rate_limit(1B/s,burst=1B,burst=1B)",
        "rate_limit(1B/s,frames,in=1B/s)", "rate_limit(both=1B/s)", "rate_limit(in=1B/s,burst)"})
    CHECK_MESSAGE(wrong(text).find("rate_limit needs rates, like") != std::string::npos, text);
  for (std::string text :
       {"rate_limit()", "rate_limit(frames)", "rate_limit(1MiB)", "rate_limit(in=)",
        "rate_limit(in=1MB/s)", "rate_limit(in=1kB/s)", "rate_limit(in=1)", "rate_limit(in=-1B/s)",
        "rate_limit(in=/s)", "rate_limit(in=1 B/s)", "rate_limit(in=9223372036854775808B/s)",
        "rate_limit(in=9223372036GiB/s)"})
    CHECK_MESSAGE(wrong(text).find("is no rate, like 1MiB/s") != std::string::npos, wrong(text));
  for (std::string text : {"rate_limit(1B/s,burst=)", "rate_limit(1B/s,burst=64)",
                           "rate_limit(1B/s,burst=1MiB/s)", "rate_limit(1B/s,burst=-1B)"})
    CHECK_MESSAGE(wrong(text).find("is no size, like 64KiB") != std::string::npos, wrong(text));
  CHECK(wrong("rate_limit(in=1MiB/s,out=0B/s)").starts_with("22: "));
  CHECK(wrong("rate_limit(in=0B/s)").find("a rate is 1 byte to 100 GiB a second") !=
        std::string::npos);
  CHECK(wrong("rate_limit(1B/s,burst=0B)").find("a burst is 1 byte to 1 GiB") != std::string::npos);
  CHECK(wrong("rate_limit(1B/s,burst=1048577KiB)").starts_with("17: "));
  CHECK(wrong("netstring/rate_limit(1B/s)").find("speaks octets below") != std::string::npos);
}

TEST_CASE("L7: limits out of bounds are refused, one past each") {
  const auto refused = [](const byte_rate& limit) {
    CHECK_THROWS_AS(rate_limit({.in = limit}), std::invalid_argument);
    CHECK_THROWS_AS(rate_limit({.out = limit}), std::invalid_argument);
    CHECK_THROWS_AS(shared_rate({.in = limit}), std::invalid_argument);
    CHECK_THROWS_AS(rate_per_address({.out = limit}), std::invalid_argument);
  };
  for (const std::int64_t rate : {std::int64_t{0}, std::int64_t{-1}, 100 * gib + 1})
    refused({.per_second = rate});
  for (const std::int64_t burst : {std::int64_t{0}, std::int64_t{-1}, gib + 1})
    refused({.per_second = 1, .burst = burst});
  refused({});           // no limit at all
  refused({.burst = 1}); // a burst of nothing
  CHECK_NOTHROW(rate_limit({.in = {.per_second = 1, .burst = gib}}));
  CHECK_NOTHROW(rate_limit({.in = {.per_second = 100 * gib, .burst = 1}}));
  CHECK_NOTHROW(rate_limit({.in = {.per_second = 100 * gib}}));
  CHECK_THROWS_AS(rate_per_address({.in = {.per_second = 1}}, 0), std::invalid_argument);
}
