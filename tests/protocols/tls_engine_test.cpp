// The engine against itself: handshakes, data, ends and what is wrong, without a socket.
#include "protocols/tls/engine.hpp"
#include "protocols/tls/self_signed.hpp"
#include "tests/protocols/tls_sealer.hpp"
#include "tests/protocols/tls_session.hpp"

#include <doctest/doctest.h>

#include <random>

using namespace creche;
using namespace creche::testing;
using namespace creche::tls_protocol;

namespace {

const certified_server& common() {
  static const certified_server made;
  return made;
}

server_settings serving(std::vector<std::string> alpn = {}) {
  server_settings settings;
  settings.identities = {common().server.shown()};
  settings.alpn = std::move(alpn);
  settings.tickets = [keys = std::make_shared<const ticket_keys>()] { return keys; };
  return settings;
}
client_settings asking(std::vector<std::string> alpn = {}) {
  client_settings settings;
  settings.servers = {.system = false, .authorities = common().authority.certificate()};
  settings.alpn = std::move(alpn);
  return settings;
}

struct pair {
  explicit pair(client_settings c = asking(), server_settings s = serving(),
                const std::string& name = "localhost", const session& earlier = {})
      : client_context(std::move(c)), server_context(std::move(s)),
        client(client_context, name, earlier), server(server_context) {}
  void talk(std::size_t piece = std::size_t(-1)) { testing::talk(client, server, piece); }
  context client_context, server_context;
  tls_side client, server;
};

// A certificate that the client does not accept.
std::error_code refusal(const certified& shown, const std::vector<const certified*>& between = {},
                        const std::string& name = "localhost",
                        client_settings settings = asking()) {
  auto s = serving();
  s.identities = {shown.shown(between)};
  pair p(std::move(settings), std::move(s), name);
  p.talk();
  if (!p.client.engine.error()) return {};
  CHECK(p.client.last == event::failed);
  CHECK(p.server.engine.error().category() == alert_category()); // it was told
  return p.client.engine.error();
}

} // namespace

