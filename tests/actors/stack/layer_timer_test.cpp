// A layer's own timer, what it puts back of a write, and the address that it can ask for.
#include "actors/layers/framers.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"

#include <functional>
#include <ostream>
#include <string>
#include <vector>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

using times = std::vector<clock_duration>;

/// Asks for turns as the test says, and notes when it gets them.
struct sleeper : layer {
  std::function<void(sleeper&)> begins, again;
  times& log;
  time_point began{};
  sleeper(times* woken_at, std::function<void(sleeper&)> at_first,
          std::function<void(sleeper&)> then)
      : begins(std::move(at_first)), again(std::move(then)), log(*woken_at) {}
  const char* name() const noexcept override { return "sleeper"; }
  void attached() override {
    began = now();
    begins(*this);
  }
  void woken() override {
    log.push_back(now() - began);
    if (again) again(*this);
  }
  void timed_out(time_limit, clock_duration) override { log.push_back(-1ns); }
  using layer::end, layer::limit, layer::wake_at;
};

/// Writes three bytes at a time, one time a second.
template <class Speech> struct dripping : layer {
  using speaks_below = Speech;
  using speaks_above = Speech;
  hold held;
  const char* name() const noexcept override { return "dripping"; }
  void write(slice bytes) override {
    if (held) throw std::logic_error("written while it holds");
    const bool whole = std::is_same_v<Speech, frames>;
    const auto n = whole ? bytes.size() : std::min(bytes.size(), 3u);
    write_below(bytes.part(0, n));
    bytes.skip(n);
    held = this->pause_out("the drip");
    wake_at(now() + 1s);
    if (!whole) put_back(std::move(bytes));
  }
  void woken() override { held.release(); }
};

struct first_holds final : dripping<frames> {
  bool first = true;
  void write(slice frame) override {
    if (!std::exchange(first, false)) return layer::write(std::move(frame));
    held = pause_out("the first");
    wake_at(now() + 1s);
    put_back(std::move(frame));
  }
};

enum class mistake { takes_nothing, too_much, twice, unasked, part_of_frame };
template <class Speech> struct mistaken : layer {
  using speaks_below = Speech;
  using speaks_above = Speech;
  const mistake made;
  hold held;
  explicit mistaken(mistake which) : made(which) {}
  const char* name() const noexcept override { return "mistaken"; }
  void established() override {
    if (made == mistake::unasked) put_back(slice::of_static("x"));
    established_above();
  }
  void write(slice bytes) override {
    if (made != mistake::takes_nothing) held = pause_out("so it may");
    if (made == mistake::too_much) return put_back(slice::of_static("more than it was"));
    if (made == mistake::part_of_frame) bytes.skip(1);
    put_back(bytes);
    if (made == mistake::twice) put_back(bytes);
  }
};

std::string why(const child& ended) {
  const auto end = ended.result();
  return end && end->why ? std::string(end->why->to_text()) : "no failure";
}

} // namespace

CRECHE_TEST("P14: a layer is woken at the time that it has asked for, once") {
  memory_wire w;
  times log;
  const auto at_first = [](sleeper& me) {
    me.wake_at(me.began + 1h); // in its place:
    me.wake_at(me.began + 10s);
  };
  const auto then = [](sleeper& me) {
    if (now() - me.began < 20s) me.wake_at(now() + 5s);
  };
  auto c = co_await open(n, w.transport() / layered<sleeper>(&log, at_first, then));
  co_await sleep_for(1h);
  CHECK(log == times{10s, 15s, 20s});
}

CRECHE_TEST("P14: a layer that asks for a time that has passed is woken at once, and can stop it") {
  memory_wire w, v;
  times log, none;
  const auto past = [](sleeper& me) { me.wake_at(time_point::min()); };
  const auto stops = [](sleeper& me) {
    me.wake_at(me.began + 1s);
    me.wake_at(time_point::max());
  };
  auto a = co_await open(n, w.transport() / layered<sleeper>(&log, past, nullptr));
  auto b = co_await open(n, v.transport() / layered<sleeper>(&none, stops, nullptr));
  co_await sleep_for(1h);
  CHECK(log == times{0s});
  CHECK(none == times{});
}

CRECHE_TEST("P14: a layer's own timer and its limits keep their times") {
  memory_wire w;
  times log;
  const auto both = [](sleeper& me) {
    me.limit(time_limit::read, 4s);
    me.wake_at(me.began + 3s);
  };
  const auto then = [](sleeper& me) {
    if (now() - me.began < 9s) me.wake_at(me.began + 9s);
  };
  auto c = co_await open(n, w.transport() / layered<sleeper>(&log, both, then));
  co_await sleep_for(10s);
  CHECK(log == times{3s, -1ns, -1ns, 9s});
  log.clear();
}

