// Two engines talk, and the input says what happens to their bytes on the way: cut, changed,
// dropped, doubled, with bytes of its own in between. Whatever comes, an engine takes no more than
// it was shown, gives no more than there is room for, says a failure again, and a plain byte comes
// out only if the other side has written it, in its order.
//
// OpenSSL's random bytes are a sequence that begins anew with every input: the same input does the
// same again, and what an input changes in a flight is always the same byte of the handshake. How
// many inputs finish a handshake is printed at the end.
#include "tests/protocols/tls_session.hpp"

#include <openssl/rand.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

using namespace creche;
using namespace creche::testing;
using namespace creche::tls_protocol;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

std::uint64_t sequence = 0; // splitmix64

int next_bytes(unsigned char* to, int n) {
  for (int i = 0; i < n; ++i) {
    std::uint64_t x = sequence += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    to[i] = static_cast<unsigned char>(x >> 56);
  }
  return 1;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" // a provider would say the same in pages
void fix_random_bytes() {
  static const RAND_METHOD fixed{nullptr, next_bytes, nullptr,
                                 nullptr, next_bytes, [] { return 1; }};
  must(RAND_set_rand_method(&fixed) == 1);
}
#pragma GCC diagnostic pop

struct handshakes {
  std::uint64_t inputs = 0, finished = 0;
  ~handshakes() {
    std::fprintf(stderr, "a handshake was finished on both sides in %llu of %llu inputs\n",
                 static_cast<unsigned long long>(finished),
                 static_cast<unsigned long long>(inputs));
  }
} counted_handshakes;

const certified_server& certificates() {
  static const certified_server made;
  return made;
}

const context& serving() {
  static const context made([] {
    server_settings settings;
    settings.identities = {certificates().server.shown()};
    settings.alpn = {"http/1.1"};
    settings.tickets = [keys = std::make_shared<const ticket_keys>()] { return keys; };
    return settings;
  }());
  return made;
}

const context& asking() {
  static const context made([] {
    client_settings settings;
    settings.servers = {.system = false, .authorities = certificates().authority.certificate()};
    settings.alpn = {"http/1.1"};
    return settings;
  }());
  return made;
}

/// The input, a byte at a time; zeros behind its end.
struct choices {
  std::string_view left;
  std::uint8_t next() {
    if (left.empty()) return 0;
    const auto first = std::uint8_t(left.front());
    left.remove_prefix(1);
    return first;
  }
  std::string some(std::size_t most) {
    const auto taken = left.substr(0, most);
    left.remove_prefix(taken.size());
    return std::string(taken);
  }
};

// What happens to a flight on its way.
void spoil(std::string& flight, choices& how) {
  const auto what = how.next() % 8;
  const std::size_t at = flight.empty() ? 0 : (how.next() * 256u + how.next()) % flight.size();
  switch (what) {
  case 1:
    if (!flight.empty()) flight[at] = char(flight[at] ^ (how.next() | 1));
    break;
  case 2: flight.erase(at, how.next()); break;
  case 3: flight.insert(at, how.some(how.next())); break;
  case 4: flight.insert(at, flight.substr(at, how.next())); break;
  case 5: flight = how.some(how.next()); break;
  default: break; // most are left alone: else no handshake is ever done
  }
}

void write_some(tls_side& side, std::string& all, choices& how) {
  if (!side.engine.can_write() || side.engine.error()) return;
  const std::string text(how.next() * 70u + 1, char('a' + how.next() % 26));
  side.write(text);
  if (side.last != event::failed) all += text;
}

} // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (counted_handshakes.inputs++ == 0) fix_random_bytes();
  (void)serving(), (void)asking(); // made by the first input, before its own random bytes
  sequence = 1;
  choices how{std::string_view(reinterpret_cast<const char*>(data), size)};
  tls_side client(asking(), "localhost"), server(serving());
  std::string to_server, to_client;
  for (int round = 0; round < 24; ++round) {
    const std::size_t piece = how.next() % 4 ? std::size_t(-1) : how.next() + 1u;
    client.turn(piece);
    if (how.next() % 4 == 1) write_some(client, to_server, how);
    if (how.next() % 16 == 1) client.engine.update_keys(how.next() % 2);
    if (how.next() % 32 == 1 && client.engine.is_established()) client.end();
    auto flight = std::exchange(client.says, {});
    spoil(flight, how);
    server.came += flight;
    server.turn(piece);
    if (how.next() % 4 == 1) write_some(server, to_client, how);
    flight = std::exchange(server.says, {});
    spoil(flight, how);
    client.came += flight;
  }
  counted_handshakes.finished += client.engine.is_established() && server.engine.is_established();
  must(to_server.starts_with(server.got));
  must(to_client.starts_with(client.got));
  for (auto* side : {&client, &server})
    if (side->engine.error()) {
      side->turn();
      must(side->last == event::failed);
    }
  if (server.engine.is_established()) server.engine.facts();
  return 0;
}
