// script_text.cpp: a script as text, and read again:
//
//   lockstep, all at once; connect; feed "a\000" x 300; feed "b", 2 times; take 5; 3 turns; close
//
// Bytes are escaped as in C, with three octal digits, so that nothing behind one is part of it.
#include "actors/testing/internal/layer_script.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

namespace creche::testing::detail {

namespace {

struct word_of {
  act what;
  const char* before; // of its bytes, or its number
  const char* behind;
  bool bytes = false, number = false;
};
constexpr word_of words[] = {
    {act::connect, "connect", ""},
    {act::feed, "feed ", "", true},
    {act::eof, "eof", ""},
    {act::reset, "reset", ""},
    {act::fail, "the transport fails", ""},
    {act::take, "take ", "", false, true},
    {act::hold, "hold after ", " more", false, true},
    {act::release, "release", ""},
    {act::crash, "crash after ", " more", false, true},
    {act::crash_now, "crash", ""},
    {act::write, "write ", "", true},
    {act::pour, "pour ", "", true},
    {act::finish, "finish", ""},
    {act::close, "close", ""},
    {act::abort, "abort", ""},
    {act::cancel, "cancel", ""},
    {act::drain, "drain", ""},
    {act::turns, "", " turns", false, true},
    {act::hour, "an hour passes", ""},
    {act::again, "restart", ""},
};
constexpr std::string_view take_all = "the peer takes all";

/// How many bytes repeat until the end; all of them if they do not.
std::size_t period_of(std::string_view text) {
  std::vector<std::size_t> borders(text.size() + 1, 0); // of each beginning: the longest
  for (std::size_t i = 1, k = 0; i < text.size(); ++i) {
    while (k && text[i] != text[k]) k = borders[k];
    if (text[i] == text[k]) ++k;
    borders[i + 1] = k;
  }
  const auto period = text.size() - borders[text.size()];
  return period && text.size() % period == 0 ? period : text.size();
}

std::string bytes_text(std::string_view bytes) {
  constexpr std::size_t short_enough = 64;
  const auto period = bytes.size() > short_enough ? period_of(bytes) : bytes.size();
  if (period == bytes.size()) return quoted(bytes);
  return quoted(bytes.substr(0, period)) + " x " + std::to_string(bytes.size() / period);
}

std::string text_of(const step& one) {
  if (one.what == act::take && one.n == memory_wire::no_end) return std::string(take_all);
  for (const auto& word : words) {
    if (word.what != one.what) continue;
    std::string text = word.before;
    if (word.bytes) text += bytes_text(one.bytes);
    if (word.number) text += std::to_string(one.n);
    if (one.what == act::pour) text += ", " + std::to_string(one.n) + " times";
    return text + word.behind;
  }
  return "?";
}

bool same(const step& one, const step& b) noexcept {
  return one.what == b.what && one.n == b.n && one.bytes == b.bytes;
}

/// Reads a script from its beginning to its end.
class reader {
public:
  explicit reader(std::string_view text) : text_(text) {}
  script read() {
    script all;
    all.lockstep = skip("lockstep");
    if (!all.lockstep && !skip("memory")) fail("'memory' or 'lockstep'");
    all.burst = skip(", all at once");
    while (at_ < text_.size()) {
      if (!skip("; ")) fail("'; ' or the end");
      read_step(all.steps);
    }
    return all;
  }

private:
  void read_step(std::vector<step>& to) {
    if (skip(take_all)) return to.push_back({act::take, {}, memory_wire::no_end});
    const auto begin = at_;
    for (const auto& word : words) {
      at_ = begin;
      step one{word.what};
      if (!skip(word.before)) continue;
      if (word.number && !read_number(one.n)) continue;
      if (word.bytes) one.bytes = read_bytes();
      std::size_t times = 1;
      if (word.bytes && skip(", ") && !(read_number(times) && skip(" times"))) fail("'N times'");
      if (one.what == act::pour) one.n = times;
      if (!skip(word.behind) || !ends()) continue;
      to.insert(to.end(), one.what == act::pour ? 1 : times, one);
      return;
    }
    at_ = begin;
    fail("a step, like connect or feed \"a\"");
  }
  bool ends() const { return at_ == text_.size() || text_.substr(at_).starts_with("; "); }
  bool skip(std::string_view what) {
    if (!text_.substr(at_).starts_with(what)) return false;
    at_ += what.size();
    return true;
  }
  bool read_number(std::size_t& to) {
    const auto* from = text_.data() + at_;
    const auto [end, error] = std::from_chars(from, text_.data() + text_.size(), to);
    if (error != std::errc()) return false;
    at_ += std::size_t(end - from);
    return true;
  }
  std::string read_bytes() {
    std::string unit;
    if (!skip("\"")) fail("bytes between '\"'");
    while (!skip("\"")) unit += read_byte();
    std::size_t times = 1;
    if (skip(" x ") && !read_number(times)) fail("how often they are repeated");
    std::string all;
    for (; times; --times) all += unit;
    return all;
  }
  char read_byte() {
    if (at_ == text_.size()) fail("'\"' behind the bytes");
    if (!skip("\\")) return text_[at_++];
    if (skip("n")) return '\n';
    if (skip("r")) return '\r';
    if (skip("\"")) return '"';
    if (skip("\\")) return '\\';
    int value = 0;
    for (int digit = 0; digit < 3; ++digit) {
      if (at_ == text_.size() || text_[at_] < '0' || text_[at_] > '7') fail("three octal digits");
      value = value * 8 + (text_[at_++] - '0');
    }
    return char(value);
  }
  [[noreturn]] void fail(const std::string& expected) const {
    throw std::invalid_argument("column " + std::to_string(at_ + 1) +
                                " of the script: " + expected + " is expected here");
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

} // namespace

std::string quoted(std::string_view bytes) {
  std::string text = "\"";
  for (const char c : bytes) {
    const auto b = static_cast<unsigned char>(c);
    if (c == '\n')
      text += "\\n";
    else if (c == '\r')
      text += "\\r";
    else if (c == '"' || c == '\\')
      (text += '\\') += c;
    else if (b < 32 || b > 126)
      (((text += '\\') += char('0' + (b >> 6))) += char('0' + (b >> 3 & 7))) += char('0' + (b & 7));
    else
      text += c;
  }
  return text + '"';
}

std::string shown(std::string_view bytes) {
  constexpr std::size_t most = 200;
  if (bytes.size() <= most) return quoted(bytes);
  return quoted(bytes.substr(0, most)) + " and " + std::to_string(bytes.size() - most) +
         " bytes more";
}

std::string to_text(const script& all) {
  std::string text = all.lockstep ? "lockstep" : "memory";
  if (all.burst) text += ", all at once";
  for (std::size_t i = 0; i < all.steps.size();) {
    const auto& one = all.steps[i];
    std::size_t times = 1;
    if (one.what == act::feed || one.what == act::write)
      while (i + times < all.steps.size() && same(one, all.steps[i + times])) ++times;
    text += "; " + text_of(one);
    if (times > 1) text += ", " + std::to_string(times) + " times";
    i += times;
  }
  return text;
}

script parse_script(std::string_view text) { return reader(text).read(); }

std::string to_text(const std::vector<std::string>& pieces) {
  std::string text;
  for (auto& piece : pieces) text += (text.empty() ? "" : " ") + shown(piece);
  return "[" + text + "]";
}

std::string to_text(const trace& got) {
  auto text = to_text(got.up);
  text.pop_back();
  if (got.eof) text += " eof";
  if (got.over) text += " ended as " + std::string(to_text(got.how));
  return text + "]";
}

} // namespace creche::testing::detail
