#include "actors/layers/framers.hpp"

#include "actors/layers/framing_layer.hpp"
#include "actors/stack/internal/text_arguments.hpp"

namespace creche {

namespace {

using namespace internal;

constexpr std::size_t usual = framing::limits{}.frame;

struct raw_hook {
  std::uint64_t (*raw_after)(std::string_view);
  void operator()(framing::lines& core, std::string_view line) const { core.raw(raw_after(line)); }
};

// "word(a,b)", without what is as usual
std::string text_of(std::string_view word, const text_arguments& args) {
  std::string s(word);
  if (args.empty()) return s;
  for (auto& a : args) (s += &a == &args.front() ? '(' : ',') += a;
  return s + ')';
}

std::string text_of(line_end end) {
  return end == line_end::lf ? "lf" : end == line_end::crlf ? "crlf" : "either";
}

template <class Core>
stack_of<octets, frames> framed(const char* word, const text_arguments& args, const Core& core) {
  return layered_as<core_layer<Core>>(text_of(word, args), word, core);
}

// ---- from text

int digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

any_stack make_lines(const text_arguments& args) {
  constexpr std::string_view how = "lines needs lf, crlf or either, like lines(crlf) or "
                                   "lines(crlf,8192)";
  expect_count(args, 1, 2, how);
  if (args[0] != "lf" && args[0] != "crlf" && args[0] != "either") refuse_arguments(how);
  const auto longest = byte_limit(args, 1, framing::lines::usual_length);
  const auto end = args[0] == "lf"     ? line_end::lf
                   : args[0] == "crlf" ? line_end::crlf
                                       : line_end::either;
  return about_argument(1, [&] { return lines(end, longest); });
}
any_stack make_netstring(const text_arguments& args) {
  expect_count(args, 0, 1, "netstring has at most a limit in bytes, like netstring(65536)");
  return netstring(byte_limit(args, 0, usual));
}
any_stack make_length_prefix(const text_arguments& args) {
  expect_count(args, 1, 3,
               "length_prefix needs a width in bytes, like length_prefix(4) or "
               "length_prefix(4,little,65536)");
  const auto width = number_of(args, 0, "width in bytes");
  if (width > 8) refuse_arguments("the width is 1, 2, 4 or 8 bytes");
  std::size_t at = 1;
  auto order = byte_order::big;
  if (args.size() > at && (args[at] == "big" || args[at] == "little"))
    order = args[at++] == "big" ? byte_order::big : byte_order::little;
  if (args.size() > at + 1)
    refuse_argument(at, "behind the width stand big or little, then a limit in bytes");
  about_argument(0, [&] { return length_prefix(unsigned(width)); });
  const auto largest = byte_limit(args, at, usual);
  return about_argument(at, [&] { return length_prefix(unsigned(width), order, largest); });
}
any_stack make_delimiter(const text_arguments& args) {
  expect_count(args, 1, 2, "delimiter needs its bytes in hexadecimal, like delimiter(0d0a)");
  std::string end;
  if (args[0].size() % 2) refuse_arguments("a byte has two hexadecimal digits");
  for (std::size_t i = 0; i < args[0].size(); i += 2) {
    const int high = digit(args[0][i]), low = digit(args[0][i + 1]);
    if (high < 0 || low < 0) refuse_arguments("a byte has two hexadecimal digits, 0-9 and a-f");
    end += char(high * 16 + low);
  }
  about_argument(0, [&] { return delimiter(end); });
  const auto largest = byte_limit(args, 1, usual);
  return about_argument(1, [&] { return delimiter(end, largest); });
}
any_stack make_fixed(const text_arguments& args) {
  expect_count(args, 1, 1, "fixed needs a size in bytes, like fixed(188)");
  return fixed(number_of(args, 0, "size in bytes"));
}

} // namespace

stack_of<octets, frames> lines(line_end end, std::size_t longest) {
  std::vector<std::string> args{text_of(end)};
  if (longest != framing::lines::usual_length) args.push_back(std::to_string(longest));
  return framed("lines", args, framing::lines(end, {.frame = longest}));
}
stack_of<octets, frames> lines(line_end end, std::size_t longest,
                               std::uint64_t (*raw_after)(std::string_view line)) {
  const framing::lines core(end, {.frame = longest});
  return layered_as<core_layer<framing::lines, raw_hook>>(
      std::string(), static_cast<const char*>("lines"), core, raw_hook{raw_after});
}
stack_of<octets, frames> netstring(std::size_t largest) {
  std::vector<std::string> args;
  if (largest != usual) args.push_back(std::to_string(largest));
  return framed("netstring", args, framing::netstring({.frame = largest}));
}
stack_of<octets, frames> length_prefix(unsigned width, byte_order order, std::size_t largest) {
  std::vector<std::string> args{std::to_string(width)};
  if (order == byte_order::little) args.emplace_back("little");
  if (largest != usual) args.push_back(std::to_string(largest));
  return framed("length_prefix", args, framing::length_prefix(width, order, {.frame = largest}));
}
stack_of<octets, frames> delimiter(std::string_view end, std::size_t largest) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string hex; // any byte may stand in it
  for (const char c : end) {
    const auto b = static_cast<unsigned char>(c);
    (hex += digits[b >> 4]) += digits[b & 15];
  }
  std::vector<std::string> args{hex};
  if (largest != usual) args.push_back(std::to_string(largest));
  return framed("delimiter", args, framing::delimiter(end, {.frame = largest}));
}
stack_of<octets, frames> fixed(std::size_t size) {
  return framed("fixed", {std::to_string(size)}, framing::fixed(size));
}

void add_framer_words(stack_words& words) {
  words.add("lines", make_lines);
  words.add("netstring", make_netstring);
  words.add("length_prefix", make_length_prefix);
  words.add("delimiter", make_delimiter);
  words.add("fixed", make_fixed);
}

} // namespace creche
