// Layers that are broken in one place each, and the script with which the kit shows it: one that a
// good layer passes.
#include "actors/layers/framers.hpp"
#include "actors/stack/stack.hpp"
#include "actors/testing/check_layer.hpp"
#include "actors/testing/internal/layer_judge.hpp"
#include "tests/actors/testing/kit_layers.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace creche;
using namespace creche::testing;
using creche::testing::detail::act, creche::testing::detail::script, creche::testing::detail::step,
    creche::testing::detail::layer_judge;

using kit_layers::plain, kit_layers::echo;

namespace {

template <class L> check_report checked() {
  return check_layer([] { return below_script("abc\n"); }, layered_as<L>("broken"),
                     [] { return above_script({"x1", "yz2"}).receives({"abc\n"}).sends("x1yz2"); });
}
/// It is found, and with this.
void is_caught(const check_report& r, const std::string& how) {
  REQUIRE_FALSE(r.passed());
  CHECK_MESSAGE(r.text().find(how) != std::string::npos, r.text());
}

// ---- ends

struct abort_as_close : plain {
  void abort(ended_by how) override { close_below(how); }
};
struct abort_as_reset : plain {
  void abort(ended_by) override { abort_below(ended_by::reset); }
};
struct close_as_abort : plain {
  void close(ended_by how) override { abort_below(how); }
};
struct close_as_reset : plain {
  void close(ended_by) override { close_below(ended_by::reset); }
};
struct no_close : plain {
  void close(ended_by) override {}
};
struct throws_at_eof : plain {
  void eof() override { throw std::runtime_error("no eof please"); }
};

// ---- what is written

/// Its n-th written byte is lost.
template <std::size_t N> struct loses_byte : plain {
  std::size_t at = 0;
  void write(slice b) override {
    std::string s;
    for (const char c : b.view())
      if (++at != N) s += c;
    write_below(slice::copy_of(s));
  }
};
struct writes_after_finish : plain {
  bool finished = false;
  void finish() override {
    finished = true;
    finish_below();
  }
  take received(const slice& in) override {
    if (finished) write_below(slice::of_static("late"));
    return layer::received(in);
  }
};

// ---- what is sent up

/// So many bytes for each one, whether there is room or not.
template <std::size_t N> struct amplifies : plain {
  take received(const slice& in) override {
    for (const char c : in.view()) send_up(slice::copy_of(std::string(N, c)));
    return all(in);
  }
};
/// The same, while there is room: a good one.
template <std::size_t N> struct expands : plain {
  take received(const slice& in) override {
    std::uint32_t used = 0;
    for (; used < in.size() && room_above(); ++used)
      send_up(slice::copy_of(std::string(N, in.view()[used])));
    return used ? take{used} : wait();
  }
};

// ---- turns

/// A limit of no time at all, again and again.
struct restless : plain {
  take received(const slice& in) override {
    if (in.size() == 2) limit(time_limit::both, clock_duration::zero());
    return layer::received(in);
  }
  void timed_out(time_limit t, clock_duration) override { limit(t, clock_duration::zero()); }
};

// ---- half-closes, garbage, and time

struct deaf_after_eof : plain {
  bool ended = false;
  void eof() override {
    ended = true;
    eof_above();
  }
  void write(slice b) override {
    if (!ended) write_below(std::move(b));
  }
};
struct stuck_after_eof : deaf_after_eof {
  void write(slice b) override { write_below(std::move(b)); }
  void close(ended_by how) override {
    if (!ended) close_below(how);
  }
};
struct two_trailers : plain {
  void finish() override {
    write_below(slice::of_static("."));
    finish_below();
  }
  void close(ended_by how) override {
    write_below(slice::of_static("."));
    close_below(how);
  }
};
/// "3abc": believes its peer.
struct trusting : plain {
  using speaks_above = frames;
  take received(const slice& in) override {
    const auto n = std::size_t(std::stoi(std::string(in.view().substr(0, 1))));
    if (in.size() < n + 1) return {0, std::uint32_t(n + 1)};
    send_up(in.part(1, n));
    return {std::uint32_t(n + 1)};
  }
};
struct impatient : plain {
  void attached() override { limit(time_limit::both, std::chrono::minutes(1)); }
  void timed_out(time_limit, clock_duration) override { throw std::runtime_error("too late"); }
};

// ---- good ones that are not like the others

/// Writes what comes within 5 ms together.
struct coalescing : plain {
  std::string waiting;
  void flush() {
    limit(time_limit::write, no_limit);
    if (!waiting.empty()) write_below(slice::copy_of(std::exchange(waiting, {})));
  }
  void write(slice b) override {
    if (waiting.empty()) limit(time_limit::write, std::chrono::milliseconds(5));
    waiting += b.view();
    if (waiting.size() > 1000) flush();
  }
  void timed_out(time_limit, clock_duration) override { flush(); }
  void finish() override {
    flush();
    finish_below();
  }
  void close(ended_by how) override {
    flush();
    close_below(how);
  }
};
struct no_half_close : plain {
  bool can_finish() const noexcept override { return false; }
  void finish() override { throw std::logic_error("finish was told"); }
};

} // namespace

TEST_CASE("X7: the kit finds what is lost behind the peer's end, and said twice at ours") {
  is_caught(checked<deaf_after_eof>(), "what is written after the peer's end: the peer got");
  is_caught(checked<stuck_after_eof>(), "the stack did not end when it was closed\n");
  is_caught(checked<two_trailers>(), "written below behind the layer's own finish\n");
}