TEST_CASE("P10: what is written on one side comes out on the other, in pieces of any size") {
  for (const std::size_t piece : {std::size_t(-1), std::size_t(1), std::size_t(7)}) {
    pair p;
    p.talk(piece);
    REQUIRE(p.client.engine.is_established());
    REQUIRE(p.server.engine.is_established());
    std::string large(100'000, 'x');
    for (std::size_t i = 0; i < large.size(); ++i) large[i] = char('a' + i % 26);
    p.client.write("hello");
    p.server.write(large);
    p.server.came += std::exchange(p.client.says, {});
    p.client.came += std::exchange(p.server.says, {});
    p.talk(piece);
    CHECK(p.server.got == "hello");
    CHECK(p.client.got == large);
  }
}

TEST_CASE("P10: it goes on whatever room there is for the peer's bytes") {
  for (const std::size_t room : {std::size_t(1), std::size_t(10), std::size_t(600)}) {
    pair p;
    talk(p.client, p.server, std::size_t(-1), room);
    CHECK(p.client.engine.is_established());
    CHECK(p.server.engine.is_established());
  }
}

TEST_CASE("L5: what is known of a connection") {
  pair p(asking({"h2", "http/1.1"}), serving({"http/1.1"}));
  p.talk();
  const auto known = p.client.engine.facts();
  CHECK(known.protocol == "TLSv1.3");
  CHECK(known.cipher.starts_with("TLS_"));
  CHECK(known.alpn == "http/1.1");
  CHECK(known.server_name == "localhost");
  CHECK(known.peer_verified);
  CHECK(known.peer_subject == "CN=server");
  CHECK(known.peer_names == std::vector<std::string>{"localhost", "127.0.0.1"});
  CHECK(known.peer_fingerprint.size() == 64);
  CHECK_FALSE(known.resumed);
  const auto theirs = p.server.engine.facts();
  CHECK(theirs.server_name == "localhost");
  CHECK(theirs.alpn == "http/1.1");
  CHECK(theirs.peer_subject.empty());
  CHECK_FALSE(theirs.peer_verified);
}

TEST_CASE("L5: TLS 1.2 is spoken with who speaks no 1.3, and not when 1.3 is asked for") {
  auto old = asking();
  old.highest = version::tls12;
  pair p(old);
  p.talk();
  CHECK(p.client.engine.facts().protocol == "TLSv1.2");
  CHECK_FALSE(p.client.engine.can_half_close());
  auto strict = serving();
  strict.lowest = version::tls13;
  pair q(old, std::move(strict));
  q.talk();
  CHECK(q.client.engine.error() == std::error_code(70, alert_category())); // protocol_version
  CHECK(q.client.engine.peer_broke_off());
}

TEST_CASE("L5: a certificate for another name is refused, and so is one for a part of it") {
  CHECK(refusal(common().server, {}, "example.org") ==
        std::error_code(X509_V_ERR_HOSTNAME_MISMATCH, certificate_category()));
  CHECK(refusal(common().server, {}, "127.0.0.2") ==
        std::error_code(X509_V_ERR_IP_ADDRESS_MISMATCH, certificate_category()));
  CHECK_FALSE(refusal(common().server, {}, "127.0.0.1"));
  const certified wild({.names = "DNS:*.example.org"}, common().authority);
  CHECK_FALSE(refusal(wild, {}, "www.example.org"));
  CHECK(refusal(wild, {}, "example.org"));
  CHECK(refusal(wild, {}, "a.b.example.org"));
  const certified common_name({.subject = "localhost", .names = "DNS:other"}, common().authority);
  CHECK(refusal(common_name));
}

TEST_CASE("L5: expired, not yet valid, unknown, wrong use: each is refused for what it is") {
  const auto is = [](std::error_code why, int expected) {
    CHECK(why == std::error_code(expected, certificate_category()));
    CHECK(why.message().starts_with("the certificate was not accepted: "));
  };
  is(refusal(certified({.begins = -100, .ends = -10}, common().authority)),
     X509_V_ERR_CERT_HAS_EXPIRED);
  is(refusal(certified({.begins = 100, .ends = 200}, common().authority)),
     X509_V_ERR_CERT_NOT_YET_VALID);
  is(refusal(certified({.usage = "clientAuth"}, common().authority)), X509_V_ERR_INVALID_PURPOSE);
  is(refusal(certified(certificate_wishes{})), X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
  const certified stranger({.subject = "stranger", .authority = true});
  is(refusal(certified({}, stranger)), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
}

TEST_CASE("L5: a chain with one in between is accepted if that one is sent") {
  const certified between({.subject = "between", .authority = true}, common().authority);
  const certified leaf({}, between);
  CHECK_FALSE(refusal(leaf, {&between}));
  CHECK(refusal(leaf) ==
        std::error_code(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, certificate_category()));
  CHECK_FALSE(refusal(certified({.key = key_kind::rsa}, common().authority)));
}

TEST_CASE("L5: dangerous settings do what they say, and no more") {
  auto any_name = asking();
  any_name.dangerous_any_name = true;
  CHECK_FALSE(refusal(common().server, {}, "example.org", any_name));
  CHECK(refusal(certified(certificate_wishes{}), {}, "localhost", any_name));
  auto anything = asking();
  anything.dangerous_any_certificate = true;
  CHECK_FALSE(refusal(certified(certificate_wishes{}), {}, "example.org", anything));
  pair p(anything);
  p.talk();
  CHECK_FALSE(p.client.engine.facts().peer_verified);
}

TEST_CASE("L5: a server with several names shows the certificate that is asked for") {
  const certified one({.subject = "one", .names = "DNS:one.test"}, common().authority);
  const certified two({.subject = "two", .names = "DNS:two.test,DNS:*.two.test"},
                      common().authority);
  const certified two_rsa(
      {.subject = "two by rsa", .names = "DNS:two.test,DNS:*.two.test", .key = key_kind::rsa},
      common().authority);
  const auto asked = [&](const std::string& name, bool only_known) {
    auto s = serving();
    s.identities = {one.shown(), two.shown(), two_rsa.shown()};
    s.only_known_names = only_known;
    auto c = asking();
    c.dangerous_any_name = true;
    pair p(std::move(c), std::move(s), name);
    p.talk();
    if (p.server.engine.error() == errc::unknown_name) {
      CHECK(p.client.engine.error() == std::error_code(112, alert_category()));
      return std::string("refused");
    }
    return p.client.engine.facts().peer_subject;
  };
  CHECK(asked("one.test", true) == "CN=one");
  CHECK(asked("two.test", true) == "CN=two");
  CHECK(asked("a.two.test", true) == "CN=two");
  CHECK(asked("three.test", true) == "refused");
  CHECK(asked("three.test", false) == "CN=one");
}

TEST_CASE("L5: ALPN is strict: no protocol in common is an alert") {
  pair p(asking({"h2"}), serving({"http/1.1"}));
  p.talk();
  CHECK(p.server.engine.error() == errc::no_protocol);
  CHECK(p.client.engine.error() == std::error_code(120, alert_category()));
  pair without(asking(), serving({"http/1.1"})); // who offers none is served
  without.talk();
  CHECK(without.server.engine.is_established());
  CHECK(without.server.engine.facts().alpn.empty());
}

TEST_CASE("L5: clients show certificates to servers that ask for them") {
  const certified user({.subject = "user", .names = "", .usage = "clientAuth"}, common().authority);
  const auto settled = [&](client_certificate how, bool shows, const certified& shown) {
    auto s = serving();
    s.clients = how;
    s.client_trust.authorities = common().authority.certificate();
    auto c = asking();
    if (shows) c.identities = {shown.shown()};
    pair p(std::move(c), std::move(s));
    p.talk();
    if (p.server.engine.error()) {
      CHECK(p.client.engine.error().category() == alert_category()); // late, in TLS 1.3
      CHECK(p.client.engine.is_established());
      return p.server.engine.error().message();
    }
    const auto known = p.server.engine.facts();
    CHECK(known.peer_verified == shows);
    return known.peer_subject;
  };
  CHECK(settled(client_certificate::required, true, user) == "CN=user");
  CHECK(settled(client_certificate::asked, true, user) == "CN=user");
  CHECK(settled(client_certificate::asked, false, user) == "");
  CHECK(settled(client_certificate::required, false, user) == text(errc::no_certificate));
  const certified stranger(certificate_wishes{.usage = "clientAuth"});
  CHECK(settled(client_certificate::asked, true, stranger).starts_with("the certificate was not"));
}

TEST_CASE("P12: a ticket resumes a later connection, also of one that was lost") {
  const auto server = std::make_unique<context>(serving());
  const context client(asking());
  session kept;
  for (int i = 0; i < 3; ++i) {
    tls_side asks(client, "localhost", kept), serves(*server);
    talk(asks, serves);
    CHECK(asks.engine.facts().resumed == (i > 0));
    CHECK(serves.engine.facts().resumed == (i > 0));
    kept = asks.engine.new_session();
    CHECK(kept);
    CHECK_FALSE(asks.engine.new_session()); // told once
  } // neither side said its end
}

TEST_CASE("P12: keys of tickets change, those before are accepted, those before them are not") {
  auto keys = std::make_shared<const ticket_keys>();
  auto settings = serving();
  settings.tickets = [&keys] { return keys; };
  const context server(std::move(settings)), client(asking());
  const auto visit = [&](const session& earlier) {
    tls_side asks(client, "localhost", earlier), serves(server);
    talk(asks, serves);
    REQUIRE(asks.engine.is_established());
    return std::pair(asks.engine.facts().resumed, asks.engine.new_session());
  };
  const auto first = visit({}).second;
  keys = std::make_shared<const ticket_keys>(ticket_keys::after(*keys));
  CHECK(visit(first).first);
  keys = std::make_shared<const ticket_keys>(ticket_keys::after(*keys));
  CHECK_FALSE(visit(first).first);
  const context other(serving()); // another server's ticket is no matter
  tls_side asks(client, "localhost", first), serves(other);
  talk(asks, serves);
  CHECK(asks.engine.is_established());
  CHECK_FALSE(asks.engine.facts().resumed);
}

TEST_CASE("P12, TS.closing_nice_case, TS.unwrap: behind close_notify not a byte is touched") {
  for (const std::size_t piece : {std::size_t(-1), std::size_t(1), std::size_t(5)}) {
    pair p;
    p.talk();
    p.client.write("last words");
    p.client.end();
    p.client.end(); // once
    p.server.came += std::exchange(p.client.says, {}) + "plain again";
    p.server.turn(piece);
    CHECK(p.server.got == "last words");
    CHECK(p.server.last == event::ended);
    CHECK(p.server.came == "plain again");
    p.server.write("mine"); // TLS 1.3: a half-close
    p.server.end();
    p.client.came += std::exchange(p.server.says, {}) + "and here";
    p.client.turn(piece);
    CHECK(p.client.got == "mine");
    CHECK(p.client.engine.is_ended());
    CHECK(p.client.came == "and here");
  }
}

TEST_CASE("P12: a second handshake over the same bytes is resumed") {
  const context server(serving()), client(asking());
  tls_side asks(client, "localhost"), serves(server);
  talk(asks, serves);
  asks.end();
  serves.came += std::exchange(asks.says, {});
  tls_side again(client, "localhost", asks.engine.new_session()), other(server);
  again.turn();
  serves.came += std::exchange(again.says, {}); // at once behind the close_notify
  serves.turn();
  CHECK(serves.last == event::ended);
  other.came = std::exchange(serves.came, {});
  talk(again, other);
  CHECK(other.engine.facts().resumed);
}

TEST_CASE("L4: what is no TLS is refused for what it is") {
  const auto answer = [](std::string_view text) {
    const context server(serving());
    tls_side side(server);
    side.came = text;
    side.turn();
    CHECK(side.last == event::failed);
    return side.engine.error();
  };
  CHECK(answer("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") == errc::plain_http);
  CHECK(answer("EHLO me.example.org\r\n") == errc::not_tls);
  CHECK(answer(std::string("\x16\x03\x01\xff\xff", 5) + std::string(70'000, 'x')).category() ==
        library_category());
  const context client(asking());
  tls_side side(client, "localhost");
  side.turn();
  side.came = "220 mail.example.org ready\r\n";
  side.turn();
  CHECK(side.engine.error() == errc::not_tls);
  CHECK_THROWS_AS(engine(client, ""), std::invalid_argument);
  CHECK_THROWS_AS(engine(client, "two words"), std::invalid_argument);
  CHECK_THROWS_AS(engine(client, std::string(300, 'a')), std::invalid_argument);
}

TEST_CASE("P13: a record that was changed on the way, or is too large, is refused with an alert") {
  pair p;
  p.talk();
  p.client.write("hello");
  p.client.says.back() = char(p.client.says.back() ^ 1);
  p.server.came += std::exchange(p.client.says, {});
  p.server.turn();
  CHECK(p.server.last == event::failed);
  CHECK(p.server.engine.error().category() == library_category());
  CHECK(p.server.got.empty());
  p.client.came += std::exchange(p.server.says, {});
  p.client.turn();
  CHECK(p.client.engine.error() == std::error_code(20, alert_category())); // bad_record_mac
  p.client.turn();                                                         // and again
  CHECK(p.client.last == event::failed);

  pair q;
  q.talk();
  q.server.came = std::string("\x17\x03\x03\x44\x00", 5) + std::string(17 * 1024, 'x');
  q.server.turn();
  CHECK(q.server.last == event::failed);
}

TEST_CASE("P13: the beginning of a record is told from the end of one") {
  pair p;
  p.talk();
  CHECK_FALSE(p.server.engine.in_record());
  p.client.write("hello");
  p.server.came = p.client.says.substr(0, 9);
  p.server.turn();
  CHECK(p.server.engine.in_record());
  p.server.came = p.client.says.substr(9);
  p.server.turn();
  CHECK(p.server.got == "hello");
  CHECK_FALSE(p.server.engine.in_record());
}

TEST_CASE("TS.renegotiation_randomized: random reads, writes and key updates lose nothing") {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](std::size_t n) { return std::size_t(random() % n); };
    pair p;
    p.talk();
    std::string to_server, to_client;
    for (int i = 0; i < 300; ++i) {
      auto& writer = below(2) ? p.client : p.server;
      switch (below(3)) {
      case 0: writer.engine.update_keys(below(2)); break;
      case 1: {
        const std::string text(1 + below(below(8) ? 40 : 40'000), char('a' + below(26)));
        writer.write(text);
        (&writer == &p.client ? to_server : to_client) += text;
        break;
      }
      default: {
        auto& from = writer;
        auto& to = &writer == &p.client ? p.server : p.client;
        const auto n = below(from.says.size() + 1);
        to.came += from.says.substr(0, n);
        from.says.erase(0, n);
        to.turn(1 + below(3000));
      }
      }
    }
    p.server.came += std::exchange(p.client.says, {});
    p.client.came += std::exchange(p.server.says, {});
    p.talk();
    CHECK(p.server.got == to_server);
    CHECK(p.client.got == to_client);
    CHECK_FALSE(p.client.engine.error());
    CHECK_FALSE(p.server.engine.error());
  }
}

TEST_CASE("TS.ssl_over_ssl: TLS inside of TLS") {
  pair outer, inner;
  outer.talk();
  for (int i = 0; i < 20; ++i) {
    inner.client.turn();
    if (!inner.client.says.empty()) outer.client.write(std::exchange(inner.client.says, {}));
    outer.server.came += std::exchange(outer.client.says, {});
    outer.server.turn();
    inner.server.came += std::exchange(outer.server.got, {});
    inner.server.turn();
    if (!inner.server.says.empty()) outer.server.write(std::exchange(inner.server.says, {}));
    outer.client.came += std::exchange(outer.server.says, {});
    outer.client.turn();
    inner.client.came += std::exchange(outer.client.got, {});
  }
  CHECK(inner.client.engine.is_established());
  CHECK(inner.server.engine.is_established());
}

TEST_CASE("L5: certificates and keys that cannot be used are refused with a sentence") {
  const auto why = [](identity shown) {
    auto s = serving();
    s.identities = {std::move(shown)};
    try {
      const context made(std::move(s));
    } catch (const std::invalid_argument& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const auto good = common().server.shown();
  CHECK(why(good).empty());
  CHECK(why({"", good.key, "web.pem"}) == "web.pem: there is no certificate in PEM form");
  CHECK(why({good.chain, "", "web.key"}) == "web.key: there is no private key in PEM form");
  CHECK(why({good.chain, common().authority.key(), "web"}) ==
        "web: the key is not that of the certificate");
  CHECK(why({good.chain, common().server.encrypted_key(), "web.key"}) ==
        "web.key: its key is encrypted; decrypt it first: openssl pkey");
  auto broken = good;
  broken.chain[200] = '!';
  CHECK(why(broken).starts_with("test certificate: a certificate cannot be read: "));
  broken = good;
  broken.key.erase(60, 20);
  CHECK(why(broken).starts_with("test certificate: its key cannot be read: "));
  CHECK_THROWS_WITH(context(server_settings{}), "tls: a server needs a certificate and its key");
  auto asks = serving();
  asks.clients = client_certificate::required;
  CHECK_THROWS_AS(context(std::move(asks)), std::invalid_argument);
  CHECK_THROWS_AS(context(serving({""})), std::invalid_argument);
  CHECK_THROWS_AS(context(serving({std::string(256, 'a')})), std::invalid_argument);
  CHECK_NOTHROW(context(serving({std::string(255, 'a')})));
}

TEST_CASE("L5: a key log has the secrets of a connection, when it is asked for") {
  std::string log;
  auto settings = serving();
  settings.dangerous_key_log = [&log](std::string_view line) { (log += line) += '\n'; };
  pair p(asking(), std::move(settings));
  p.talk();
  CHECK(log.find("SERVER_HANDSHAKE_TRAFFIC_SECRET ") != log.npos);
  CHECK(log.find("CLIENT_TRAFFIC_SECRET_0 ") != log.npos);
}

TEST_CASE("L5: a certificate that is signed by itself serves who believes it") {
  const auto shown = self_signed({"localhost", "127.0.0.1", "::1"}, 2);
  for (const std::string name : {"localhost", "127.0.0.1", "::1", "example.org"}) {
    auto s = serving();
    s.identities = {shown};
    auto c = asking();
    c.servers.authorities = shown.chain;
    pair p(std::move(c), std::move(s), name);
    p.talk();
    CHECK(p.client.engine.is_established() == (name != "example.org"));
  }
  CHECK_THROWS_AS(self_signed({}), std::invalid_argument);
  CHECK_THROWS_AS(self_signed({"a,DNS:b"}), std::invalid_argument);
  CHECK_THROWS_AS(self_signed({""}), std::invalid_argument);
}

// ---- what a hostile peer sends

namespace {

/// A server's engine, and a client whose records are made by hand once it is established.
struct forged {
  tls_secrets secrets;
  pair p{[this] {
    auto c = asking();
    c.dangerous_key_log = [this](std::string_view line) { secrets.note(line); };
    return c;
  }()};
  std::unique_ptr<tls_sealer> client;

  forged() {
    p.talk();
    client = std::make_unique<tls_sealer>(secrets.of_client());
  }
  void send(std::string plain, char type) {
    p.server.came += client->seal(std::move(plain), type);
    p.server.turn();
  }
};

} // namespace

TEST_CASE("P13: half a key update stops what is written until the rest has come") {
  forged f;
  f.send("GET", tls_sealer::data);
  CHECK(f.p.server.got == "GET");
  CHECK(f.p.server.engine.can_write());
  f.send(key_update_begins, tls_sealer::handshake);
  CHECK_FALSE(f.p.server.engine.can_write());
  std::vector<std::byte> out(engine::most_record);
  const auto step = f.p.server.engine.write(std::as_bytes(std::span("answer", 6)), out);
  CHECK(step.what == event::need_more);
  CHECK(step.used == 0);
  CHECK(f.p.server.engine.end(out).what == event::need_more);
  CHECK_FALSE(f.p.server.engine.error());
  f.send(key_update_ends, tls_sealer::handshake);
  CHECK(f.p.server.engine.can_write());
  f.p.server.write("answer");
  f.p.server.end();
  f.p.client.came += f.p.server.says;
  f.p.client.turn();
  CHECK(f.p.client.got == "answer");
  CHECK(f.p.client.engine.is_ended());
}

TEST_CASE("P13: in TLS 1.3 an alert is fatal whatever level it says, but for a close_notify") {
  forged f;
  f.send("\x01\x2a", tls_sealer::alert); // warning, bad_certificate
  CHECK(f.p.server.engine.error() == std::error_code(42, alert_category()));
  CHECK(f.p.server.engine.peer_broke_off());
  forged g;
  g.send(std::string("\x02\x00", 2), tls_sealer::alert); // fatal, close_notify
  CHECK(g.p.server.last == event::ended);
  CHECK_FALSE(g.p.server.engine.peer_broke_off());
}

TEST_CASE("P12, L4: a close_notify before the handshake is done is no end, but a failure") {
  const std::string close_notify("\x15\x03\x03\x00\x02\x01\x00", 7); // in plain
  for (const auto highest : {version::tls12, version::tls13}) {
    auto c = asking();
    c.highest = highest;
    pair p(std::move(c));
    p.client.turn();
    p.server.came = p.client.says;
    p.server.turn();
    p.server.came += close_notify;
    p.server.turn();
    CHECK(p.server.last == event::failed);
    CHECK(p.server.engine.error() == errc::ended_early);
    p.client.came = close_notify;
    p.client.turn();
    CHECK(p.client.engine.error() == errc::ended_early);
    CHECK_FALSE(p.client.engine.is_ended());
  }
}

TEST_CASE("P13: a stream that is cut anywhere in a record is cut inside of one") {
  pair p;
  p.talk();
  p.client.write("hello");
  const auto record = std::exchange(p.client.says, {});
  for (std::size_t cut = 1; cut < record.size(); ++cut) {
    p.server.came = record.substr(cut - 1, 1);
    p.server.turn();
    CHECK(p.server.engine.in_record());
  }
  p.server.came = record.substr(record.size() - 1);
  p.server.turn();
  CHECK_FALSE(p.server.engine.in_record());
}

TEST_CASE("P12: a ticket that comes together with the end is there") {
  pair p;
  p.client.turn();
  p.server.came = std::exchange(p.client.says, {});
  p.server.turn();
  p.client.came = std::exchange(p.server.says, {});
  p.client.turn();
  p.server.came = std::exchange(p.client.says, {});
  p.server.turn();
  p.server.write("x");
  p.server.end();
  p.client.came = std::exchange(p.server.says, {});
  p.client.turn();
  CHECK(p.client.last == event::ended);
  CHECK(p.client.engine.new_session());
}

TEST_CASE("L4: plain HTTP is known by any of its methods, and a mail client is none") {
  for (const std::string method :
       {"GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PRI"}) {
    const context server(serving());
    tls_side side(server);
    side.came = method + (method == "PRI" ? " * HTTP/2.0\r\n\r\n" : " /x HTTP/1.1\r\n\r\n");
    side.turn();
    CHECK_MESSAGE(side.engine.error() == errc::plain_http, method);
  }
}

TEST_CASE("L5: a name of a server is a name and nothing else") {
  const context client(asking());
  for (const std::string name : {".example.org", "a,b", "a(b)", "a/b", "a\tb", "a\x7f"})
    CHECK_THROWS_AS(engine(client, name), std::invalid_argument);
  CHECK_NOTHROW(engine(client, std::string(255, 'a')));
  CHECK_THROWS_AS(engine(client, std::string(256, 'a')), std::invalid_argument);
}
