// http1_mutations.hpp: random requests, and the check that how bytes are split changes nothing.
//
// The same seed gives the same requests. Throws std::logic_error; needs no test framework.
// One thread.
#pragma once

#include "tests/protocols/http1_session.hpp"

#include <array>
#include <random>

namespace creche::tests {

/// Limits small enough for a small input to reach each of them.
inline http1::limits small_limits() {
  http1::limits l;
  l.request_line = 64;
  l.header_block = 160;
  l.fields = 6;
  l.chunk_extension = 8;
  l.chunk_extensions = 12;
  l.trailers = 24;
  l.requests = 4;
  l.body = 24;
  return l;
}

/// Runs `wire` whole, byte by byte and cut at random: the logs must agree. Both with the usual
/// limits and with small ones.
inline void check_splits(std::string_view wire, unsigned long seed) {
  for (const auto& l : {http1::limits{}, small_limits()}) {
    std::minstd_rand random(static_cast<std::minstd_rand::result_type>(seed));
    const auto run = [&](auto cut) { return feed_pieces(http1_session(l), wire, cut); };
    const auto whole = run([&](std::size_t) { return wire.size(); });
    const auto bytes = run([](std::size_t at) { return at + 1; });
    const auto cuts = run([&](std::size_t at) { return at + 1 + random() % 40; });
    require(bytes.log == whole.log, "byte by byte:\n" + bytes.log + "whole:\n" + whole.log);
    require(cuts.log == whole.log, "cut at random:\n" + cuts.log + "whole:\n" + whole.log);
    require(cuts.left == whole.left && bytes.left == whole.left, "other bytes are left");
  }
}

class mutations {
public:
  /// `everyday`: without CONNECT and the asterisk form, which many servers do not serve.
  explicit mutations(unsigned long seed, bool everyday = false)
      : random_(seed), kinds_(everyday ? 4 : samples.size()) {}

  unsigned long number() { return random_(); }

  /// One to three requests with up to four mistakes in them.
  std::string next() {
    std::string wire;
    for (auto n = 1 + below(3); n > 0; --n) wire += samples[below(kinds_)];
    for (auto n = below(5); n > 0 && !wire.empty(); --n) mutate(wire);
    return wire;
  }

private:
  std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }

  void mutate(std::string& wire) {
    const auto at = below(wire.size());
    switch (below(6)) {
    case 0: wire[at] = static_cast<char>(below(256)); break;
    case 1: wire.erase(at, 1 + below(4)); break;
    case 2: wire.insert(at, pieces[below(pieces.size())]); break;
    case 3: wire.insert(at, wire.substr(below(wire.size()), below(40))); break;
    case 4: wire[at] = marks[below(marks.size())]; break;
    default: wire.resize(at); break;
    }
  }

  static constexpr std::string_view marks = "\r\n :;,\t0f/\x80";
  static constexpr std::array<std::string_view, 6> samples = {
      "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
      "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
      "PUT /y HTTP/1.1\r\nHost: b:1\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n5;x=y\r\nhello\r\n0\r\nT: 1\r\n\r\n",
      "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
      "\r\nOPTIONS * HTTP/1.1\r\nHost: [::1]\r\nX: \t y z \r\n\r\n",
      "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"};
  static constexpr std::array<std::string_view, 12> pieces = {"\r\n",
                                                              "\n",
                                                              "\r",
                                                              "Content-Length: 7\r\n",
                                                              "Transfer-Encoding: chunked\r\n",
                                                              "Host: c\r\n",
                                                              " ",
                                                              "aaaaaaaaaaaaaaaa",
                                                              "0\r\n\r\n",
                                                              "Expect: x\r\n",
                                                              "ffffffffffffffff",
                                                              "X: 1\r\n"};

  std::mt19937_64 random_;
  std::size_t kinds_;
};

} // namespace creche::tests
