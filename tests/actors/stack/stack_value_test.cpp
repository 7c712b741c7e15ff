// A stack as a value: what it prints, what parses, and where a text is wrong.
#include "actors/layers/framers.hpp"
#include "actors/services/standard_words.hpp"
#include "actors/stack/connection.hpp"
#include "actors/stack/stack_difference.hpp"
#include "actors/transport/tcp.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <string>

using namespace creche;

namespace {

struct shout : layer {
  const char* name() const noexcept override { return "shout"; }
};

std::string again(const std::string& text) { return parse_stack(text).to_text(); }

/// "column: sentence" of a text that does not parse.
std::string wrong(const std::string& text) {
  try {
    parse_stack(text);
  } catch (const stack_text_error& e) {
    const std::string what = e.what();
    const auto start = "column " + std::to_string(e.column()) + " of '" + text + "': ";
    REQUIRE(what.starts_with(start));
    return std::to_string(e.column()) + ": " + what.substr(start.size());
  }
  return "parses";
}

} // namespace

TEST_CASE("P11, X11: a stack prints as the value was written") {
  const auto s = tcp("127.0.0.1:80") / layered_as<shout>("shout") / lines(line_end::crlf);
  CHECK(s.to_text() == "tcp(127.0.0.1:80)/shout/lines(crlf)");
  CHECK(s.layers() == 3);
  CHECK(s.below() == speech::nothing);
  CHECK(s.above() == speech::frames);
  static_assert(std::is_same_v<decltype(s)::speaks_below, no_speech>);
  static_assert(std::is_same_v<decltype(s)::speaks_above, frames>);
  CHECK((tcp("[::1]:80") / layered<shout>()).to_text() == "tcp([::1]:80)/?");
}

TEST_CASE("P11: a part of a stack is a value too, and they are copied, not changed") {
  const auto upper = layered_as<shout>("shout") / netstring();
  const auto a = tcp("127.0.0.1:1") / upper, b = tcp("127.0.0.1:2") / upper;
  CHECK(a.to_text() == "tcp(127.0.0.1:1)/shout/netstring");
  CHECK(b.to_text() == "tcp(127.0.0.1:2)/shout/netstring");
  CHECK(upper.to_text() == "shout/netstring");
}

TEST_CASE("P11, X11: every layer's text parses and prints the same") {
  for (std::string text :
       {"tcp(127.0.0.1:80)/lines(crlf)", "tcp([::1]:8080)", "lines(lf)", "lines(either,100)",
        "netstring", "netstring(65536)", "length_prefix(4)", "length_prefix(2,little)",
        "length_prefix(8,little,1000)", "length_prefix(1,100)", "delimiter(0d0a)",
        "delimiter(00,17)", "fixed(188)"})
    CHECK(again(text) == text);
  CHECK(again("length_prefix(4,big)") == "length_prefix(4)");
  CHECK(again("lines(lf,8192)") == "lines(lf)");
  CHECK_THROWS_AS(again("netstring()"), stack_text_error); // one empty argument is no limit
}

TEST_CASE("P11: values print what their texts say") {
  CHECK(length_prefix(2, byte_order::little, 9).to_text() == again("length_prefix(2,little,9)"));
  CHECK(delimiter("\r\n").to_text() == again("delimiter(0d0a)"));
  CHECK(fixed(7).to_text() == again("fixed(7)"));
  CHECK(lines(line_end::lf, 77).to_text() == again("lines(lf,77)"));
}

TEST_CASE("P11, X11: a stack with other times is another stack, and prints as that") {
  using namespace std::chrono_literals;
  const auto text = "tcp(127.0.0.1:80,connecting=1s,write_stall=2m,linger=500ms)";
  CHECK(tcp("127.0.0.1:80", {.connecting = 1s, .write_stall = 2min, .linger = 500ms}).to_text() ==
        text);
  CHECK(again(text) == text);
  CHECK(again("tcp(127.0.0.1:80,linger=3s)") == "tcp(127.0.0.1:80,linger=3s)");
  CHECK(again("tcp(127.0.0.1:80,linger=2s)") == "tcp(127.0.0.1:80)"); // as usual
  const auto never = tcp("127.0.0.1:80", {.connecting = no_limit}).to_text();
  CHECK(again(never) == never);
  CHECK(tcp("127.0.0.1:80", {.connecting = -1s}).to_text() == "?");
}

