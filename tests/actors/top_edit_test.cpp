// Live edits where a task reads: right below the top, while it waits, and behind the peer's end.
#include "actors/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/scope.hpp"
#include "runtime/testing/doctest.hpp"
#include "runtime/testing/virtual_run.hpp"
#include "runtime/this_task.hpp"
#include "runtime/when.hpp"

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
