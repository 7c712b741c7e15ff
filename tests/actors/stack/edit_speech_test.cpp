// Live edits that change what a link carries: bytes where there were frames, frames where there
// were bytes. Frames count more than their bytes, empty ones come through, and none are joined.
#include "actors/layers/framers.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"

#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

struct plain : layer {
  const char* name() const noexcept override { return "plain"; }
};
auto bytes_layer() { return layered_as<plain>("plain"); }

/// At '!' it gives its place to a framer.
struct until_bang final : plain {
  take received(const slice& in) override {
    const auto at = in.view().find('!');
    if (at == std::string_view::npos) return {};
    replace_with(lines(line_end::lf));
    return {std::uint32_t(at + 1), 0};
  }
};

auto settled() { return sleep_for(1ns); }

/// "a||b|": what has come, piece by piece.
task<> read_some(connection& c, std::size_t pieces, std::string& all) {
  for (std::size_t i = 0; i < pieces; ++i) {
    auto f = co_await c.frames().next();
    if (!f) co_return void(all += "end");
    all += std::string(f->view()) + '|';
  }
}

/// 300 lines, most of them empty or short, while nobody reads: each comes as it was sent.
task<> speaks_lines(memory_wire& w, connection& c) {
  std::string sent, got;
  for (int i = 0; i < 300; ++i) {
    const auto line = i % 3 ? "" : std::to_string(i);
    w.feed(line + '\n');
    sent += line + '|';
    if (i % 7 == 0) co_await settled();
  }
  co_await settled();
  co_await read_some(c, 300, got);
  CHECK(got == sent);
  const auto before = w.got().size();
  for (auto* text : {"x", "", "y"}) co_await c.send(text);
  co_await c.flushed();
  CHECK(w.got().substr(before) == "x\n\ny\n");
  CHECK(tree().bytes == 0);
}

} // namespace

CRECHE_TEST("L1, P24: a framer takes the place of a layer of bytes, and all of its frames come") {
  for (const int way : {0, 1, 2}) {
    INFO("way " << way);
    memory_wire w;
    const auto wire = w.transport();
    auto value =
        way == 2 ? any_stack(wire / layered<until_bang>()) : any_stack(wire / bytes_layer());
    auto c = co_await open(n, std::move(value));
    if (way == 0) co_await c.replace("plain", lines(line_end::lf));
    if (way == 1) co_await c.change_to(wire / lines(line_end::lf));
    if (way == 2) {
      w.feed("!");
      co_await settled();
    }
    co_await speaks_lines(w, c);
    c.close();
  }
}

CRECHE_TEST("L1: what is under way counts anew when frames become bytes, and bytes frames") {
  for (const bool replaces : {false, true}) {
    for (const int frames : {0, 1, 5, 400, 900}) { // 900: as many as have room
      INFO("replaces " << replaces << ", frames " << frames);
      memory_wire w;
      auto c = co_await open(n, w.transport() / lines(line_end::lf));
      w.take(0);
      std::string fed;
      for (int i = 0; i < frames; ++i) fed += "abc\n";
      w.feed(fed);
      for (int i = 0; i < frames; ++i) co_await c.send("de");
      std::string got;
      if (frames) co_await read_some(c, 1, got); // the others lie in the mailbox, or before it
      if (replaces)
        co_await c.replace("lines", bytes_layer());
      else
        co_await c.remove("lines");
      co_await c.send("raw");
      w.feed("more");
      w.take(memory_wire::no_end);
      co_await c.flushed();
      std::size_t came = frames ? 3 : 0;
      while (came < std::size_t(frames) * 3 + 4) {
        auto b = co_await c.frames().next();
        REQUIRE(b);
        came += b->size();
      }
      co_await settled();
      CHECK(tree().bytes == 0);
      if (replaces) {
        co_await c.replace("plain", lines(line_end::lf));
        co_await speaks_lines(w, c);
      }
      c.close();
    }
  }
}

namespace {
struct plain_frames final : plain {
  using speaks_below = frames;
  using speaks_above = frames;
};
} // namespace

CRECHE_TEST("L1: who reads nothing ahead reads nothing ahead after an edit, either") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / lines(line_end::lf));
  c.read_ahead(false);
  co_await c.insert_above("lines", layered_as<plain_frames>("frames"));
  w.feed("a\nb\nc\n");
  co_await settled();
  CHECK(c.frames().unread() == 0);
  std::string got;
  co_await read_some(c, 1, got);
  co_await settled();
  CHECK(c.frames().unread() == 0);
  co_await read_some(c, 2, got);
  CHECK(got == "a|b|c|");
}
