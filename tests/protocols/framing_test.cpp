// Framers: what is a frame, what is refused, and where the limits lie.
// Every case is run whole, byte by byte, at every split, and with bytes behind it.

#include "tests/protocols/framing_session.hpp"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

using namespace creche;
using namespace creche::framing;
using std::string;
using namespace std::string_literals;
using tests::feed_framer;

namespace {

string frames(std::initializer_list<string> all) {
  string log;
  for (auto& f : all) log += "frame " + f + "\nend\n";
  return log;
}
string because(errc e) { return string{text(e)} + '\n'; }

const framing::limits small{.frame = 5, .empty_in_a_row = 2};

} // namespace

TEST_CASE("P24: every framing error says what is wrong, in words of its own") {
  std::set<string> texts;
  const int last = static_cast<int>(errc::wrong_size);
  for (int i = 0; i <= last; ++i) {
    const std::error_code code = static_cast<errc>(i);
    CHECK(texts.insert(code.message()).second);
    CHECK(code.category().name() == "framing"s);
  }
  CHECK(make_error_code(static_cast<errc>(last + 1)).message() == "unknown framing error");
}

TEST_CASE("P24: lines end with LF, or with CR LF, or with either") {
  CHECK(feed_framer("a\nbc\n\n", lines(line_end::lf)) == frames({"a", "bc", ""}));
  CHECK(feed_framer("a\r\nb\r\n", lines(line_end::lf)) == frames({"a\r", "b\r"}));
  CHECK(feed_framer("a\r\nbc\r\n\r\n", lines(line_end::crlf)) == frames({"a", "bc", ""}));
  CHECK(feed_framer("a\r\nbc\n\r\n\nd\r\n", lines(line_end::either)) ==
        frames({"a", "bc", "", "", "d"}));
  // what comes as a line can be sent as one
  CHECK(feed_framer("a\rb\r\n", lines(line_end::either)) == frames({"a\rb"}));
  CHECK(feed_framer("a\rb\r\r\n", lines(line_end::either)) == because(errc::bare_cr));
  CHECK(feed_framer("\r\r\n", lines(line_end::either)) == because(errc::bare_cr));
  CHECK(feed_framer("\0\xff\n"s, lines(line_end::lf)) == frames({"\0\xff"s}));
}

TEST_CASE("P24: CR LF means both: one without the other is refused") {
  const lines strict(line_end::crlf);
  CHECK(feed_framer("a\r\nb\nc\r\n", strict) == frames({"a"}) + because(errc::bare_lf));
  CHECK(feed_framer("a\rb\r\n", strict) == because(errc::bare_cr));
  CHECK(feed_framer("\r\r\n", strict) == because(errc::bare_cr));
  CHECK(feed_framer("\n", strict) == because(errc::bare_lf));
}

TEST_CASE("P24: a line of the longest length is a frame, one byte more is refused") {
  for (auto end : {line_end::lf, line_end::crlf, line_end::either}) {
    const string stop = end == line_end::lf ? "\n" : "\r\n";
    const lines l(end, small);
    CHECK(feed_framer("12345" + stop, l) == frames({"12345"}));
    CHECK(feed_framer("123456" + stop, l) == because(errc::frame_too_large));
    CHECK(feed_framer("123456", l) == because(errc::frame_too_large));
    CHECK(feed_framer("12345", l) == because(errc::truncated));
    CHECK(feed_framer("x" + stop + "123456", l) == frames({"x"}) + because(errc::frame_too_large));
  }
  const lines strict(line_end::crlf, small), loose(line_end::either, small);
  CHECK(feed_framer("12345\r", strict) == because(errc::truncated));
  CHECK(feed_framer("12345\rx", strict) == because(errc::bare_cr));
  CHECK(feed_framer("12345\n", strict) == because(errc::bare_lf));
  CHECK(feed_framer("123456\n", strict) == because(errc::frame_too_large));
  CHECK(feed_framer("12345\n", loose) == frames({"12345"}));
  CHECK(feed_framer("12345\rx\n", loose) == because(errc::frame_too_large));
  CHECK(feed_framer("12345\r", lines(line_end::lf, small)) == because(errc::frame_too_large));
}

