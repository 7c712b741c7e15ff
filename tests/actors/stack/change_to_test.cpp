// A stack that is open becomes another one, by as few edits as it takes.
#include "actors/layers/framers.hpp"
#include "actors/layers/idle.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "actors/transport/tcp.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/actors/handshake_layer.hpp"

#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

/// What is written through it gets its letter in front.
struct mark : layer {
  char letter;
  explicit mark(char c) : letter(c) {}
  const char* name() const noexcept override { return "mark"; }
  using speaks_below = frames;
  using speaks_above = frames;
  void write(slice b) override {
    write_below(slice::copy_of(std::string(1, letter) + std::string(b.view())));
  }
};
auto marked(char c) { return layered_as<mark>(std::string("mark_") + c, c); }

struct plain : layer {
  const char* name() const noexcept override { return "plain"; }
};

/// At the first byte it takes itself out.
struct shy : plain {
  take received(const slice&) override {
    remove();
    return {};
  }
};

task<std::string> refused(connection& c, any_stack to) {
  try {
    co_await c.change_to(std::move(to));
  } catch (const std::exception& e) {
    co_return e.what();
  }
  co_return "made";
}

} // namespace

CRECHE_TEST("X11, L1: an open stack becomes another one, and what it does follows") {
  memory_wire w;
  const auto wire = w.transport();
  auto c = co_await open(n, wire / lines(line_end::lf));
  co_await c.send("1");
  co_await c.change_to(wire / lines(line_end::lf) / marked('a') / marked('b'));
  CHECK(c.value().to_text().ends_with("/lines(lf)/mark_a/mark_b"));
  co_await c.send("2");
  co_await c.change_to(wire / idle({.read = 1h}) / lines(line_end::lf) / marked('b') / marked('c'));
  co_await c.send("3");
  co_await c.change_to(wire / netstring());
  co_await c.send("4");
  co_await c.change_to(c.value()); // nothing to do
  co_await c.flushed();
  CHECK(w.got() == "1\nab2\nbc3\n1:4,");
  w.feed("2:ok,");
  CHECK((co_await c.frames().next())->view() == "ok");
}

CRECHE_TEST("X11, L1: a handshake of a layer that comes is waited for") {
  memory_wire w;
  const auto wire = w.transport();
  auto c = co_await open(n, wire / lines(line_end::lf));
  auto change = n.start([&]() -> task<> {
    co_await c.change_to(wire / layered_as<with_handshake<plain>>("hands") / lines(line_end::lf));
    co_await c.send("x");
  });
  co_await sleep_for(1s);
  CHECK(w.got() == "HI");
  w.feed("ok");
  co_await change.wait();
  co_await c.flushed();
  CHECK(w.got() == "HIx\n");
}

CRECHE_TEST("X11: what has no way is refused with a sentence, and nothing has changed") {
  memory_wire w;
  const auto wire = w.transport();
  auto c = co_await open(n, wire / layered_as<plain>("plain") / lines(line_end::lf));
  const auto before = c.value().to_text();
  CHECK((co_await refused(c, tcp("127.0.0.1:1") / lines(line_end::lf)))
            .find("one layer at a time: the transport stays") != std::string::npos);
  CHECK((co_await refused(c, {})).find("one layer at a time") != std::string::npos);
  CHECK(c.value().to_text() == before);
  co_await c.send("x");
  c.close();
  CHECK((co_await refused(c, wire / lines(line_end::lf))).find("the end was said") !=
        std::string::npos);
}

CRECHE_TEST("X11, L1: a layer that changes the stack meanwhile changes the way, not the end") {
  memory_wire w;
  const auto wire = w.transport();
  for (bool early : {true, false}) {
    memory_wire v;
    const auto t = v.transport();
    const auto framed = layered_as<plain>("p") / lines(line_end::lf);
    auto c = co_await open(n, t / layered_as<shy>("shy") / framed);
    v.take(0);
    co_await c.send("one");
    if (early) v.feed("a\n");
    auto change = n.start([&]() -> task<> {
      co_await c.change_to(t / layered_as<plain>("q") / framed / marked('m'));
    });
    if (!early) v.feed("a\n");
    co_await sleep_for(1s);
    v.take(memory_wire::no_end);
    co_await change.wait();
    CHECK(c.value().to_text().ends_with("/q/p/lines(lf)/mark_m"));
    CHECK((co_await c.frames().next())->view() == "a");
    co_await c.send("two");
    co_await c.flushed();
    CHECK(v.got() == "one\nmtwo\n");
  }
}

CRECHE_TEST("X11: a stack that ends meanwhile is told as lost") {
  memory_wire w;
  const auto wire = w.transport();
  auto c = co_await open(n, wire / lines(line_end::lf));
  w.take(0);
  auto change = n.start([&]() -> task<> {
    const auto said = co_await refused(c, wire / layered_as<with_handshake<plain>>("hands") /
                                              lines(line_end::lf));
    CHECK(said != "made");
  });
  co_await sleep_for(1s);
  w.reset();
  co_await change.wait();
  CHECK((co_await refused(c, wire / lines(line_end::lf))) != "made");
}
