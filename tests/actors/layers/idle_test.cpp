// idle: each of its limits, at it and before it, and its text.
#include "actors/layers/idle.hpp"

#include "actors/layers/framers.hpp"
#include "actors/services/standard_words.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"

#include <ostream>
#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

std::string again(const std::string& text) { return parse_stack(text).to_text(); }

std::string wrong(const std::string& text) {
  try {
    parse_stack(text);
  } catch (const stack_text_error& e) {
    return e.what();
  }
  return "parses";
}

} // namespace

CRECHE_TEST("P18: idle ends a stack whose peer is silent, and the record says so") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / idle({.read = 30s}) / lines(line_end::lf));
  co_await sleep_for(29s);
  w.feed("a\n"); // counts from here
  co_await sleep_for(29s);
  co_await c.send("x"); // counts for nothing
  CHECK_FALSE(w.over());
  co_await sleep_for(1s + 1ms);
  CHECK(w.over());
  const auto end = co_await c.ended();
  CHECK(end.how == ended_by::timeout);
  CHECK(end.why == std::errc::timed_out);
  CHECK(end.layer == "idle");
  CHECK(end.age >= 59s);
  CHECK(end.age <= 59s + 1ms);
  CHECK(w.got() == "x\n"); // flushed
}

CRECHE_TEST("P18: idle for writing counts what is written, for all either of them") {
  memory_wire w, v;
  auto writes = co_await open(n, w.transport() / idle({.write = 10s}));
  auto both = co_await open(n, v.transport() / idle({.all = 10s}));
  for (int i = 0; i < 6; ++i) {
    co_await sleep_for(9s);
    REQUIRE_FALSE(w.over());
    REQUIRE_FALSE(v.over());
    w.feed("in");
    co_await writes.send("x");
    if (i % 2)
      co_await both.send("x");
    else
      v.feed("in");
  }
  for (int i = 0; i < 3; ++i) {
    co_await sleep_for(3s);
    w.feed("in");
  }
  CHECK_FALSE(w.over());
  CHECK_FALSE(v.over());
  co_await sleep_for(1s + 1ms);
  CHECK(w.how() == ended_by::timeout); // whatever came
  CHECK(v.how() == ended_by::timeout);
}

CRECHE_TEST("P18: idle counts from the time the layer below is established") {
  memory_wire w;
  w.connect_later();
  auto connects = n.start([&]() -> task<> {
    co_await sleep_for(60s);
    w.connect();
  });
  auto c = co_await open(n, w.transport() / idle({.read = 10s}));
  co_await sleep_for(9s);
  CHECK_FALSE(w.over());
  co_await sleep_for(1s + 1ms);
  CHECK(w.how() == ended_by::timeout);
  co_await connects.wait();
}

CRECHE_TEST("P18: idle stands between frames as well, and changes none") {
  const auto ends = lockstep_pair();
  auto peer = n.start([&]() -> task<> {
    auto b = co_await open(n, ends.b / netstring() / idle<frames>({.all = 10s}));
    while (auto f = co_await b.frames().next()) co_await b.send(*f);
  });
  auto a = co_await open(n, ends.a / netstring() / idle<frames>({.all = 10s}));
  for (std::string text : {"", "x", "yy"}) {
    co_await a.send(text);
    auto f = co_await a.frames().next();
    REQUIRE(f.has_value());
    CHECK(f->view() == text);
  }
  a.close();
  co_await peer.wait();
}

TEST_CASE("P11: the text of idle parses and prints the same") {
  for (std::string text : {"idle(read=30s)", "idle(read=500ms,write=2m,all=1h)", "idle(all=1ns)",
                           "netstring/idle(write=90s,frames)"})
    CHECK(again(text) == text);
  CHECK(again("idle(all=120s,read=1000ms)") == "idle(read=1s,all=2m)");
  CHECK(idle({.read = 30s}).to_text() == "idle(read=30s)");
  CHECK(idle<frames>({.read = 30s}).to_text() == "idle(read=30s,frames)");
  for (std::string text : {"idle", "idle()", "idle(frames)", "idle(30s)", "idle(read)",
                           "idle(frames,read=1s)", "idle(read=1s,read=2s)", "idle(both=1s)"})
    CHECK_MESSAGE(wrong(text).find("idle needs read, write or all") != std::string::npos, text);
  for (std::string text : {"idle(read=)", "idle(read=30)", "idle(read=s)", "idle(read=-1s)",
                           "idle(read=1 s)", "idle(read=9223372037s)"})
    CHECK_MESSAGE(wrong(text).find("is no time, like 30s") != std::string::npos, text);
  CHECK(again("idle(read=9223372036s)") == "idle(read=9223372036s)");
  CHECK(wrong("idle(read=0s)").find("more than zero") != std::string::npos);
  CHECK(wrong("netstring/idle(read=1s)").find("idle(read=1s) speaks octets below") !=
        std::string::npos);
  CHECK_THROWS_AS(idle({}), std::invalid_argument);
  CHECK_THROWS_AS(idle({.read = -1s}), std::invalid_argument);
}