TEST_CASE("P24: lines switch to raw bytes and back, wherever the stream is cut") {
  const auto after = [](lines& l, std::string_view line) {
    if (line.starts_with("DATA ")) l.raw(std::stoul(string(line.substr(5))));
  };
  CHECK(feed_framer("DATA 6\r\na\r\n\nb\nnext\r\n", lines(line_end::crlf), after) ==
        frames({"DATA 6"}) + "raw a\r\n\nb\n\n" + frames({"next"}));
  CHECK(feed_framer("DATA 0\nDATA 1\n\nx\n", lines(line_end::lf), after) ==
        frames({"DATA 0", "DATA 1"}) + "raw \n\n" + frames({"x"}));
  // raw bytes have no limit: they go on as they come
  CHECK(feed_framer("DATA 9\n123456789", lines(line_end::lf, {.frame = 6}), after) ==
        frames({"DATA 9"}) + "raw 123456789\n");
  CHECK(feed_framer("DATA 9\n12345678", lines(line_end::lf), after) ==
        frames({"DATA 9"}) + "raw 12345678\n" + because(errc::truncated));
  lines l(line_end::lf);
  l.raw(2);
  l.raw(3);
  CHECK(l.raw_left() == 5);
}

TEST_CASE("P24: netstrings have one form only") {
  const netstring n(small);
  CHECK(feed_framer("5:hello,0:,3:a,b,", n) == frames({"hello", "", "a,b"}));
  for (string bad : {":", "x:", "+1:a,", "-1:", " 1:a,", "01:a,", "00:,", "1 :a,", "1a:"})
    CHECK(feed_framer(bad, n) == because(errc::bad_length));
  CHECK(feed_framer("1:ab", n) == because(errc::bad_end));
  CHECK(feed_framer("0:a", n) == because(errc::bad_end));
  CHECK(feed_framer("5:123", n) == because(errc::truncated));
  CHECK(feed_framer("5", n) == because(errc::truncated));
  CHECK(feed_framer("6:", n) == because(errc::frame_too_large));
  CHECK(feed_framer("6", n) == because(errc::frame_too_large)); // for the first digit that says so
  CHECK(feed_framer("99999999999999999999999999:", n) == because(errc::frame_too_large));
}

TEST_CASE("P24: a length prefix has 1, 2, 4 or 8 bytes, in either order") {
  for (unsigned width : {1u, 2u, 4u, 8u}) {
    const string zeros(width - 1, '\0');
    const length_prefix big(width, byte_order::big, small);
    const length_prefix little(width, byte_order::little, small);
    CHECK(feed_framer(zeros + "\5hello" + zeros + "\0"s, big) == frames({"hello", ""}));
    CHECK(feed_framer("\5" + zeros + "hello" + "\0"s + zeros, little) == frames({"hello", ""}));
    CHECK(feed_framer(zeros + "\6", big) == because(errc::frame_too_large));
    CHECK(feed_framer("\6" + zeros, little) == because(errc::frame_too_large));
    CHECK(feed_framer(string(width, '\xff'), big) == because(errc::frame_too_large));
    CHECK(feed_framer(zeros + "\5hell", big) == because(errc::truncated));
    if (width > 1) CHECK(feed_framer(zeros, big) == because(errc::truncated));
  }
  CHECK(feed_framer("\1\2" + string(258, 'x'), length_prefix(2)) == frames({string(258, 'x')}));
  CHECK(length_prefix(1).limits().frame == 255);
  CHECK(length_prefix(2).limits().frame == 65535);
  CHECK(length_prefix(8).limits().frame == 16 * 1024 * 1024);
  CHECK_THROWS_AS(length_prefix(3), std::invalid_argument);
  CHECK_THROWS_AS(length_prefix(0), std::invalid_argument);
}

