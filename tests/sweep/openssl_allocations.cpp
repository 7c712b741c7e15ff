// What OpenSSL allocates for connections and contexts is given back: counted by its own hooks,
// which must be set before it allocates anything, so this is a program of its own. Prints what is
// wrong and fails; usage: openssl_allocations
#include "protocols/tls/self_signed.hpp"
#include "tests/protocols/tls_session.hpp"

#include <openssl/crypto.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <system_error>

using namespace creche;
using namespace creche::testing;
using namespace creche::tls_protocol;

namespace {

std::atomic<long> blocks{0}, allocations{0};

void* take(std::size_t size, const char*, int) {
  void* const block = std::malloc(size);
  blocks += block != nullptr;
  ++allocations;
  return block;
}
void give_back(void* block, const char*, int) {
  blocks -= block != nullptr;
  std::free(block);
}
void* change(void* block, std::size_t size, const char* file, int line) {
  if (!block) return take(size, file, line);
  if (size == 0) return give_back(block, file, line), nullptr;
  return std::realloc(block, size);
}

void must(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "openssl_allocations: not so: %s\n", what);
  std::exit(1);
}

// Made before all else, so it goes last: behind OpenSSL's own end and the statics of creche.
struct last_look {
  last_look() {
    must(CRYPTO_set_mem_functions(take, change, give_back) == 1, "the hooks were set in time");
  }
  ~last_look() {
    std::printf("at the end %ld blocks of %ld allocations\n", blocks.load(), allocations.load());
    std::fflush(stdout);
    if (blocks == 0) return;
    std::fprintf(stderr, "openssl_allocations: not so: nothing is left\n");
    std::_Exit(1);
  }
} const at_the_end;

struct sides {
  const certified_server made;
  server_settings serving() const {
    server_settings settings;
    settings.identities = {made.server.shown()};
    settings.alpn = {"http/1.1"};
    settings.tickets = [keys = std::make_shared<const ticket_keys>()] { return keys; };
    return settings;
  }
  client_settings asking() const {
    client_settings settings;
    settings.servers = {.system = false, .authorities = made.authority.certificate()};
    settings.alpn = {"http/1.1"};
    return settings;
  }
};

// ---- what connections go through

void good_ones(const sides& s) {
  const context server(s.serving()), client(s.asking());
  session kept;
  for (int i = 0; i < 3; ++i) {
    tls_side asks(client, "localhost", kept), serves(server);
    talk(asks, serves);
    must(asks.engine.facts().resumed == (i > 0), "a ticket resumes");
    asks.write(std::string(100'000, 'x'));
    serves.write(std::string(100'000, 'y'));
    talk(asks, serves);
    asks.engine.update_keys(true);
    asks.write("more");
    talk(asks, serves);
    must(asks.got.size() == 100'000 && serves.got.size() == 100'004, "all came");
    kept = asks.engine.new_session();
    if (i == 1) asks.end(), talk(asks, serves);
  }
}

void client_certificates(const sides& s) {
  auto settings = s.serving();
  settings.clients = client_certificate::required;
  settings.client_trust.authorities = s.made.authority.certificate();
  const certified user(certificate_wishes{.usage = "clientAuth"}, s.made.authority);
  auto asking = s.asking();
  asking.identities = {user.shown()};
  const context server(std::move(settings)), client(std::move(asking)), without(s.asking());
  tls_side asks(client, "localhost"), serves(server), none(without, "localhost"), refuses(server);
  talk(asks, serves);
  must(serves.engine.is_established(), "a client's certificate is accepted");
  must(serves.engine.facts().peer_verified, "and known");
  talk(none, refuses);
  must(bool(refuses.engine.error()), "no certificate is refused");
}

void refused_ones(const sides& s) {
  const context server(s.serving()), client(s.asking());
  client_settings believes_nobody;
  believes_nobody.servers.system = false;
  believes_nobody.servers.authorities =
      certified(certificate_wishes{.authority = true}).certificate();
  const context stranger(std::move(believes_nobody));
  for (const auto& [who, name] :
       {std::pair(&client, "elsewhere"), std::pair(&stranger, "localhost")}) {
    tls_side asks(*who, name), serves(server);
    talk(asks, serves);
    must(bool(asks.engine.error()) && bool(serves.engine.error()), "it is refused, and told so");
  }
  tls_side http(server);
  http.came = "GET / HTTP/1.1\r\n\r\n";
  http.turn();
  must(bool(http.engine.error()), "HTTP is refused");
  auto settings = s.serving();
  settings.alpn = {"h2"};
  const context other(std::move(settings));
  tls_side asks(client, "localhost"), serves(other);
  talk(asks, serves);
  must(bool(asks.engine.error()), "no protocol in common");
}

void broken_off(const sides& s) {
  const context server(s.serving()), client(s.asking());
  for (std::size_t after = 0; after < 3000; after += 97) { // bytes of the server's first flight
    tls_side asks(client, "localhost"), serves(server);
    asks.turn();
    serves.came = std::exchange(asks.says, {});
    serves.turn();
    asks.came = serves.says.substr(0, after);
    if (after % 2 && !asks.came.empty()) asks.came.back() = char(~asks.came.back());
    asks.turn();
  }
}

void bad_keys(const sides& s) {
  for (auto shown : {identity{s.made.server.certificate(), "no key", "here"},
                     identity{"no certificate", s.made.server.key(), "here"},
                     identity{s.made.server.certificate(), s.made.authority.key(), "here"}}) {
    server_settings settings;
    settings.identities = {std::move(shown)};
    bool refused = false;
    try {
      const context none(std::move(settings));
    } catch (const std::exception&) {
      refused = true;
    }
    must(refused, "what cannot be used is refused");
  }
  must(!self_signed({"localhost"}).key.empty(), "one is made");
}

} // namespace

int main() {
  const struct {
    const char* name;
    void (*play)(const sides&);
  } plays[] = {{"good connections", good_ones},
               {"certificates of clients", client_certificates},
               {"refused connections", refused_ones},
               {"connections that break off", broken_off},
               {"bad keys", bad_keys}};
  const sides s;
  for (const auto& [name, play] : plays) {
    play(s); // what OpenSSL keeps for the whole process
    const long before = blocks;
    for (int i = 0; i < 3; ++i) play(s);
    std::printf("%s: %ld blocks before, %ld after\n", name, before, blocks.load());
    must(blocks == before, "what a connection takes is given back");
  }
}