TEST_CASE("X7: the kit finds a layer that garbage fails, or that time does") {
  const auto r = check_layer([] { return below_script("3abc0"); }, layered_as<trusting>("trusting"),
                             [] { return above_script({"x"}).receives({"abc", ""}).sends("x"); });
  is_caught(r, "bytes that are no messages: the stack failed");
  is_caught(checked<impatient>(), "an hour passes\n");
}

TEST_CASE("X7: the kit passes a layer that takes its time, if it is given some") {
  const auto below = [] { return below_script("abc\n"); };
  const auto above = [] { return above_script({"x1", "yz2"}).receives({"abc\n"}).sends("x1yz2"); };
  const check_options patient{.patience = std::chrono::milliseconds(10)};
  const auto r = check_layer(below, layered_as<coalescing>("coalescing"), above, patient);
  CHECK_MESSAGE(r.passed(), r.text());
  CHECK_FALSE(check_layer(below, layered_as<coalescing>("coalescing"), above).passed());
}

TEST_CASE("X7, P22: the kit asks no layer for a half-close that cannot") {
  const auto r = checked<no_half_close>();
  CHECK_MESSAGE(r.passed(), r.text());
}

TEST_CASE("X7: the kit's script for a broken end has that end in it") {
  is_caught(checked<abort_as_close>(),
            "broke it off, and the peer was told that it ended as local, by a good end\n"
            "  script: memory; connect; abort\n");
  is_caught(checked<abort_as_reset>(), "told that it ended as reset\n"
                                       "  script: memory; connect; abort\n");
  const auto thrown = checked<throws_at_eof>();
  is_caught(thrown, "no eof please");
  is_caught(thrown, "  script: memory; connect; eof\n");
}

TEST_CASE("X7: the kit finds a close that is none, or another one than was asked for") {
  is_caught(checked<close_as_abort>(),
            "closed it, and it was broken off as clean\n  script: memory; connect; close\n");
  is_caught(checked<close_as_reset>(),
            "closed it, and it was broken off as reset\n  script: memory; connect; close\n");
  is_caught(checked<no_close>(),
            "did not end when it was closed\n  script: memory; connect; close\n");
}

TEST_CASE("X7: the kit finds a write that is lost when 64 KiB wait below, or late") {
  const auto why = "an application that never stops: the peer got ";
  is_caught(checked<loses_byte<8'001>>(), why);
  is_caught(checked<loses_byte<20'001>>(), why);
  is_caught(checked<loses_byte<70'001>>(), why);
  is_caught(checked<loses_byte<140'001>>(), why);
  is_caught(checked<writes_after_finish>(),
            "4 bytes were written below behind the layer's own finish\n"
            "  script: memory; connect; finish; feed \"");
}

TEST_CASE("X7: the kit finds a layer that does not look at the room above it") {
  const auto checked_up = [](const auto& layer, std::size_t n) {
    const auto up = std::string(n, 'a') + std::string(n, 'b');
    return check_layer([] { return below_script("ab"); }, layer,
                       [&] { return above_script({"x"}).receives({up}).sends("x"); });
  };
  is_caught(checked_up(layered<amplifies<100>>(), 100),
            "sent up past twice the high mark without looking for room");
  is_caught(checked_up(layered<amplifies<16'000>>(), 16'000), "sent up past twice the high mark");
  const auto good = checked_up(layered<expands<100>>(), 100);
  CHECK_MESSAGE(good.passed(), good.text());
}

TEST_CASE("X7: the kit finds a layer that never rests, and comes to an end") {
  const auto r = checked<restless>();
  is_caught(r, "it never comes to rest");
  is_caught(r, "  script: memory; connect; feed \"ab\"\n");
}

TEST_CASE("X7: whatever is left out of a script, a good layer passes it") {
  const auto judge = [](const any_stack& layer, const std::vector<step>& steps) {
    layer_judge j(layer, 7, std::chrono::nanoseconds(1));
    for (unsigned some = 0; some < 2u << steps.size(); ++some) {
      script s{.steps = {{act::connect}}, .lockstep = (some & 1) != 0, .burst = false};
      for (std::size_t i = 0; i < steps.size(); ++i)
        if (some >> (i + 1) & 1) s.steps.push_back(steps[i]);
      const auto why = j.verdict(s);
      CHECK_MESSAGE(why.empty(), to_text(s), ": ", why);
    }
  };
  constexpr auto no_end = memory_wire::no_end;
  for (const auto how : {act::close, act::abort, act::drain, act::reset, act::cancel}) {
    judge(layered<plain>(), {{act::take, {}, 0},
                             {act::feed, "ab"},
                             {act::write, "x"},
                             {act::take, {}, 1},
                             {act::write, "yz"},
                             {act::take, {}, no_end},
                             {how}});
    judge(lines(line_end::lf), {{act::hold, {}, 1},
                                {act::feed, "a\nb\n"},
                                {act::write, "x"},
                                {act::release},
                                {act::hold},
                                {act::eof},
                                {act::release},
                                {how}});
  }
  judge(layered<echo>(), {{act::take, {}, 0},
                          {act::feed, "ab"},
                          {act::take, {}, 1},
                          {act::feed, "c"},
                          {act::eof},
                          {act::take, {}, no_end}});
}