TEST_CASE("P24: a delimiter ends a frame where it first stands") {
  CHECK(feed_framer("a--b--", delimiter("--")) == frames({"a", "b"}));
  CHECK(feed_framer("a---", delimiter("--")) == frames({"a"}) + because(errc::truncated));
  CHECK(feed_framer("aabaabb|", delimiter("aabb")) == frames({"aab"}) + because(errc::truncated));
  CHECK(feed_framer("\0a\0"s, delimiter("\0"s)) == frames({"", "a"}));
  CHECK(feed_framer("12345<>", delimiter("<>", small)) == frames({"12345"}));
  CHECK(feed_framer("123456<>", delimiter("<>", small)) == because(errc::frame_too_large));
  CHECK(feed_framer("12345<", delimiter("<>", small)) == because(errc::truncated));
  CHECK_THROWS_AS(delimiter(""), std::invalid_argument);
  CHECK_THROWS_AS(delimiter(string(65, 'x')), std::invalid_argument);
  CHECK_NOTHROW(delimiter(string(64, 'x')));
}

TEST_CASE("P24: fixed frames have one size") {
  CHECK(feed_framer("abcdefg", fixed(3)) == frames({"abc", "def"}) + because(errc::truncated));
  CHECK(feed_framer("ab", fixed(1)) == frames({"a", "b"}));
  CHECK_THROWS_AS(fixed(0), std::invalid_argument);
  CHECK_THROWS_AS(fixed(framing::limits::most + 1), std::invalid_argument);
}

TEST_CASE("P24: a flood of empty frames is refused, one past the limit; any other frame starts "
          "the count again") {
  CHECK(feed_framer("\n\nx\n\n\n", lines(line_end::lf, small)) == frames({"", "", "x", "", ""}));
  CHECK(feed_framer("\n\n\n", lines(line_end::lf, small)) ==
        frames({"", ""}) + because(errc::too_many_empty));
  CHECK(feed_framer("0:,0:,0:,", netstring(small)) ==
        frames({"", ""}) + because(errc::too_many_empty));
  CHECK(feed_framer("\0\0\0"s, length_prefix(1, byte_order::big, small)) ==
        frames({"", ""}) + because(errc::too_many_empty));
  CHECK(feed_framer("|||", delimiter("|", small)) ==
        frames({"", ""}) + because(errc::too_many_empty));
}

TEST_CASE("P21: need says how many bytes there must be before it is worth asking again") {
  const auto need = [](auto core, const string& in) {
    return core.next(std::as_bytes(std::span(in))).need;
  };
  CHECK(need(length_prefix(4), "") == 4);
  CHECK(need(length_prefix(4), "\0"s) == 4);
  CHECK(need(length_prefix(4), "\0\0\0\7"s) == 11);
  CHECK(need(length_prefix(4), "\0\0\0\7abc"s) == 11);
  CHECK(need(netstring(), "12") == 3);
  CHECK(need(netstring(), "12:") == 16);
  CHECK(need(fixed(100), "abc") == 100);
  CHECK(need(lines(line_end::lf), "abc") == 4);
}

TEST_CASE("P21: nothing is searched twice: a long line in small pieces costs its length") {
  // quadratic, this would look at 32 GiB
  const string line(8 * 1024 * 1024, 'x');
  lines l(line_end::crlf, {.frame = line.size()});
  delimiter d("\r\n", {.frame = line.size()});
  for (std::size_t n = 1024; n < line.size(); n += 1024) {
    const auto shown = std::as_bytes(std::span(line.data(), n));
    REQUIRE(l.next(shown).what == event::need_more);
    REQUIRE(d.next(shown).what == event::need_more);
  }
}
