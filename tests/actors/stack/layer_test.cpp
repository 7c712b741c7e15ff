// The contract between neighbours: who is shown which bytes and when, who is held, who has failed.
#include "tests/actors/memory_stack.hpp"

#include <doctest/doctest.h>

using namespace creche;
using namespace creche::testing;

namespace {

constexpr std::uint32_t high = 64 * 1024, low = 16 * 1024;

using hooks = probe_layer::hooks;

/// Runs a script beside one stack in a nursery of its own; nothing may hang or be left.
template <class F> void run_script(F script) {
  auto r = run_virtual([&](nursery& n) -> task<> { co_await script(n); });
  CHECK(r.deadlock == "");
  CHECK(r.leaked == 0);
  INFO((r.run.failures() ? r.run.failures()->to_text() : ""));
  CHECK(r.run.how() == run_result::kind::completed);
}

std::string why(const child& c) {
  const auto r = c.result();
  return r && r->why ? std::string(r->why->to_text()) : "no failure";
}

} // namespace

TEST_CASE("P21: what a layer leaves is shown again, with the bytes that come next") {
  run_script([](nursery& n) -> task<> {
    wire w;
    std::string seen;
    auto c = start_probes(n, w, {{.received = [&](probe_layer&, const slice& in) -> std::size_t {
                            seen += std::string(in.view()) + " ";
                            return in.size() / 3 * 3;
                          }}});
    for (auto* packet : {"a", "b", "cdefg", "hi", "jk"}) {
      w.feed(packet);
      co_await settled();
    }
    CHECK(seen == "a ab abcdefg g ghi jk ");
    w.reset();
    co_await c.wait();
  });
}

TEST_CASE("P21: a layer is shown again while it uses something and something is left") {
  run_script([](nursery& n) -> task<> {
    wire w;
    std::string seen;
    auto c = start_probes(n, w, {{.received = [&](probe_layer&, const slice& in) -> std::size_t {
                            seen += std::string(in.view()) + " ";
                            return in.view() == "z" ? 0 : 1;
                          }}});
    w.feed("abz");
    co_await settled();
    CHECK(seen == "abz bz z ");
    w.feed("!");
    co_await settled();
    CHECK(seen == "abz bz z z! ! ");
    w.reset();
    co_await c.wait();
  });
}

TEST_CASE("P21: a layer that uses more than it was shown has failed; only its stack ends") {
  run_script([](nursery& n) -> task<> {
    wire good, bad, joined;
    std::size_t seen = 0;
    const auto count = [&](probe_layer&, const slice& in) { return seen += in.size(), in.size(); };
    const auto greedy = [](probe_layer&, const slice& in) { return in.size() + 1; };
    auto other = start_probes(n, good, {{.received = count}});
    auto c = start_probes(n, bad, {{.received = greedy}});
    auto d = start_probes(n, joined, {{.received = [&](probe_layer&, const slice& in) {
                            return in.size() == 1 ? 0u : in.size() + 1;
                          }}});
    bad.feed("x");
    joined.feed("x");
    joined.feed("x");
    co_await c.wait();
    co_await d.wait();
    CHECK(c.result()->kind == how::failed);
    CHECK(d.result()->kind == how::failed);
    CHECK(why(c).find("used more bytes than it was shown") != std::string::npos);
    good.feed("abc");
    co_await settled();
    CHECK(seen == 3);
    CHECK_FALSE(other.ended());
    good.reset();
    co_await other.wait();
  });
}

TEST_CASE(
    "P21: a layer may leave 64 KiB - 1 and still get more; with 64 KiB unused it has failed") {
  run_script([](nursery& n) -> task<> {
    wire w;
    std::size_t most = 0;
    auto c = start_probes(n, w, {{.received = [&](probe_layer&, const slice& in) -> std::size_t {
                            most = std::max<std::size_t>(most, in.size());
                            return 0;
                          }}});
    w.feed(std::string(high - 1, 'x'));
    co_await settled();
    CHECK(most == high - 1);
    CHECK_FALSE(c.ended());
    w.feed("x");
    co_await c.wait();
    CHECK(most == high);
    CHECK(why(c).find("64 KiB") != std::string::npos);
  });
}

