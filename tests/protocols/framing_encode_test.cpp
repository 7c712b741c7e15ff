// The other direction: what wrap accepts comes back as one frame, what it refuses would not.

#include "tests/protocols/framing_session.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace creche;
using namespace creche::framing;
using std::string, std::string_view;

namespace {

template <framer Core> errc sent(const Core& c, const string& frame, string& wire) {
  envelope e;
  const auto why = c.wrap(std::as_bytes(std::span(frame)), e);
  if (why == errc::none) (wire += e.head()).append(frame).append(e.tail);
  return why;
}

/// One frame on its way through the wire form.
template <framer Core> string there_and_back(const Core& c, const string& frame) {
  string wire;
  if (const auto why = sent(c, frame, wire); why != errc::none) return string{text(why)};
  return tests::feed_framer(wire, c);
}
/// Of the frames on a wire: how many come, or none if one of them could not be sent on.
template <framer Core> int sent_on(Core c, const string& wire) {
  int frames = 0;
  for (bytes rest = std::as_bytes(std::span(wire));;) {
    const auto s = c.next(rest);
    if (s.what != event::frame) return frames;
    envelope e;
    if (c.wrap(s.frame, e) != errc::none) return -1;
    rest = rest.subspan(s.used);
    ++frames;
  }
}
/// All strings of so many letters at most.
std::vector<string> words_of(string_view letters, std::size_t longest) {
  std::vector<string> words{""};
  for (std::size_t i = 0; i < words.size(); ++i)
    if (words[i].size() < longest)
      for (const char c : letters) words.push_back(words[i] + c);
  return words;
}
string came(const string& frame) { return "frame " + frame + "\nend\n"; }

} // namespace

TEST_CASE("P24: what can be sent comes back as it was, at the limit as well") {
  const framing::limits l{.frame = 300};
  for (std::size_t n : {0u, 1u, 9u, 10u, 99u, 100u, 255u, 256u, 299u, 300u}) {
    const string frame(n, 'x');
    CHECK(there_and_back(lines(line_end::lf, l), frame) == came(frame));
    CHECK(there_and_back(lines(line_end::crlf, l), frame) == came(frame));
    CHECK(there_and_back(lines(line_end::either, l), frame) == came(frame));
    CHECK(there_and_back(netstring(l), frame) == came(frame));
    CHECK(there_and_back(delimiter("--", l), frame) == came(frame));
    for (unsigned width : {2u, 4u, 8u})
      for (auto o : {byte_order::big, byte_order::little})
        CHECK(there_and_back(length_prefix(width, o, l), frame) == came(frame));
    if (n) CHECK(there_and_back(fixed(n), frame) == came(frame));
  }
}

TEST_CASE("P24: what cannot be sent is refused, with the reason") {
  const framing::limits l{.frame = 300};
  const string large(301, 'x'), too_large{text(errc::frame_too_large)};
  CHECK(there_and_back(lines(line_end::crlf, l), large) == too_large);
  CHECK(there_and_back(netstring(l), large) == too_large);
  CHECK(there_and_back(delimiter("--", l), large) == too_large);
  CHECK(there_and_back(length_prefix(2, byte_order::big, l), large) == too_large);
  CHECK(there_and_back(length_prefix(1), string(256, 'x')) == too_large);
  const string wrong{text(errc::wrong_size)}, inside{text(errc::contains_end)};
  CHECK(there_and_back(fixed(3), "ab") == wrong);
  CHECK(there_and_back(fixed(3), "abcd") == wrong);
  CHECK(there_and_back(lines(line_end::lf), "a\nb") == inside);
  CHECK(there_and_back(lines(line_end::lf), "a\r") == came("a\r"));
  CHECK(there_and_back(lines(line_end::crlf), "a\rb") == inside);
  CHECK(there_and_back(lines(line_end::either), "a\r") == inside);
  CHECK(there_and_back(lines(line_end::either), "a\rb") == came("a\rb"));
  CHECK(there_and_back(delimiter("--"), "a--b") == inside);
  CHECK(there_and_back(delimiter("--"), "a-") == inside);
  CHECK(there_and_back(delimiter("aabaa"), "xaab") == inside);
  CHECK(there_and_back(delimiter("ab"), "xa") == came("xa"));
}

// Short strings of few letters: all of them, against all ends of few letters.
TEST_CASE("P24: a delimiter's wrap refuses just what would be read as something else") {
  std::vector<string> words{""};
  for (std::size_t i = 0; words.size() < 1 + 2 + 4 + 8 + 16 + 32; ++i)
    for (char c : {'a', 'b'}) words.push_back(words[i] + c);
  for (auto& end : words) {
    if (end.empty() || end.size() > 4) continue;
    const delimiter d(end);
    for (auto& frame : words) {
      string wire;
      const bool right = (frame + end).find(end) == frame.size();
      REQUIRE((sent(d, frame, wire) == errc::none) == right);
    }
  }
}

// Whoever sends back what he got is no peer's victim.
TEST_CASE("P24: what comes as a frame can be sent as one") {
  const framing::limits l{.frame = 3};
  int frames = 0;
  const auto all = [&](const auto& c, const string& wire) {
    INFO(wire);
    const int n = sent_on(c, wire);
    REQUIRE(n >= 0);
    frames += n;
  };
  for (auto& wire : words_of("a\r\n", 7))
    for (auto end : {line_end::lf, line_end::crlf, line_end::either}) all(lines(end, l), wire);
  const auto ends = words_of("ab", 3);
  for (auto& wire : words_of("ab", 9))
    for (auto& end : ends)
      if (!end.empty()) all(delimiter(end, l), wire);
  for (auto& wire : words_of("0123:,a", 6)) all(netstring(l), wire);
  for (auto& wire : words_of(string_view("\0\1\2\3\4", 5), 6)) {
    all(length_prefix(1, byte_order::big, l), wire);
    all(fixed(3), wire);
  }
  CHECK(frames > 10'000);
}

TEST_CASE("P24: random frames in a row come back in their order") {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    string by_length, by_prefix, by_line, log, line_log;
    const length_prefix p(4, byte_order::little);
    const netstring n;
    const lines l(line_end::either);
    for (auto count = random() % 8; count > 0; --count) {
      string frame(random() % 40, ' ');
      for (auto& c : frame) c = "ab\r\n,:0\0"[random() % 8];
      REQUIRE(sent(n, frame, by_length) == errc::none);
      REQUIRE(sent(p, frame, by_prefix) == errc::none);
      log += came(frame);
      if (sent(l, frame, by_line) == errc::none) line_log += came(frame);
    }
    CHECK(tests::feed_framer(by_length, n) == log);
    CHECK(tests::feed_framer(by_prefix, p) == log);
    CHECK(tests::feed_framer(by_line, l) == line_log);
  }
}
