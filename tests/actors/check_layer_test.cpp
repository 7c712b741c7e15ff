// The kit judges every layer there is, and finds what is wrong with broken ones.
#include "actors/testing/check_layer.hpp"

#include "actors/idle.hpp"
#include "actors/tap.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::string_literals;

namespace {

/// Forwards.
struct plain : layer {
  const char* name() const noexcept override { return "plain"; }
};

/// Frames in, octets out.
struct joined : plain {
  using speaks_below = frames;
};

/// Says HI, waits for two bytes, and only then lets anything through.
struct with_handshake : plain {
  hold writes;
  bool done = false;
  void attached() override { writes = pause_out("handshake"); }
  void established() override { write_below(slice::of_static("HI")); }
  take received(const slice& in) override {
    if (done) return layer::received(in);
    if (in.size() < 2) return {0, 2};
    done = true;
    writes.release();
    established_above();
    return {2, 0};
  }
  void eof() override {
    if (done)
      eof_above();
    else
      end(ended_by::truncated);
  }
};

// ---- broken ones

struct loses_rest : plain {
  using speaks_above = frames;
  take received(const slice& in) override {
    for (std::size_t at = 0;;) {
      const auto end = in.view().find(';', at);
      if (end == std::string_view::npos) return all(in); // should be what was used
      send_up(in.part(at, end - at));
      at = end + 1;
    }
  }
};
struct swallows_eof : plain {
  void eof() override {}
};
struct too_early : plain {
  void attached() override { established_above(); }
};
struct forgets_hold : plain {
  hold h;
  take received(const slice& in) override {
    if (in.size() == 3) h = pause_in("for ever");
    return layer::received(in);
  }
};
/// Keeps all that comes until there is no more.
struct hoards : plain {
  std::string kept;
  take received(const slice& in) override {
    kept += in.view();
    return all(in);
  }
  void eof() override {
    if (!kept.empty()) send_up(slice::copy_of(kept));
    eof_above();
  }
};
struct no_finish : plain {
  void finish() override {}
};
struct drops_writes : plain {
  void write(slice b) override {
    static_cast<void>(b);
    if (++writes_ == 1) write_below(slice::of_static("ab"));
  }
  int writes_ = 0;
};

void is_fine(const check_report& r) {
  CHECK_MESSAGE(r.passed(), r.text());
  CHECK(r.scripts > 300);
}

/// The kit finds it, and says how with no more than so many characters of script.
void is_caught(const check_report& r, const std::string& how) {
  REQUIRE_FALSE(r.passed());
  CHECK_MESSAGE(r.text().find(how) != std::string::npos, r.text());
  CHECK(r.text().find("repeat it with CRECHE_SEED=") != std::string::npos);
}

} // namespace

TEST_CASE("X7: the kit passes lines") {
  is_fine(check_layer([] { return below_script("a\r\nbc\r\n\r\nd\r\n", "half"); },
                      lines(line_end::crlf),
                      [] {
                        return above_script({"x", "", "yz"})
                            .receives({"a", "bc", "", "d"})
                            .sends("x\r\n\r\nyz\r\n");
                      }));
}

TEST_CASE("X7: the kit passes every framer") {
  is_fine(check_layer([] { return below_script("a\nbc\r\n\n", "half"); }, lines(line_end::either),
                      [] { return above_script({"x"}).receives({"a", "bc", ""}).sends("x\r\n"); }));
  is_fine(check_layer(
      [] { return below_script("3:abc,0:,1:x,", "9:1"); }, netstring(),
      [] { return above_script({"ab", ""}).receives({"abc", "", "x"}).sends("2:ab,0:,"); }));
  is_fine(check_layer(
      [] { return below_script("\0\3abc\0\0\0\1x"s, "\0\7y"s); }, length_prefix(2),
      [] { return above_script({"ab", ""}).receives({"abc", "", "x"}).sends("\0\2ab\0\0"s); }));
  is_fine(check_layer([] { return below_script("a--b----", "c-"); }, delimiter("--"),
                      [] { return above_script({"x"}).receives({"a", "b", ""}).sends("x--"); }));
  is_fine(check_layer([] { return below_script("abcdef", "g"); }, fixed(3),
                      [] { return above_script({"xyz"}).receives({"abc", "def"}).sends("xyz"); }));
}

TEST_CASE("X7: the kit passes lines with raw bytes in between") {
  // pieces of what is raw depend on how it is cut: joined again by a layer above
  is_fine(check_layer([] { return below_script("DATA2\na\nline\n", "DATA9\n123"); },
                      lines(line_end::lf, 100,
                            [](std::string_view line) -> std::uint64_t {
                              return line.starts_with("DATA") ? std::uint64_t(line[4] - '0') : 0;
                            }) /
                          layered_as<joined>("joined"),
                      [] { return above_script({"x"}).receives({"DATA2a\nline"}).sends("x\n"); }));
}