TEST_CASE("P11: an error in a text points at its column, with a sentence") {
  CHECK(wrong("") == "1: the name of a layer is missing");
  CHECK(wrong("tcp(127.0.0.1:80)/") == "19: the name of a layer is missing");
  CHECK(wrong("/lines(lf)") == "1: the name of a layer is missing");
  CHECK(wrong("tcp(127.0.0.1:80)/linse(lf)")
            .starts_with("19: there is no layer 'linse'; there "
                         "are tcp, lines, "));
  CHECK(wrong("tcp(127.0.0.1:80") == "4: this parenthesis is not closed");
  CHECK(wrong("lines(lf)x") == "10: a '/' or the end is expected here");
  CHECK(wrong("lines(lf) /fixed(1)") == "10: a '/' or the end is expected here");
  CHECK(wrong("tcp(localhost:80)").starts_with("5: 'localhost:80': the address is not numeric"));
  CHECK(wrong("tcp").starts_with("1: tcp needs an address"));
  CHECK(wrong("lines").starts_with("1: lines needs lf, crlf or either"));
  CHECK(wrong("lines(cr)").starts_with("7: lines needs lf, crlf or either"));
  CHECK(wrong("lines(lf,x)") == "10: 'x' is no limit in bytes");
  CHECK(wrong("lines(lf,0)") == "10: framing: the limit of a frame is 1 byte to 1 GiB");
  CHECK(wrong("lines(lf,99999999999999999999)").ends_with("is no limit in bytes"));
  CHECK(wrong("length_prefix(3)") == "15: length_prefix: the width is 1, 2, 4 or 8 bytes");
  CHECK(wrong("length_prefix(4,large)") == "17: 'large' is no limit in bytes");
  CHECK(wrong("delimiter(0)").starts_with("11: a byte has two hexadecimal digits"));
  CHECK(wrong("delimiter(0g)").starts_with("11: a byte has two hexadecimal digits"));
  CHECK(wrong("delimiter()") == "11: delimiter: the end of a frame has 1 to 64 bytes");
  CHECK(wrong("fixed(-1)") == "7: '-1' is no size in bytes");
  CHECK(wrong("length_prefix(4,big,12x)") == "21: '12x' is no limit in bytes");
  CHECK(wrong("length_prefix(4,little,big)") == "24: 'big' is no limit in bytes");
  CHECK(wrong("length_prefix(4,5,6)").starts_with("17: behind the width stand"));
  CHECK(wrong("delimiter(0a,y)") == "14: 'y' is no limit in bytes");
  CHECK(wrong("tap(x,23)") == "7: a file of tap has at least 24 bytes");
  CHECK(wrong("tap(,24)").starts_with("5: tap needs the path"));
  CHECK(wrong("idle(read=1s,all=x)").starts_with("14: 'x' is no time"));
  CHECK(wrong("idle(read=1s,all=0s)").starts_with("14: a limit of idle is more than zero"));
  CHECK(wrong("tcp(127.0.0.1:80,linger=x)").starts_with("18: 'x' is no time"));
  CHECK(wrong("tcp(127.0.0.1:80,linger=1s,linger=1s)").starts_with("28: tcp needs an address"));
  CHECK(wrong("tcp(127.0.0.1:80,linger)").starts_with("18: tcp needs an address"));
  CHECK(wrong("TCP(127.0.0.1:80)") == "1: the name of a layer is missing");
}

TEST_CASE("P11: a control character is refused, and does not cut the sentence off") {
  for (const char odd : {'\0', '\n', '\x1f', '\x7f'}) {
    const auto text = "tap(a" + std::string(1, odd) + "b)";
    CHECK_THROWS_WITH_AS(parse_stack(text),
                         "column 6 of 'tap(a?b)': a control character cannot stand in a stack's "
                         "text",
                         stack_text_error);
  }
  CHECK(again("tap(a b\xc3\xa4.tap)") == "tap(a b\xc3\xa4.tap)");
}

TEST_CASE("P11: layers in the wrong order are refused in a text as well") {
  CHECK(wrong("lines(lf)/netstring") ==
        "11: netstring speaks octets below, but lines(lf) speaks frames above");
  CHECK(wrong("lines(lf)/tcp(127.0.0.1:80)") ==
        "11: tcp(127.0.0.1:80) speaks nothing below, but lines(lf) speaks frames above");
}

TEST_CASE("P11: a layer without a text is called by its class when it does not fit") {
  const any_stack framed = lines(line_end::lf);
  try {
    static_cast<void>(framed.on_top(layered<shout>()));
    FAIL("it fits");
  } catch (const std::invalid_argument& e) {
    const std::string what = e.what();
    CHECK(what.ends_with("shout speaks octets below, but lines(lf) speaks frames above"));
  }
}

