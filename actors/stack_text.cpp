#include "actors/idle.hpp"
#include "actors/internal/text_arguments.hpp"
#include "actors/stack.hpp"
#include "actors/tap.hpp"

#include <algorithm>
#include <charconv>

namespace creche {

namespace {

using arguments = std::vector<std::string>;

bool is_word(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

[[noreturn]] void bad(std::string_view why) { throw std::invalid_argument(std::string(why)); }

void count(const arguments& a, std::size_t least, std::size_t most, std::string_view how) {
  if (a.size() < least || a.size() > most) bad(how);
}

[[noreturn]] void bad(std::size_t which, std::string_view why) {
  throw stack_argument_error(which, std::string(why));
}
/// What f() refuses is that argument.
template <class F> auto about(std::size_t which, F f) {
  try {
    return f();
  } catch (const std::invalid_argument& e) {
    bad(which, e.what());
  }
}

std::size_t number(const arguments& a, std::size_t which, const char* what) {
  const auto& text = a[which];
  std::size_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    bad(which, "'" + text + "' is no " + what);
  return n;
}
std::size_t limit(const arguments& a, std::size_t at, std::size_t usual) {
  return a.size() > at ? number(a, at, "limit in bytes") : usual;
}

int digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

constexpr std::size_t usual = framing::limits{}.frame;

any_stack make_tcp(const arguments& a) {
  constexpr std::string_view how = "tcp needs an address, like tcp(127.0.0.1:80), and behind it "
                                   "connecting, write_stall or linger, like connecting=10s";
  count(a, 1, 4, how);
  tcp_timeouts t;
  std::vector<const clock_duration*> given;
  for (std::size_t i = 1; i < a.size(); ++i) {
    const auto eq = std::min(a[i].find('='), a[i].size());
    const std::string_view word(a[i].data(), eq);
    auto* to = word == "connecting"    ? &t.connecting
               : word == "write_stall" ? &t.write_stall
               : word == "linger"      ? &t.linger
                                       : nullptr;
    if (!to || eq == a[i].size() || std::count(given.begin(), given.end(), to)) bad(i, how);
    given.push_back(to);
    *to = about(i, [&] { return internal::parse_duration(std::string_view(a[i]).substr(eq + 1)); });
  }
  return about(0, [&] { return tcp(a[0], t); });
}
any_stack make_lines(const arguments& a) {
  constexpr std::string_view how = "lines needs lf, crlf or either, like lines(crlf) or "
                                   "lines(crlf,8192)";
  count(a, 1, 2, how);
  if (a[0] != "lf" && a[0] != "crlf" && a[0] != "either") bad(how);
  const auto longest = limit(a, 1, framing::lines::usual_length);
  const auto end = a[0] == "lf" ? line_end::lf : a[0] == "crlf" ? line_end::crlf : line_end::either;
  return about(1, [&] { return lines(end, longest); });
}
any_stack make_netstring(const arguments& a) {
  count(a, 0, 1, "netstring has at most a limit in bytes, like netstring(65536)");
  return netstring(limit(a, 0, usual));
}
any_stack make_length_prefix(const arguments& a) {
  count(a, 1, 3,
        "length_prefix needs a width in bytes, like length_prefix(4) or "
        "length_prefix(4,little,65536)");
  const auto width = number(a, 0, "width in bytes");
  if (width > 8) bad("the width is 1, 2, 4 or 8 bytes");
  std::size_t at = 1;
  auto order = byte_order::big;
  if (a.size() > at && (a[at] == "big" || a[at] == "little"))
    order = a[at++] == "big" ? byte_order::big : byte_order::little;
  if (a.size() > at + 1) bad(at, "behind the width stand big or little, then a limit in bytes");
  about(0, [&] { return length_prefix(unsigned(width)); });
  const auto largest = limit(a, at, usual);
  return about(at, [&] { return length_prefix(unsigned(width), order, largest); });
}
any_stack make_delimiter(const arguments& a) {
  count(a, 1, 2, "delimiter needs its bytes in hexadecimal, like delimiter(0d0a)");
  std::string end;
  if (a[0].size() % 2) bad("a byte has two hexadecimal digits");
  for (std::size_t i = 0; i < a[0].size(); i += 2) {
    const int high = digit(a[0][i]), low = digit(a[0][i + 1]);
    if (high < 0 || low < 0) bad("a byte has two hexadecimal digits, 0-9 and a-f");
    end += char(high * 16 + low);
  }
  about(0, [&] { return delimiter(end); });
  const auto largest = limit(a, 1, usual);
  return about(1, [&] { return delimiter(end, largest); });
}
any_stack make_fixed(const arguments& a) {
  count(a, 1, 1, "fixed needs a size in bytes, like fixed(188)");
  return fixed(number(a, 0, "size in bytes"));
}

any_stack make_idle(const arguments& a) {
  constexpr std::string_view how = "idle needs read, write or all, like idle(read=30s) or "
                                   "idle(read=30s,all=5m,frames)";
  idle_limits l;
  bool frames = false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto& x = a[i];
    const auto eq = x.find('=');
    const std::string_view word(x.data(), std::min(eq, x.size()));
    auto* to = word == "read"    ? &l.read
               : word == "write" ? &l.write
               : word == "all"   ? &l.all
                                 : nullptr;
    if (eq == x.npos && word == "frames" && &x == &a.back())
      frames = true;
    else if (eq == x.npos || !to || *to != no_limit)
      bad(i, how);
    else
      about(i, [&] {
        *to = internal::parse_duration(std::string_view(x).substr(eq + 1));
        return detail::idle_part({.read = *to}, speech::octets); // is it a limit of idle?
      });
  }
  if (a.size() == std::size_t(frames)) bad(how);
  return detail::idle_part(l, frames ? speech::frames : speech::octets);
}

any_stack make_tap(arguments a) {
  count(a, 1, 3,
        "tap needs the path of a file, like tap(/tmp/talk.tap) or tap(a.tap,65536,frames)");
  const bool frames = a.size() > 1 && a.back() == "frames";
  if (frames) a.pop_back();
  if (a.size() > 2) bad(2, "behind the path stand a limit in bytes, then frames");
  tap_options o;
  const auto passes = frames ? speech::frames : speech::octets;
  about(0, [&] { return detail::tap_part(a[0], {}, passes); });
  if (a.size() == 2) o.most_bytes = number(a, 1, "limit in bytes");
  return about(1, [&] { return detail::tap_part(a[0], o, passes); });
}

arguments split(std::string_view text) {
  arguments a;
  for (;;) {
    const auto comma = text.find(',');
    a.emplace_back(text.substr(0, comma));
    if (comma == text.npos) return a;
    text.remove_prefix(comma + 1);
  }
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 32 || c == 127; }

std::string sentence(std::string_view text, std::size_t column, const std::string& why) {
  std::string shown(text);
  std::replace_if(shown.begin(), shown.end(), is_control, '?'); // NUL would end the sentence
  return "column " + std::to_string(column) + " of '" + shown + "': " + why;
}

} // namespace

stack_text_error::stack_text_error(std::string_view text, std::size_t column,
                                   const std::string& why)
    : invalid_argument(sentence(text, column, why)), column_(column) {}

stack_words::stack_words() {
  add("tcp", make_tcp);
  add("lines", make_lines);
  add("netstring", make_netstring);
  add("length_prefix", make_length_prefix);
  add("delimiter", make_delimiter);
  add("fixed", make_fixed);
  add("idle", make_idle);
  add("tap", make_tap);
}

void stack_words::add(std::string name, maker m) {
  if (name.empty() || !std::all_of(name.begin(), name.end(), is_word))
    bad("a word of a stack has the letters a-z, digits and '_'");
  for (auto& w : words_)
    if (w.first == name) bad("there is a word '" + name + "' already");
  words_.emplace_back(std::move(name), std::move(m));
}

any_stack stack_words::parse(std::string_view text) const {
  any_stack s;
  std::size_t at = 0;
  const auto fail = [&](std::size_t where, const std::string& why) {
    throw stack_text_error(text, where + 1, why);
  };
  const auto odd = std::find_if(text.begin(), text.end(), is_control);
  if (odd != text.end())
    fail(std::size_t(odd - text.begin()), "a control character cannot stand in a stack's text");
  for (;;) {
    const auto begin = at;
    while (at < text.size() && is_word(text[at])) ++at;
    const auto name = text.substr(begin, at - begin);
    if (name.empty()) fail(begin, "the name of a layer is missing");
    const auto w =
        std::find_if(words_.begin(), words_.end(), [&](const auto& x) { return x.first == name; });
    if (w == words_.end()) {
      std::string known;
      for (auto& x : words_) known += (known.empty() ? "" : ", ") + x.first;
      fail(begin, "there is no layer '" + std::string(name) + "'; there are " + known);
    }
    arguments args;
    auto args_at = begin;
    if (at < text.size() && text[at] == '(') {
      args_at = at + 1;
      const auto close = text.find(')', args_at);
      if (close == text.npos) fail(at, "this parenthesis is not closed");
      args = split(text.substr(args_at, close - args_at));
      at = close + 1;
    }
    any_stack one;
    try {
      one = w->second(args);
    } catch (const stack_argument_error& e) {
      for (std::size_t i = 0; i < std::min(e.which(), args.size()); ++i)
        args_at += args[i].size() + 1; // a comma
      fail(std::min(args_at, text.size()), e.what());
    } catch (const std::invalid_argument& e) {
      fail(args_at, e.what());
    }
    try {
      s = s.on_top(one);
    } catch (const std::invalid_argument& e) {
      fail(begin, e.what());
    }
    if (at == text.size()) return s;
    if (text[at] != '/') fail(at, "a '/' or the end is expected here");
    ++at;
  }
}

any_stack parse_stack(std::string_view text) { return stack_words().parse(text); }

} // namespace creche