TEST_CASE("X7: the kit passes a layer that only forwards, and two of them") {
  const auto above = [] { return above_script({"ab", "c"}).receives({"hello"}).sends("abc"); };
  const auto below = [] { return below_script("hello"); };
  is_fine(check_layer(below, layered_as<plain>("plain"), above));
  is_fine(check_layer(below, layered_as<plain>("plain") / layered_as<plain>("plain"), above));
  is_fine(check_layer(below, layered_as<with_handshake>("with_handshake"),
                      [] { return above_script({"ab", "c"}).receives({"llo"}).sends("HIabc"); },
                      {.repeats = false}));
}

TEST_CASE("X7: the kit passes idle, between octets and between frames") {
  const idle_limits far{.read = std::chrono::hours(1), .all = std::chrono::hours(1)};
  is_fine(check_layer([] { return below_script("hello"); }, idle(far),
                      [] { return above_script({"ab", "c"}).receives({"hello"}).sends("abc"); }));
  is_fine(check_layer(
      [] { return below_script("a\n\nb\n", "c"); }, lines(line_end::lf) / idle<frames>(far),
      [] { return above_script({"x", ""}).receives({"a", "", "b"}).sends("x\n\n"); }));
}

TEST_CASE("X7: the kit passes tap, between octets and between frames") {
  const auto path = "/dev/null";
  is_fine(check_layer([] { return below_script("hello"); }, tap(path),
                      [] { return above_script({"ab", "c"}).receives({"hello"}).sends("abc"); }));
  is_fine(check_layer(
      [] { return below_script("a\n\nb\n", "c"); }, lines(line_end::lf) / tap<frames>(path),
      [] { return above_script({"x", ""}).receives({"a", "", "b"}).sends("x\n\n"); }));
}

TEST_CASE("X7: the kit finds a layer that loses what was left of a split") {
  is_caught(check_layer([] { return below_script("ab;cd;"); }, layered_as<loses_rest>("loses_rest"),
                        [] { return above_script().receives({"ab", "cd"}); }),
            "split in two");
}

TEST_CASE(
    "X7: the kit finds a layer that swallows the end of the stream, and makes the script small") {
  const auto r =
      check_layer([] { return below_script("hello"); }, layered_as<swallows_eof>("swallows_eof"),
                  [] { return above_script().receives({"hello"}); });
  is_caught(r, "the end of the stream was not told");
  CHECK_MESSAGE(r.text().find("script: memory; connect; eof\n") != std::string::npos, r.text());
}

TEST_CASE("X7: the kit finds a layer that is established before the one below") {
  is_caught(check_layer([] { return below_script("hello"); }, layered_as<too_early>("too_early"),
                        [] { return above_script().receives({"hello"}); }),
            "established was told before the layer below was");
}

TEST_CASE("X7: the kit finds a layer that forgets its hold") {
  is_caught(check_layer([] { return below_script("hello"); },
                        layered_as<forgets_hold>("forgets_hold"),
                        [] { return above_script().receives({"hello"}); }),
            "instead of");
}

TEST_CASE("X7: the kit finds a layer that takes all there is, whoever is held") {
  is_caught(check_layer([] { return below_script("hello"); }, layered_as<hoards>("hoards"),
                        [] { return above_script().receives({}); }),
            "bytes were taken while nobody above took any");
}

TEST_CASE("X7: the kit finds a layer that loses a write") {
  is_caught(
      check_layer([] { return below_script("hello"); }, layered_as<drops_writes>("drops_writes"),
                  [] { return above_script({"ab", "cd"}).receives({"hello"}).sends("abcd"); }),
      "the peer got");
}

TEST_CASE("X7: the kit finds a layer that never passes on that all was said") {
  is_caught(check_layer([] { return below_script("hello"); }, layered_as<no_finish>("no_finish"),
                        [] { return above_script({"ab"}).receives({"hello"}).sends("ab"); }),
            "the peer was not told that the application has said all");
}

TEST_CASE("X7: the kit wants what its user expects") {
  is_caught(check_layer([] { return below_script("a\n"); }, lines(line_end::lf),
                        [] { return above_script().receives({"b"}); }),
            "not what was expected");
  is_caught(check_layer([] { return below_script("a\n"); }, lines(line_end::lf),
                        [] { return above_script({"x"}).receives({"a"}).sends("x\r\n"); }),
            "the peer got \"x\\n\"");
}