TEST_CASE(
    "P21: a long frame behind a burst arrives, although the burst had stopped the layer below") {
  run_script([](nursery& n) -> task<> {
    wire w;
    // 44 000 bytes of small frames, then one of 60 000: when the small ones are used, 21 536 bytes
    // of the long one lie here, more than the low mark
    std::size_t small = 44'000, frames = 0;
    hold wait;
    auto c = start_probes(n, w,
                          {{.attached = [&](probe_layer& l) { wait = l.pause_in("not yet"); },
                            .received = [&](probe_layer&, const slice& in) -> std::size_t {
                              if (small) return --small, 1;
                              if (in.size() < 60'000) return 0;
                              ++frames;
                              return 60'000;
                            }}});
    co_await settled();
    for (int i = 0; i < 104; ++i) w.feed(std::string(1000, 'x'));
    co_await settled();
    CHECK(w.given() == 66'000); // the high mark, and what was under way
    wait.release();
    co_await settled();
    CHECK(frames == 1);
    CHECK(w.given() == 104'000);
    w.reset();
    co_await c.wait();
  });
}

TEST_CASE("X2: a held layer is shown nothing, not even what was in its hands already") {
  run_script([](nursery& n) -> task<> {
    wire w;
    std::string seen;
    hold h;
    auto c = start_probes(n, w, {{.received = [&](probe_layer& l, const slice& in) -> std::size_t {
                            seen += in.view()[0];
                            if (in.view()[0] == '|') h = l.pause_in("test");
                            return 1;
                          }}});
    w.feed("ab|cd");
    w.feed("ef");
    co_await settled();
    CHECK(seen == "ab|");
    h.release(); // in a turn of somebody else: nothing is delivered from here
    CHECK(seen == "ab|");
    co_await settled();
    CHECK(seen == "ab|cdef");
    w.reset();
    co_await c.wait();
  });
}

TEST_CASE(
    "X2: a hold that is released in the turn it was taken in delivers later, not from within") {
  run_script([](nursery& n) -> task<> {
    wire w;
    std::string seen;
    int depth = 0;
    auto c = start_probes(n, w, {{.received = [&](probe_layer& l, const slice& in) -> std::size_t {
                            CHECK(++depth == 1);
                            {
                              auto a = l.pause_in("one");
                              auto b = l.pause_in("two");
                              a.release();
                            }
                            seen += in.view()[0];
                            --depth;
                            return 1;
                          }}});
    w.feed("abc");
    w.eof();
    co_await settled();
    CHECK(seen == "abc");
    w.reset();
    co_await c.wait();
  });
}

TEST_CASE("X2: holds outlive their layer without harm") {
  run_script([](nursery& n) -> task<> {
    wire w;
    hold h;
    auto c = start_probes(n, w, {{.attached = [&](probe_layer& l) { h = l.pause_in("test"); }}});
    co_await settled();
    CHECK(bool(h));
    w.reset();
    co_await c.wait();
    CHECK_FALSE(bool(h)); // it went with the layer
    h.release();
  });
}

TEST_CASE("pain 10: the end of the stream comes after the last byte, and not while held") {
  run_script([](nursery& n) -> task<> {
    wire w;
    std::string seen;
    hold h;
    auto c = start_probes(n, w,
                          {{.received = [&](probe_layer& l, const slice& in) -> std::size_t {
                              seen += in.view();
                              if (in.view().ends_with("|")) h = l.pause_in("test");
                              return in.size();
                            },
                            .eof = [&](probe_layer&) { seen += "$"; }}});
    w.feed("ab|");
    w.feed("cd");
    w.eof();
    co_await settled();
    CHECK(seen == "ab|");
    h.release();
    co_await settled();
    CHECK(seen == "ab|cd$");
    w.reset();
    co_await c.wait();
  });
}

TEST_CASE("pain 10: the end of the stream is told once, also to a layer that left bytes") {
  run_script([](nursery& n) -> task<> {
    wire w;
    int ends = 0;
    auto c = start_probes(n, w,
                          {{.received = [](probe_layer&, const slice&) { return 0u; },
                            .eof =
                                [&](probe_layer& l) {
                                  ++ends;
                                  l.look_again();
                                }}});
    w.feed("half a frame");
    w.eof();
    co_await settled();
    CHECK(ends == 1);
    w.reset();
    co_await c.wait();
  });
}

TEST_CASE("P14: nobody is entered again from within, whatever a handler does") {
  run_script([](nursery& n) -> task<> {
    wire w;
    int depth = 0, entered = 0;
    const auto hostile = [&](probe_layer& l, const slice& in) -> std::size_t {
      CHECK(++depth == 1);
      ++entered;
      auto h = l.pause_in("hostile");
      l.look_again();
      l.write_below(slice::of_static("answer"));
      l.send_up(in);
      l.put_below(verb::resume_in);
      h.release();
      l.look_again();
      if (in.view().starts_with("x")) l.close_below(ended_by::clean);
      --depth;
      return 1;
    };
    auto c = start_probes(n, w, {{.received = hostile}, {.received = hostile}});
    w.feed("abcx");
    co_await c.wait();
    CHECK(entered > 4);
    CHECK(w.closed());
    CHECK(w.got().starts_with("answer"));
  });
}

TEST_CASE("P14: a layer that is over in the middle of its own delivery is not entered any more") {
  run_script([](nursery& n) -> task<> {
    wire w;
    int entered = 0;
    auto c = start_probes(n, w, {{.received = [&](probe_layer& l, const slice& in) -> std::size_t {
                            ++entered;
                            l.over();
                            l.write_below(slice::of_static("too late"));
                            l.send_up(in);
                            l.close_below(ended_by::clean);
                            l.look_again();
                            l.over();
                            return 1;
                          }}});
    w.feed("abc");
    w.feed("def");
    w.eof();
    co_await c.wait();
    CHECK(entered == 1);
    CHECK(w.got() == "");
    CHECK(c.result()->kind == how::completed);
  });
}

TEST_CASE("L3: who goes on writing past twice the high mark without room has failed") {
  run_script([](nursery& n) -> task<> {
    wire w, v;
    w.take(0);
    v.take(0);
    const std::string block(1024, 'x');
    // the link takes up to its mark, the layer keeps twice as much
    const auto write = [&](std::uint32_t bytes) {
      return [&block, bytes](probe_layer& l) {
        for (std::uint32_t i = 0; i < bytes / 1024; ++i) l.write_below(slice::copy_of(block));
        if (bytes % 1024) l.write_below(slice::of_static("!"));
      };
    };
    auto good = start_probes(n, w, {{.attached = write(3 * high)}});
    auto bad = start_probes(n, v, {{.attached = write(3 * high + 1)}});
    co_await bad.wait();
    CHECK(why(bad).find("twice the high mark") != std::string::npos);
    co_await settled();
    CHECK_FALSE(good.ended());
    w.take(wire::no_end);
    co_await settled();
    CHECK(w.got().size() == 3 * high);
    w.reset();
    co_await good.wait();
  });
}

TEST_CASE("L3: a close waits for what was written before it, however slowly that goes") {
  run_script([](nursery& n) -> task<> {
    wire w;
    w.take(0);
    auto c = start_probes(n, w, {{.attached = [](probe_layer& l) {
                            for (int i = 0; i < 150; ++i)
                              l.write_below(slice::copy_of(std::string(1024, 'x')));
                            l.close_below(ended_by::clean);
                          }}});
    co_await settled();
    for (int i = 0; i < 150; ++i) {
      CHECK_FALSE(c.ended());
      w.take(1024);
      co_await settled();
    }
    co_await c.wait();
    CHECK(w.closed());
    CHECK(w.got().size() == 150 * 1024);
  });
}

TEST_CASE("P14: one resume comes at the low mark, and not before") {
  run_script([](nursery& n) -> task<> {
    wire w;
    w.take(0);
    int resumed = 0;
    auto c = start_probes(n, w,
                          {{.attached =
                                [](probe_layer& l) {
                                  while (l.room_below())
                                    l.write_below(slice::copy_of(std::string(1024, 'x')));
                                },
                            .resume_out = [&](probe_layer&) { ++resumed; }}});
    co_await settled();
    w.take(high - low - 1);
    co_await settled();
    CHECK(resumed == 0);
    w.take(1);
    co_await settled();
    CHECK(resumed == 1);
    w.take(wire::no_end);
    co_await settled();
    CHECK(resumed == 1);
    w.reset();
    co_await c.wait();
  });
}

TEST_CASE("T5: one layer's failure ends its stack, the top first, and nobody else") {
  run_script([](nursery& n) -> task<> {
    wire w, v;
    std::string order;
    auto other = start_probes(n, v, {{}});
    auto c = start_probes(n, w,
                          {{.ended = [&] { order += "a"; }},
                           {.received = [](probe_layer&, const slice&) -> std::size_t {
                              throw std::runtime_error("boom");
                            },
                            .ended = [&] { order += "b"; }},
                           {.ended = [&] { order += "c"; }},
                           {.ended = [&] { order += "d"; }}});
    w.feed("x");
    co_await c.wait();
    CHECK(order == "bdca");
    CHECK(why(c).find("boom") != std::string::npos);
    CHECK_FALSE(other.ended());
    v.reset();
    co_await other.wait();
  });
}

TEST_CASE("T5: a layer that fails while it is attached ends its stack as well") {
  run_script([](nursery& n) -> task<> {
    wire w;
    std::string order;
    const auto fails = [](probe_layer&) { throw std::runtime_error("boom"); };
    auto c = start_probes(
        n, w,
        {{.attached = fails, .ended = [&] { order += "a"; }}, {.ended = [&] { order += "b"; }}});
    co_await c.wait();
    CHECK(c.result()->kind == how::failed);
    CHECK(order == "ab");
  });
}

TEST_CASE("T5: a stack that cannot be built ends as failed") {
  run_script([](nursery& n) -> task<> {
    auto c = start_stack(n, [](made_stack&) { throw std::runtime_error("no layers"); });
    co_await c.wait();
    CHECK(why(c).find("no layers") != std::string::npos);
  });
}

TEST_CASE("P14: a layer that only forwards waits for room above without failing, however long") {
  run_script([](nursery& n) -> task<> {
    wire w;
    std::size_t seen = 0;
    hold h;
    auto c =
        start_probes(n, w,
                     {{},
                      {},
                      {.attached = [&](probe_layer& l) { h = l.pause_in("test"); },
                       .received = [&](probe_layer&,
                                       const slice& in) { return seen += in.size(), in.size(); }}});
    co_await settled();
    for (int i = 0; i < 500; ++i) {
      w.feed(std::string(1000, 'x'));
      co_await settled();
    }
    CHECK(w.given() < 3 * (high + 1000)); // each link up to its mark
    h.release();
    co_await settled();
    CHECK(seen == 500'000);
    w.reset();
    co_await c.wait();
  });
}