TEST_CASE("P11: a word of a user's may point at one of its arguments") {
  auto words = standard_words();
  words.add("shout", [](const std::vector<std::string>& args) -> any_stack {
    throw stack_argument_error(args.size() - 1, "that is too loud");
  });
  CHECK_THROWS_WITH_AS(words.parse("shout(1,22,3)"),
                       "column 12 of 'shout(1,22,3)': that is too loud", stack_text_error);
  CHECK_THROWS_WITH_AS(words.parse("shout(1)"), "column 7 of 'shout(1)': that is too loud",
                       stack_text_error);
}

TEST_CASE("P11: users bring words of their own") {
  auto words = standard_words();
  words.add("shout", [](const std::vector<std::string>& args) -> any_stack {
    if (!args.empty()) throw std::invalid_argument("shout has no arguments");
    return layered_as<shout>("shout");
  });
  CHECK(words.parse("tcp(127.0.0.1:80)/shout/lines(lf)").to_text() ==
        "tcp(127.0.0.1:80)/shout/lines(lf)");
  CHECK_THROWS_WITH_AS(words.parse("shout(1)"), "column 7 of 'shout(1)': shout has no arguments",
                       stack_text_error);
  const auto none = [](const std::vector<std::string>&) { return any_stack(); };
  CHECK_THROWS_AS(words.add("tcp", none), std::invalid_argument);
  CHECK_THROWS_AS(words.add("Tcp", none), std::invalid_argument);
  CHECK_THROWS_AS(words.add("", none), std::invalid_argument);
}

// Whatever a text is, it parses to something that prints as a text that parses to the same, or is
// refused at a column that exists.
TEST_CASE("P11: any text parses and prints, or is refused at a column of it") {
  const std::string good = "tcp(127.0.0.1:80)/lines(crlf,100)/x";
  const std::string letters = "tcplinesfixed0123456789()/,:._-";
  std::uint64_t seed = 7;
  const auto draw = [&](std::size_t n) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return std::size_t(seed >> 33) % n;
  };
  int parsed = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto text = good.substr(0, draw(good.size()));
    for (auto k = draw(3); k > 0 && !text.empty(); --k)
      text[draw(text.size())] = letters[draw(letters.size())];
    try {
      const auto printed = parse_stack(text).to_text();
      CHECK(again(printed) == printed);
      ++parsed;
    } catch (const stack_text_error& e) {
      CHECK(e.column() >= 1);
      CHECK(e.column() <= text.size() + 1);
    }
  }
  CHECK(parsed > 100);
}

// ---- differences

namespace {

template <class Below, class Above> struct speaker : layer {
  using speaks_below = Below;
  using speaks_above = Above;
  const char* name() const noexcept override { return "speaker"; }
};

/// One letter a layer: a, b between octets, L from octets to frames, J back, f between frames.
any_stack of_letters(const std::string& letters) {
  any_stack s = tcp("127.0.0.1:1");
  for (const char c : letters) {
    const std::string text(1, char(std::tolower(c)));
    if (c == 'L')
      s = s.on_top(layered_as<speaker<octets, frames>>(text));
    else if (c == 'J')
      s = s.on_top(layered_as<speaker<frames, octets>>(text));
    else if (c == 'f')
      s = s.on_top(layered_as<speaker<frames, frames>>(text));
    else
      s = s.on_top(layered_as<speaker<octets, octets>>(text));
  }
  return s;
}

/// One step on a stack, done by hand; on_top throws if it does not fit.
any_stack after(const any_stack& s, const stack_difference::step& d) {
  any_stack r;
  for (std::size_t i = 0; i <= s.layers(); ++i) {
    if (i == d.at) r = r.on_top(d.add);
    const bool goes = i == d.at && d.what != stack_difference::edit::insert;
    if (i < s.layers() && !goes) r = r.on_top(any_stack(s.parts()[i]));
  }
  return r;
}

/// All stacks of up to `n` layers on a transport, by what they speak at the top.
std::map<std::string, speech> all_stacks(std::size_t n) {
  std::map<std::string, speech> all{{"", speech::octets}};
  for (std::size_t round = 0; round < n; ++round)
    for (auto& [s, top] : std::map(all))
      for (const char c : top == speech::octets ? std::string_view("abL") : std::string_view("Jf"))
        all[s + c] = c == 'L' || c == 'f' ? speech::frames : speech::octets;
  return all;
}

/// Is `to` what one edit makes of `from`: one layer or none goes, some or none come?
bool is_one_edit(const std::string& from, const std::string& to) {
  if (from == to) return false;
  std::size_t same = 0;
  while (same < std::min(from.size(), to.size()) && from[same] == to[same]) ++same;
  for (std::size_t lower = 0; lower <= same; ++lower)
    for (std::size_t gone = 0; gone <= 1 && lower + gone <= from.size(); ++gone)
      if (to.size() >= from.size() - gone && to.ends_with(from.substr(lower + gone)) &&
          to.size() - (from.size() - lower - gone) >= lower)
        return true;
  return false;
}

} // namespace

