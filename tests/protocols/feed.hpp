// feed.hpp: runs the same bytes through a sans-IO core in many pieces and wants one answer.
//
// A Session wraps a core: `std::size_t read(std::span<const std::byte> in)` uses what it can off
// the front of `in`, writes what it learned to `log`, and counts complete messages in `ends`; it
// stops reading when `ends == stop_after`; a log that stops at a message's end ends with "end\n".
// Whole, byte by byte, at every two-way split, and with bytes behind that must stay untouched, the
// log has to be the same. Throws std::logic_error where it is not; needs no test framework. One
// thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace creche::tests {

inline void require(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error(what);
}

/// What a session wrote, and the bytes it did not use.
struct fed {
  std::string log;
  std::string left;
  std::size_t ends = 0;
};

/// Feeds `wire` in pieces; `next_cut(at)` is where the piece that begins at `at` ends. Unused bytes
/// are presented again with the next piece, in a block of their own that ASan guards.
template <class Session, class Cut>
fed feed_pieces(Session s, std::string_view wire, Cut next_cut) {
  std::string kept;
  for (std::size_t at = 0; at < wire.size();) {
    const auto cut = std::clamp(next_cut(at), at + 1, wire.size());
    kept += wire.substr(at, cut - at);
    at = cut;
    const auto block = std::make_unique<std::byte[]>(kept.size());
    std::memcpy(block.get(), kept.data(), kept.size());
    const auto used = s.read(std::span<const std::byte>{block.get(), kept.size()});
    require(used <= kept.size(), "used more than there was");
    kept.erase(0, used);
  }
  return {s.finish(), kept, s.ends};
}

/// Feeds `wire` to sessions made by `make()` in all the ways; returns the log they agree on.
template <class Make> std::string feed(std::string_view wire, Make make) {
  constexpr std::size_t small = 1024; // larger ones are cut at their ends and at a sample
  const auto all = [&](std::size_t) { return wire.size(); };
  const auto whole = feed_pieces(make(), wire, all);
  const auto same = [&](const fed& other, const std::string& how) {
    require(other.log == whole.log && other.left == whole.left && other.ends == whole.ends,
            how + " gives\n" + other.log + "instead of\n" + whole.log);
  };
  const std::size_t piece = wire.size() <= small ? 1 : 61;
  same(feed_pieces(make(), wire, [&](std::size_t at) { return at + piece; }), "byte by byte");
  const std::size_t stride = wire.size() <= small ? 1 : wire.size() / 64;
  for (std::size_t cut = 1; cut < wire.size();) {
    same(feed_pieces(make(), wire, [&](std::size_t at) { return at < cut ? cut : wire.size(); }),
         "split at " + std::to_string(cut));
    cut += cut < 32 || cut + 64 > wire.size() ? 1 : stride;
  }
  if (whole.left.empty() && whole.log.ends_with("end\n")) {
    static constexpr std::string_view behind{"\0\r\n\x80GET behind", 14};
    auto session = make();
    session.stop_after = whole.ends;
    const auto longer = std::string{wire} + std::string{behind};
    const auto with = feed_pieces(session, longer, [&](std::size_t) { return longer.size(); });
    if (with.ends == whole.ends && with.log == whole.log)
      require(std::string_view{with.left}.ends_with(behind),
              "bytes behind the message were touched");
    else
      require(false, "bytes behind the message change it to\n" + with.log);
  }
  return whole.log;
}

} // namespace creche::tests
