// tls_session.hpp: two engines that talk with each other, in pieces of any size.
#pragma once

#include "protocols/tls/engine.hpp"
#include "tests/protocols/tls_certificates.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace creche::testing {

/// One side: what came for it, what it got out of that, and what it has to say to the other.
class tls_side {
public:
  template <class... Args>
  explicit tls_side(Args&&... args) : engine(std::forward<Args>(args)...) {}

  /// Shows what came, at most `piece` bytes at a time, and lets it answer; true if something moved.
  bool turn(std::size_t piece = std::size_t(-1), std::size_t out_room = 65536) {
    std::vector<std::byte> plain(tls_protocol::engine::most_plain), out(out_room);
    bool moved = false;
    for (;;) {
      const auto shown = std::min(piece, came.size());
      const auto step = engine.next(std::as_bytes(std::span(came.data(), shown)), plain, out);
      came.erase(0, step.used);
      says.append(reinterpret_cast<const char*>(out.data()), step.written);
      got.append(reinterpret_cast<const char*>(plain.data()), step.plain);
      last = step.what;
      moved = moved || step.used || step.written || step.plain;
      using tls_protocol::event;
      if (step.what == event::failed || step.what == event::ended) return moved;
      if (step.what == event::need_more && came.empty()) return moved;
      if (step.what == event::need_more && step.used == 0 && step.written == 0) return moved;
    }
  }
  void write(std::string_view text) {
    std::vector<std::byte> out(tls_protocol::engine::most_record);
    while (!text.empty()) {
      const auto step = engine.write(std::as_bytes(std::span(text.data(), text.size())), out);
      last = step.what;
      if (step.what == tls_protocol::event::failed || step.used == 0) return;
      text.remove_prefix(step.used);
      says.append(reinterpret_cast<const char*>(out.data()), step.written);
    }
  }
  void end() {
    std::vector<std::byte> out(tls_protocol::engine::most_record);
    const auto step = engine.end(out);
    says.append(reinterpret_cast<const char*>(out.data()), step.written);
  }

  tls_protocol::engine engine;
  std::string came, got, says;
  tls_protocol::event last = tls_protocol::event::need_more;
};

/// Until nobody has anything to say.
inline void talk(tls_side& client, tls_side& server, std::size_t piece = std::size_t(-1),
                 std::size_t room = 65536) {
  for (int rounds = 0; rounds < 100'000; ++rounds) {
    const bool one = client.turn(piece, room);
    server.came += std::exchange(client.says, {});
    const bool two = server.turn(piece, room);
    client.came += std::exchange(server.says, {});
    if (!one && !two) return;
  }
}

} // namespace creche::testing