CRECHE_TEST("P14: a layer that has ended is not woken") {
  memory_wire w;
  w.take(0);
  times log;
  const auto ends = [](sleeper& me) {
    me.wake_at(me.began + 1s);
    me.end(ended_by::refused);
  };
  auto c = n.start(as_child(w.transport() / layered<sleeper>(&log, ends, nullptr), "stack"));
  co_await sleep_for(1h);
  CHECK(log == times{});
  c.cancel();
  co_await c.wait();
}

CRECHE_TEST("P14: what a layer puts back is given again, in order, before what is said behind it") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / layered<dripping<octets>>());
  const auto began = now();
  co_await c.send("abcdefgh");
  co_await c.send("ij");
  co_await sleep_for(1ns);
  CHECK(w.got() == "abc");
  co_await c.flushed();
  CHECK(w.got() == "abcdefghij");
  CHECK(now() - began >= 3s);
  co_await c.send("klmno");
  c.finish();
  co_await sleep_for(500ms);
  CHECK_FALSE(w.finished());
  co_await sleep_for(2s);
  CHECK(w.got() == "abcdefghijklmno");
  CHECK(w.finished());
}

CRECHE_TEST("P14: what a layer puts back waits for room below, and is counted while it waits") {
  memory_wire w;
  w.take(5);
  auto c = co_await open(n, w.transport() / layered<dripping<octets>>());
  co_await c.send(std::string(60'000, 'x'));
  co_await sleep_for(1h);
  CHECK(w.got().size() == 5);
  bool sent = false;
  auto more = n.start([&]() -> task<> {
    co_await c.send(std::string(60'000, 'y')); // there is room for this one
    co_await c.send("z");
    sent = true;
  });
  co_await sleep_for(1s);
  CHECK_FALSE(sent);
  w.take(memory_wire::no_end);
  co_await sleep_for(40'000s);
  CHECK(sent);
  const auto all = std::string(60'000, 'x') + std::string(60'000, 'y') + "z";
  CHECK(w.got().size() == all.size());
  CHECK(bool(w.got() == all));
  co_await more.wait();
}

CRECHE_TEST("P14, L1: what a layer has put back goes to those that stay, when it is removed") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / layered<dripping<octets>>());
  co_await c.send("abcdefgh");
  auto edits = n.start([&]() -> task<> { co_await c.remove("dripping"); });
  co_await edits.wait();
  co_await c.send("ij");
  co_await c.flushed();
  CHECK(w.got() == "abcdefghij");
}

CRECHE_TEST("P14: a frame is put back whole, an empty one as well") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / netstring() / layered<first_holds>());
  co_await c.send("");
  co_await c.send("a");
  co_await sleep_for(500ms);
  CHECK(w.got() == "");
  co_await sleep_for(1s);
  CHECK(w.got() == "0:,1:a,");
}

CRECHE_TEST("P14: a layer that puts back what it may not has failed") {
  const auto failure = [&](const any_stack& value) -> task<std::string> {
    auto opened = n.start(as_child(value, "stack").ignore_failure());
    co_await opened.wait();
    co_return why(opened);
  };
  struct writer : layer {
    using speaks_above = no_speech;
    const char* name() const noexcept override { return "writer"; }
    void established() override { write_below(slice::of_static("abc")); }
  };
  struct frame_writer : writer {
    using speaks_below = frames;
  };
  const std::pair<mistake, std::string> mistakes[] = {
      {mistake::takes_nothing, "put back all it was given to write, and holds nothing"},
      {mistake::too_much, "put back more than it was given to write"},
      {mistake::twice, "put back what it was not given to write"},
      {mistake::unasked, "put back what it was not given to write"},
  };
  for (const auto& [made, sentence] : mistakes) {
    memory_wire w;
    const auto text =
        co_await failure(w.transport() / layered<mistaken<octets>>(made) / layered<writer>());
    CHECK_MESSAGE(text.find(sentence) != text.npos, text);
  }
  memory_wire w;
  const auto text =
      co_await failure(w.transport() / netstring() /
                       layered<mistaken<frames>>(mistake::part_of_frame) / layered<frame_writer>());
  CHECK_MESSAGE(text.find("put back a part of a frame") != text.npos, text);
}

CRECHE_TEST("P17: a layer knows the address of the peer, as one below it has left it") {
  struct proxied : layer {
    const char* name() const noexcept override { return "proxied"; }
    void established() override {
      facts().set(addresses{{"192.0.2.7", 1234}, {}});
      established_above();
    }
  };
  struct asks : layer {
    std::string& seen;
    explicit asks(std::string* to) : seen(*to) {}
    const char* name() const noexcept override { return "asks"; }
    void established() override {
      seen += peer().to_text() + ";";
      established_above();
    }
  };
  memory_wire w;
  std::string seen;
  auto c = co_await open(n, w.transport() / layered<asks>(&seen) / layered<proxied>() /
                                layered<asks>(&seen));
  CHECK(seen == ";192.0.2.7:1234;");
}
