// Fuzz target: bytes from a hostile peer into every framer.
//
// The first byte says which one, with which limit, and the second seeds where the rest is cut; the
// rest must give the same frames whole, byte by byte and cut at random, and never break the
// contract that framing_session checks. A violation is an uncaught std::logic_error.

#include "tests/protocols/framing_session.hpp"

#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>

namespace {

using namespace creche;
using namespace creche::framing;

template <framer Core> void check(std::string_view wire, unsigned seed, const Core& c) {
  const auto after = [](auto& core, std::string_view frame) {
    if constexpr (requires { core.raw(1); })
      if (frame.size() == 2) core.raw(std::uint8_t(frame[0]));
  };
  const auto make = [&] { return tests::framing_session<Core>(c, after); };
  std::mt19937 random(seed);
  const auto whole = tests::feed_pieces(make(), wire, [&](std::size_t) { return wire.size(); });
  const auto bytes = tests::feed_pieces(make(), wire, [](std::size_t at) { return at + 1; });
  const auto cut =
      tests::feed_pieces(make(), wire, [&](std::size_t at) { return at + 1 + random() % 13; });
  for (auto* other : {&bytes, &cut})
    tests::require(other->log == whole.log && other->left == whole.left,
                   other->log + "instead of\n" + whole.log);
}

} // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  const std::string_view wire(reinterpret_cast<const char*>(data) + 2, size - 2);
  const unsigned seed = data[1], kind = data[0] % 16;
  const framing::limits l{.frame = data[0] < 128 ? 7u : 4096u, .empty_in_a_row = 3};
  static constexpr unsigned widths[] = {1, 2, 4, 8};
  if (kind < 3) return check(wire, seed, lines(line_end(kind), l)), 0;
  if (kind < 5) return check(wire, seed, netstring(l)), 0;
  if (kind < 13)
    return check(wire, seed, length_prefix(widths[kind % 4], byte_order(kind % 2), l)), 0;
  if (kind < 15) return check(wire, seed, delimiter(kind == 13 ? "--" : "aab", l)), 0;
  return check(wire, seed, fixed(1 + l.frame % 13)), 0;
}
