// Live edits where a task reads: right below the top, while it waits, and behind the peer's end.
#include "actors/layers/framers.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/supervision/when.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"
#include "runtime/testing/virtual_run.hpp"

#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

struct octet_pass : layer {
  const char* name() const noexcept override { return "pass"; }
};
struct frame_pass : octet_pass {
  using speaks_below = frames;
  using speaks_above = frames;
};

/// Shown nothing for a second.
struct late : frame_pass {
  hold h;
  void established() override {
    h = pause_in("a second");
    limit(time_limit::read, 1s);
    established_above();
  }
  void timed_out(time_limit t, clock_duration) override {
    limit(t, no_limit);
    h.release();
  }
};

/// All that comes before a dot becomes these lines.
struct decoder : octet_pass {
  take received(const slice& in) override {
    if (in.view().find('.') == std::string_view::npos) return {};
    send_up(slice::copy_of("ok\nx\nyy\nend of message\n"));
    return all(in);
  }
};

task<> collect(incoming& in, std::string& all) {
  while (auto f = co_await in.next()) all += std::string(f->view()) + '|';
  all += "end";
}

} // namespace

CRECHE_TEST("L1: who waits for a frame gets the next one, whatever was said of reading ahead") {
  for (const int what : {0, 1, 2}) {
    memory_wire w;
    auto c = co_await open(n, w.transport() / lines(line_end::lf));
    if (what) c.read_ahead(false);
    std::string got;
    auto reader = n.start(collect, std::ref(c.frames()), std::ref(got));
    co_await sleep_for(1s);
    if (what == 0) c.read_ahead(false);
    if (what == 1) co_await c.insert_above("lines", layered<frame_pass>());
    if (what == 2) co_await c.insert_below("lines", layered<octet_pass>());
    co_await sleep_for(1s);
    w.feed("a\nb\n");
    co_await sleep_for(1s);
    CHECK_MESSAGE(got == "a|b|", what);
    w.eof();
    co_await reader.wait();
    CHECK(got == "a|b|end");
  }
}

CRECHE_TEST("L1: the end that a task was told comes again behind what an edit takes back") {
  for (const bool drained : {false, true}) {
    memory_wire w;
    auto c = co_await open(n, w.transport() / lines(line_end::lf));
    w.feed("a\nb\nc\n");
    co_await sleep_for(1s);
    if (drained)
      c.stack().stop();
    else
      w.eof();
    co_await sleep_for(1s);
    CHECK(c.frames().unread() == 3);
    co_await c.insert_above("lines", layered<late>());
    std::string got;
    co_await collect(c.frames(), got);
    CHECK(got == "a|b|c|end");
  }
}

TEST_CASE("L1: in any order of turns, the frames that an edit takes back come before the end") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::string got;
    const auto r = run_virtual({.seed = seed}, [&](nursery& n) -> task<> {
      memory_wire w;
      auto c = co_await open(n, w.transport() / lines(line_end::lf));
      w.feed("a\nb\nc\n");
      w.eof();
      co_await sleep_for(1s);
      co_await c.insert_above("lines", layered<frame_pass>());
      co_await collect(c.frames(), got);
    });
    INFO("seed " << seed << (r.run.failures() ? r.run.failures()->to_text() : r.deadlock));
    CHECK_FALSE(r.run.failures());
    CHECK(got == "a|b|c|end");
  }
}

TEST_CASE("L1: in any order of turns, an edit that takes back the frame a task was woken for") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    std::string got;
    const auto r = run_virtual({.seed = seed}, [&](nursery& n) -> task<> {
      memory_wire w;
      auto c = co_await open(n, w.transport() / lines(line_end::lf));
      auto reader = n.start(collect, std::ref(c.frames()), std::ref(got));
      co_await sleep_for(1s);
      auto edit = [&]() -> task<> { co_await c.insert_above("lines", layered<frame_pass>()); };
      auto feed = [&]() -> task<> {
        w.feed("a\n");
        co_return;
      };
      co_await when_all(edit(), feed());
      co_await sleep_for(1s);
      w.eof();
      co_await reader.wait();
    });
    INFO("seed " << seed << (r.run.failures() ? r.run.failures()->to_text() : r.deadlock));
    CHECK_FALSE(r.run.failures());
    CHECK(got == "a|end");
  }
}

CRECHE_TEST("L1, P24: a framer forgets how far it had looked into bytes that are another's now") {
  const auto check = [&](auto framer, const char* name) -> task<> {
    memory_wire w;
    auto c = co_await open(n, w.transport() / framer);
    w.feed("go\n123456789");
    co_await sleep_for(1s);
    CHECK((co_await c.frames().next())->view() == "go");
    co_await c.insert_below(name, layered<decoder>());
    w.feed(".");
    w.eof();
    std::string got;
    co_await collect(c.frames(), got);
    CHECK(got == "ok|x|yy|end of message|end");
  };
  co_await check(lines(line_end::lf), "lines");
  co_await check(lines(line_end::either), "lines");
  co_await check(delimiter("\n"), "delimiter");
}

namespace {
/// Takes itself out, or puts a layer below itself, when the peer says so.
struct on_word : octet_pass {
  bool stays;
  explicit on_word(bool s) : stays(s) {}
  take received(const slice& in) override {
    if (stays)
      insert_below(layered<octet_pass>());
    else
      remove();
    return all(in);
  }
};
} // namespace

CRECHE_TEST(
    "L1: what waits for room in a layer that changes the stack is sent, once and in order") {
  for (const bool stays : {false, true}) {
    for (const unsigned way : {0u, 1u, 2u, 3u}) {
      const bool more = way & 1, below_top = way & 2;
      INFO("stays " << stays << ", way " << way);
      memory_wire w;
      w.take(0);
      any_stack value = w.transport() / layered<octet_pass>() / layered<on_word>(stays);
      if (!below_top) value = value.on_top(layered<octet_pass>());
      auto c = co_await open(n, std::move(value));
      std::string said;
      auto talk = [&]() -> task<> {
        for (int i = 0; i < 40; ++i) {
          const auto part = std::string(9'000, char('a' + i % 26)) + std::to_string(i);
          said += part;
          co_await c.send(part);
        }
      };
      auto talker = n.start(talk);
      co_await sleep_for(1s);
      CHECK_FALSE(talker.ended());
      w.feed("now");
      co_await sleep_for(1s);
      if (more) { // a little at a time
        for (int i = 0; i < 100; ++i) {
          w.take(3'000);
          co_await sleep_for(1ms);
        }
      }
      w.take(memory_wire::no_end);
      co_await talker.wait();
      co_await c.flushed();
      CHECK((w.got() == said));
      CHECK(tree().bytes == 0);
      c.close();
    }
  }
}
