// The kit judges every layer there is, and finds what is wrong with broken ones.
//
// Not the transports: they stand below everything, where the kit has its own. memory and lockstep
// are under every script here; tcp speaks with a kernel, which takes and gives in its own time, so
// that between two steps nothing would be settled: tcp_layer_test holds it.
#include "actors/testing/check_layer.hpp"

#include "actors/http/as_layer.hpp"
#include "actors/layers/framers.hpp"
#include "actors/layers/idle.hpp"
#include "actors/layers/rate_limit.hpp"
#include "actors/layers/tap.hpp"
#include "actors/layers/tls.hpp"
#include "actors/testing/internal/layer_script.hpp"
#include "runtime/task/this_task.hpp"
#include "tests/actors/handshake_layer.hpp"
#include "tests/actors/layers/tls_peer.hpp"
#include "tests/actors/testing/kit_layers.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::string_literals;

using kit_layers::plain, kit_layers::echo;

namespace {

/// Frames in, octets out.
struct joined : plain {
  using speaks_below = frames;
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

struct swallows_drain : plain {
  void drain() override {}
};
struct swallows_abort : plain {
  void abort(ended_by) override {}
};
/// Takes a half message for no message.
struct forgives_half : plain {
  using speaks_above = frames;
  take received(const slice& in) override {
    const auto end = in.view().find(';');
    if (end == std::string_view::npos) return {};
    send_up(in.part(0, end));
    return {std::uint32_t(end + 1)};
  }
};
/// Remembers, beside itself, that it has failed just now.
struct grudge : plain {
  inline static time_point ended{};
  bool sulks = false;
  void attached() override { sulks = now() >= ended && now() - ended < std::chrono::seconds(1); }
  ~grudge() override { ended = now(); }
  take received(const slice& in) override { return sulks ? all(in) : layer::received(in); }
};
/// Half a message of the former life is put before the next one.
struct haunted : forgives_half {
  inline static std::string half;
  take received(const slice& in) override {
    half += in.view();
    for (std::size_t end; (end = half.find(';')) != half.npos; half.erase(0, end + 1))
      send_up(slice::copy_of(half.substr(0, end)));
    return all(in);
  }
  void eof() override {
    if (!std::exchange(half, {}).empty()) return end(ended_by::truncated);
    eof_above();
  }
};
struct answers_pieces : echo {
  take received(const slice& in) override {
    write_below(slice::of_static("ok"));
    return all(in);
  }
};
struct heedless_echo : echo {
  take received(const slice& in) override {
    write_below(in);
    return all(in);
  }
};
/// Its answers are lost when the peer has said all it has to say.
struct curt_echo : echo {
  void eof() override { abort_below(ended_by::clean); }
};

/// A cipher whose key goes on for ever: what a message means depends on those before it.
struct stream_cipher : plain {
  std::size_t came = 0, went = 0;
  static std::string crypted(std::string_view text, std::size_t& at) {
    std::string result(text);
    for (auto& c : result) c = char(c ^ "k3y!x"[at++ % 5]);
    return result;
  }
  take received(const slice& in) override {
    send_up(slice::copy_of(crypted(in.view(), came)));
    return all(in);
  }
  void write(slice bytes) override { write_below(slice::copy_of(crypted(bytes.view(), went))); }
};

/// `word`: the layer, for tools/check_kit.py, which wants a case for each.
void is_fine(std::string_view word, const check_report& r) {
  const bool has_word = r.layer.find(word) != r.layer.npos || r.layer.starts_with('?');
  CHECK_MESSAGE(has_word, r.layer);
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

TEST_CASE("X7, L14: the kit passes lines") {
  is_fine("lines", check_layer([] { return below_script("a\r\nbc\r\n\r\nd\r\n", "half"); },
                               lines(line_end::crlf),
                               [] {
                                 return above_script({"x", "", "yz"})
                                     .receives({"a", "bc", "", "d"})
                                     .sends("x\r\n\r\nyz\r\n");
                               }));
}

TEST_CASE("X7, L14, C4: the kit passes every framer, cut into single bytes as well") {
  is_fine("lines",
          check_layer([] { return below_script("a\nbc\r\n\n", "half"); }, lines(line_end::either),
                      [] { return above_script({"x"}).receives({"a", "bc", ""}).sends("x\r\n"); }));
  is_fine(
      "netstring",
      check_layer(
          [] { return below_script("3:abc,0:,1:x,", "9:1"); }, netstring(),
          [] { return above_script({"ab", ""}).receives({"abc", "", "x"}).sends("2:ab,0:,"); }));
  is_fine(
      "length_prefix",
      check_layer(
          [] { return below_script("\0\3abc\0\0\0\1x"s, "\0\7y"s); }, length_prefix(2),
          [] { return above_script({"ab", ""}).receives({"abc", "", "x"}).sends("\0\2ab\0\0"s); }));
  is_fine("delimiter",
          check_layer([] { return below_script("a--b----", "c-"); }, delimiter("--"),
                      [] { return above_script({"x"}).receives({"a", "b", ""}).sends("x--"); }));
  is_fine("fixed",
          check_layer([] { return below_script("abcdef", "g"); }, fixed(3),
                      [] { return above_script({"xyz"}).receives({"abc", "def"}).sends("xyz"); }));
}

TEST_CASE("X7: the kit passes lines with raw bytes in between") {
  // pieces of what is raw depend on how it is cut: joined again by a layer above
  is_fine("lines",
          check_layer([] { return below_script("DATA2\na\nline\n", "DATA9\n123"); },
                      lines(line_end::lf, 100,
                            [](std::string_view line) -> std::uint64_t {
                              return line.starts_with("DATA") ? std::uint64_t(line[4] - '0') : 0;
                            }) /
                          layered_as<joined>("joined"),
                      [] { return above_script({"x"}).receives({"DATA2a\nline"}).sends("x\n"); }));
}

TEST_CASE("X7: what is left over may be what the layer refuses, and ends the stack for") {
  is_fine("lines",
          check_layer([] { return below_script("a\n\nb\n", "too long"); }, lines(line_end::lf, 4),
                      [] { return above_script({"x"}).receives({"a", "", "b"}).sends("x\n"); }));
  is_fine("netstring",
          check_layer([] { return below_script("1:a,0:,", "9:"); }, netstring(4),
                      [] { return above_script({"x"}).receives({"a", ""}).sends("1:x,"); }));
}

TEST_CASE("X7: the kit passes a layer that only forwards, and two of them") {
  const auto above = [] { return above_script({"ab", "c"}).receives({"hello"}).sends("abc"); };
  const auto below = [] { return below_script("hello"); };
  is_fine("plain", check_layer(below, layered_as<plain>("plain"), above));
  is_fine("plain",
          check_layer(below, layered_as<plain>("plain") / layered_as<plain>("plain"), above));
  is_fine("with_handshake",
          check_layer(below, layered_as<with_handshake<plain>>("with_handshake"),
                      [] { return above_script({"ab", "c"}).receives({"llo"}).sends("HIabc"); },
                      {.repeats = false}));
}

TEST_CASE("X7: the kit passes idle, between octets and between frames") {
  const idle_limits far{.read = std::chrono::hours(1), .all = std::chrono::hours(1)};
  is_fine("idle",
          check_layer([] { return below_script("hello"); }, idle(far),
                      [] { return above_script({"ab", "c"}).receives({"hello"}).sends("abc"); }));
  is_fine("idle",
          check_layer(
              [] { return below_script("a\n\nb\n", "c"); }, lines(line_end::lf) / idle<frames>(far),
              [] { return above_script({"x", ""}).receives({"a", "", "b"}).sends("x\n\n"); }));
}

TEST_CASE("X7: the kit passes rate_limit, between octets and between frames, fast and slow") {
  const auto octets_below = [] { return below_script("hello"); };
  const auto octets_above = [] {
    return above_script({"ab", "c"}).receives({"hello"}).sends("abc");
  };
  const auto frames_below = [] { return below_script("a\n\nb\n", "c"); };
  const auto frames_above = [] {
    return above_script({"x", ""}).receives({"a", "", "b"}).sends("x\n\n");
  };
  const auto both = [](const byte_rate& rate) { return rate_limits{.in = rate, .out = rate}; };
  const auto fast = both({.per_second = std::int64_t{1} << 30}); // nothing waits
  is_fine("rate_limit", check_layer(octets_below, rate_limit(fast), octets_above));
  is_fine("rate_limit",
          check_layer(frames_below, lines(line_end::lf) / rate_limit<frames>(fast), frames_above));
  const auto slow = both({.per_second = 1000, .burst = 1}); // every byte waits for its time
  const check_options once{.repeats = false, .patience = std::chrono::seconds(1)};
  is_fine("rate_limit", check_layer(octets_below, rate_limit(slow), octets_above, once));
  is_fine("rate_limit", check_layer(frames_below, lines(line_end::lf) / rate_limit<frames>(slow),
                                    frames_above, once));
  const auto middling = both({.per_second = 50'000, .burst = 100}); // most of very much does
  const check_options patient{.patience = std::chrono::minutes(1)};
  is_fine("rate_limit", check_layer(octets_below, rate_limit(middling), octets_above, patient));
}

TEST_CASE("X7: the kit passes tap, between octets and between frames") {
  const auto path = "/dev/null";
  is_fine("tap",
          check_layer([] { return below_script("hello"); }, tap(path),
                      [] { return above_script({"ab", "c"}).receives({"hello"}).sends("abc"); }));
  is_fine("tap",
          check_layer(
              [] { return below_script("a\n\nb\n", "c"); }, lines(line_end::lf) / tap<frames>(path),
              [] { return above_script({"x", ""}).receives({"a", "", "b"}).sends("x\n\n"); }));
}

TEST_CASE("X7, P10: the kit passes tls, a client's and a server's") {
  const auto below = [] { return below_script("hi"); };
  const auto above = [] { return above_script({"ab"}).receives({"hi"}).sends("ab"); };
  is_fine("tls", check_layer(below,
                             layered_as<tls_server_peer>("peer") /
                                 tls("localhost", {.dangerous_no_verify = true}),
                             above));
  is_fine("tls",
          check_layer(below, layered_as<tls_client_peer>("peer") / tls(tls_files().certificates()),
                      above));
}

TEST_CASE("X7, TS.ssl_over_ssl: the kit passes tls inside of tls") {
  const auto client = tls("localhost", {.dangerous_no_verify = true});
  is_fine("tls", check_layer([] { return below_script("h"); },
                             layered_as<tls_server_peer>("peer") /
                                 layered_as<tls_server_peer>("peer") / client / client,
                             [] { return above_script({"a"}).receives({"h"}).sends("a"); }));
}

TEST_CASE("X7: the kit passes a server without a layer above it") {
  is_fine("echo", check_layer([] { return below_script("hello"); }, layered_as<echo>("echo"),
                              [] { return above_script().sends("hello"); }));
}

TEST_CASE("X7: the kit passes http1, with its handlers above it") {
  const auto handler = [](http1::request& r) -> task<http1::response> {
    std::string body(r.target());
    while (auto piece = co_await r.body().next()) body += piece->view();
    if (r.method() == "PUT") {
      auto twice = [body](http1::writer& w) -> task<> {
        for (int i = 0; i < 2; ++i) co_await w.write(body);
      };
      co_return http1::response::stream(200, "text/plain", std::move(twice));
    }
    co_return http1::response::text(200, std::move(body));
  };
  const check_options few{.most_taken = 128 * 1024}; // fewer requests than a connection may have
  is_fine("http1", check_layer(
                       [] {
                         return below_script("GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
                                             "POST /b HTTP/1.1\r\nHost: h\r\n"
                                             "Content-Length: 3\r\n\r\nxyz",
                                             "GET /c HT");
                       },
                       http1::as_layer(http1::server(handler)),
                       [] { return above_script().sends("\r\n\r\n/bxyz"); }, few));
  is_fine("http1", check_layer(
                       [] {
                         return below_script("PUT /d HTTP/1.1\r\nHost: h\r\n"
                                             "Transfer-Encoding: chunked\r\n\r\n"
                                             "2\r\nuv\r\n1\r\nw\r\n0\r\n\r\n",
                                             "POST /e HTTP/1.1\r\nHost: h\r\n"
                                             "Content-Length: 9\r\n\r\nq");
                       },
                       http1::as_layer(http1::server(handler)),
                       [] {
                         return above_script().sends("\r\n\r\n5\r\n/duvw\r\n5\r\n/duvw\r\n"
                                                     "0\r\n\r\n");
                       },
                       few));
}

TEST_CASE("X7: the kit finds a layer that loses what was left of a split") {
  is_caught(check_layer([] { return below_script("ab;cd;"); }, layered_as<loses_rest>("loses_rest"),
                        [] { return above_script().receives({"ab", "cd"}); }),
            "what came out is [\"\"] instead of [\"a\"]");
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

TEST_CASE("X7: the kit finds a layer that does not pass on a drain, or an abort") {
  is_caught(check_layer([] { return below_script("hello"); },
                        layered_as<swallows_drain>("swallows_drain"),
                        [] { return above_script().receives({"hello"}); }),
            "the stack did not end when it was drained");
  is_caught(check_layer([] { return below_script("hello"); },
                        layered_as<swallows_abort>("swallows_abort"),
                        [] { return above_script().receives({"hello"}); }),
            "the stack did not end, though it was broken off\n  script: memory; connect; abort\n");
}

TEST_CASE("X7: the kit finds a layer that takes half a message for a good end") {
  is_caught(check_layer([] { return below_script("ab;cd;", "e"); },
                        layered_as<forgives_half>("forgives_half"),
                        [] { return above_script().receives({"ab", "cd"}); }),
            "the end in the middle of a message is told as a good one");
}

TEST_CASE("X7: the kit finds a layer whose next life is not as its first") {
  is_caught(check_layer([] { return below_script("hello"); }, layered_as<grudge>("grudge"),
                        [] { return above_script().receives({"hello"}); }),
            "a restart: after a restart, what came out is [] instead of");
  is_caught(check_layer([] { return below_script("ab;cd;", "e"); }, layered_as<haunted>("haunted"),
                        [] { return above_script().receives({"ab", "cd"}); }),
            "instead of");
}

TEST_CASE("X7: the kit finds a server that is broken") {
  const auto hello = [] { return below_script("hello"); };
  is_caught(check_layer(hello, layered_as<answers_pieces>("answers_pieces"),
                        [] { return above_script().sends("ok"); }),
            "split in two: the peer got \"okok\" instead of \"ok\"");
  is_caught(check_layer(hello, layered_as<heedless_echo>("heedless_echo"),
                        [] { return above_script().sends("hello"); }),
            "written past twice the high mark");
  is_caught(check_layer(hello, layered_as<curt_echo>("curt_echo"),
                        [] { return above_script().sends("hello"); }),
            "the peer got");
}

TEST_CASE("X7: the kit wants what its user expects") {
  is_caught(check_layer([] { return below_script("a\n"); }, lines(line_end::lf),
                        [] { return above_script().receives({"b"}); }),
            "what came out is [\"a\"] instead of [\"b\"]");
  is_caught(check_layer([] { return below_script("a\n"); }, lines(line_end::lf),
                        [] { return above_script({"x"}).receives({"a"}).sends("x\r\n"); }),
            "the peer got \"x\\n\"");
}

TEST_CASE("X7: the kit sends nothing twice to a layer that counts what came") {
  const auto framed = [](std::string_view text) {
    return std::string{'\0', '\0', '\0', char(text.size())} += text;
  };
  std::size_t came = 0, went = 0;
  const auto messages = framed("hello") + framed("") + framed("ab");
  const auto encrypted = stream_cipher::crypted(messages + framed("half").substr(0, 6), came);
  const auto answers = stream_cipher::crypted(framed("one") + framed("three!"), went);
  const auto below = [&] {
    return below_script(encrypted.substr(0, messages.size()), encrypted.substr(messages.size()));
  };
  const auto above = [&] {
    return above_script({"one", "three!"}).receives({"hello", "", "ab"}).sends(answers);
  };
  const auto report = check_layer(below, layered_as<stream_cipher>("cipher") / length_prefix(4),
                                  above, {.repeats = false});
  CHECK_MESSAGE(report.passed(), report.text());
  CHECK(report.scripts > 300);
}

TEST_CASE("X7: the kit's scripts can be pasted back, and played alone") {
  const std::string odd("a\n\0b\"\\\xff", 7);
  const auto below = [&] { return below_script(odd); };
  const auto above = [&] { return above_script().receives({odd}); };
  const auto first = check_layer(below, layered_as<swallows_eof>("swallows_eof"), above);
  REQUIRE_FALSE(first.passed());
  for (const auto& failure : first.failures) {
    const auto script = failure.substr(failure.find("script: ") + 8);
    INFO(script);
    const auto alone =
        check_layer(below, layered_as<swallows_eof>("swallows_eof"), above, {.script = script});
    CHECK_FALSE(alone.passed());
    REQUIRE(alone.failures.size() == 1);
    CHECK(alone.failures[0].ends_with("script: " + script));
    CHECK(check_layer(below, layered_as<plain>("plain"), above, {.script = script}).passed());
  }
  // every step there is, as it is printed
  const std::string all =
      "lockstep, all at once; connect; feed \"a\\000\\n\", 3 times; eof; reset; "
      "the transport fails; take 5; the peer takes all; hold after 2 more; "
      "release; crash after 1 more; crash; write \"\\377\\\"\\\\\"; "
      "pour \"ab\" x 40, 7 times; finish; close; abort; cancel; drain; 3 turns; "
      "an hour passes; restart";
  CHECK(testing::detail::to_text(testing::detail::parse_script(all)) == all);
  CHECK_THROWS_WITH_AS(
      testing::detail::parse_script("memory; connect; fed \"a\""),
      "column 18 of the script: a step, like connect or feed \"a\" is expected here",
      std::invalid_argument);
}

TEST_CASE("X7: the kit calls a layer without a text by its class") {
  const auto report =
      check_layer([] { return below_script("hello"); }, layered<no_finish>(),
                  [] { return above_script({"ab"}).receives({"hello"}).sends("ab"); });
  CHECK(report.layer.find("no_finish") != report.layer.npos);
}