TEST_CASE("X11: the difference of two stacks says what goes and what comes") {
  const auto text = [](const char* from, const char* to) {
    return stack_difference(parse_stack(from), parse_stack(to)).to_text();
  };
  CHECK(text("tcp(127.0.0.1:25)/lines(crlf)", "tcp(127.0.0.1:25)/lines(crlf)") ==
        "tcp(127.0.0.1:25)/lines(crlf)");
  CHECK(text("tcp(127.0.0.1:25)/lines(crlf)", "tcp(127.0.0.1:25)/lines(lf)") ==
        "tcp(127.0.0.1:25)/-lines(crlf)/+lines(lf)");
  CHECK(text("tcp(127.0.0.1:25)/idle(read=60s)/lines(crlf)",
             "tcp(127.0.0.1:25)/idle(read=30s)/idle(read=1m)/netstring") ==
        "tcp(127.0.0.1:25)/+idle(read=30s)/idle(read=1m)/-lines(crlf)/+netstring");
  const stack_difference d(parse_stack("tcp(127.0.0.1:25)/idle(read=60s)/lines(crlf)"),
                           parse_stack("tcp(127.0.0.1:25)/lines(crlf)"));
  REQUIRE(d.steps().size() == 1);
  CHECK(d.steps()[0].what == stack_difference::edit::remove);
  CHECK(d.steps()[0].at == 1);
  CHECK(stack_difference({}, {}).none());
}

TEST_CASE("X11: layers without a text are the same if one was copied from the other") {
  const auto one = layered<shout>(), other = layered<shout>();
  const auto s = tcp("127.0.0.1:1");
  CHECK(stack_difference(s / one, s / one).none());
  CHECK(stack_difference(s / one, s / other).to_text() == "tcp(127.0.0.1:1)/-?/+?");
}

TEST_CASE("X11: a difference that no row of edits makes is refused with a sentence") {
  const auto refused = [](const any_stack& from, const any_stack& to) {
    try {
      return stack_difference(from, to).to_text();
    } catch (const std::invalid_argument& e) {
      return std::string(e.what());
    }
  };
  const std::string why = " one layer at a time: the transport stays, and every layer must fit on "
                          "the one below it after every step";
  CHECK(refused(parse_stack("tcp(127.0.0.1:1)"), parse_stack("tcp(127.0.0.1:2)")) ==
        "\"tcp(127.0.0.1:1)\" cannot be made \"tcp(127.0.0.1:2)\"" + why);
  CHECK(refused(of_letters("LJ"), of_letters("")).ends_with(why)); // neither goes without the other
  CHECK(refused({}, of_letters("")).ends_with(why));
  CHECK(refused(of_letters(""), {}).ends_with(why));
}

TEST_CASE("X11: every difference is made by steps that fit, and no fewer would do") {
  const auto all = all_stacks(5); // on the way; from and to have three at most
  std::vector<std::string> names;
  for (auto& [name, top] : all) names.push_back(name);
  const auto n = names.size();
  constexpr auto far = std::numeric_limits<int>::max() / 4;
  // by edits that leave what the top speaks; then one that need not
  std::vector<std::vector<int>> kept(n, std::vector<int>(n, far)), last = kept;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      const bool one = is_one_edit(names[i], names[j]);
      if (i == j) kept[i][j] = 0;
      if (one && all.at(names[i]) == all.at(names[j])) kept[i][j] = 1;
      if (one) last[i][j] = 1;
    }
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j)
        kept[i][j] = std::min(kept[i][j], kept[i][k] + kept[k][j]);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) {
      if (names[i].size() > 3 || names[j].size() > 3) continue;
      auto fewest = kept[i][j];
      for (std::size_t k = 0; k < n; ++k) fewest = std::min(fewest, kept[i][k] + last[k][j]);
      INFO(names[i] << " -> " << names[j]);
      auto s = of_letters(names[i]);
      const auto to = of_letters(names[j]);
      try {
        const stack_difference d(s, to);
        CHECK(int(d.steps().size()) == fewest);
        for (auto& step : d.steps()) s = after(s, step);
        CHECK(s.to_text() == to.to_text());
      } catch (const std::invalid_argument&) {
        CHECK(fewest >= far);
      }
    }
}
