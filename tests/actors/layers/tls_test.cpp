// TLS as a layer: over memory, inside of itself, coming and going while bytes flow, and its ends.
#include "actors/layers/tls.hpp"

#include "actors/layers/framers.hpp"
#include "actors/services/standard_words.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/supervision/when.hpp"
#include "runtime/sync/event.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"
#include "runtime/testing/virtual_run.hpp"
#include "tests/actors/layers/tls_rig.hpp"

#include <sys/resource.h>

#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;
using tls_errc = tls_protocol::errc;

namespace {

rlim_t core_limit() {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_CORE, &limit) == 0);
  return limit.rlim_cur;
}

// As it may be in a program that has no key yet: this runs before every case.
[[maybe_unused]] const bool dumps_are_allowed = [] {
  rlimit limit{};
  ::getrlimit(RLIMIT_CORE, &limit);
  limit.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_CORE, &limit) == 0;
}();

} // namespace

TEST_CASE(
    "L5: from the first key on the process leaves no core dump, unless it says so afterwards") {
  (void)tls_files().certificates();
  CHECK(core_limit() == 0);
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_CORE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_CORE, &limit) == 0);
  (void)tls_files().certificates();
  CHECK(core_limit() == limit.rlim_max);
}

CRECHE_TEST("P10: bytes go through tls in both directions, however they are cut") {
  const auto asks = client();
  const auto serves = server();
  for (const std::size_t split : {faults::never, std::size_t(1), std::size_t(100)}) {
    auto ends = memory_pair({.to_a = {.split = split}, .to_b = {.split = split}});
    co_await with_nursery([&](nursery& all) -> task<> {
      co_await talk(all, ends.a / asks, ends.b / serves,
                    [](connection& a, connection& b) -> task<> {
                      const std::string large(20'000, 'x');
                      co_await a.send(large);
                      co_await b.send("hello");
                      a.finish();
                      b.finish();
                      CHECK(co_await read_all(b) == large);
                      CHECK(co_await read_all(a) == "hello");
                      CHECK((co_await a.ended()).how == ended_by::clean);
                      CHECK((co_await b.ended()).how == ended_by::clean);
                    });
    });
  }
}

CRECHE_TEST("P10, pain 9: a reader that takes its time holds the writer, and gets it all") {
  const auto asks = client();
  const auto serves = server();
  auto ends = memory_pair();
  std::size_t got = 0, sent = 0;
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await talk(all, ends.a / asks, ends.b / serves, [&](connection& a, connection& b) -> task<> {
      co_await when_all(
          [&]() -> task<> {
            for (int i = 0; i < 100; ++i) {
              co_await a.send(std::string(10'000, 'y'));
              sent += 10'000;
            }
            a.finish();
          }(),
          [&]() -> task<> {
            co_await sleep_for(1s);
            CHECK(sent < 700'000); // what lies between is bounded
            while (auto piece = co_await b.frames().next()) {
              got += piece->size();
              co_await sleep_for(1ms);
            }
          }());
    });
  });
  CHECK(got == 1'000'000);
}

CRECHE_TEST("L5: what is known stands in the facts of the connection") {
  auto ends = memory_pair();
  const auto asks = client({.alpn = {"h2", "http/1.1"}});
  const auto serves = server({.alpn = {"http/1.1"}});
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await talk(all, ends.a / asks, ends.b / serves, [](connection& a, connection& b) -> task<> {
      const auto* known = a.facts().find<tls_facts>();
      REQUIRE(known);
      CHECK(known->protocol == "TLSv1.3");
      CHECK(known->alpn == "http/1.1");
      CHECK(known->peer_verified);
      CHECK(b.facts().find<tls_facts>()->server_name == "localhost");
      co_return;
    });
  });
}

CRECHE_TEST("P12: the next connection of the same value is resumed") {
  const auto asks = client();
  const auto serves = server();
  for (int i = 0; i < 3; ++i) {
    auto ends = memory_pair();
    co_await with_nursery([&](nursery& all) -> task<> {
      co_await talk(all, ends.a / asks, ends.b / serves,
                    [&](connection& a, connection& b) -> task<> {
                      CHECK(a.facts().find<tls_facts>()->resumed == (i > 0));
                      co_await b.send("x"); // behind it the ticket has come
                      CHECK(co_await line(a) == "x");
                    });
    });
  }
}

CRECHE_TEST("P13, TS.bad_shutdown: each end is told for what it is") {
  const auto asks = client();
  // without a close_notify
  for (const bool tolerated : {false, true}) {
    const auto serves = server({.tolerate_truncation = tolerated});
    auto ends = memory_pair({.to_b = {.truncate_at = 3000}});
    co_await with_nursery([&](nursery& all) -> task<> {
      co_await talk(all, ends.a / asks, ends.b / serves,
                    [&](connection& a, connection& b) -> task<> {
                      co_await a.send(std::string(100, 'x'));
                      co_await a.send(std::string(5000, 'x'));
                      bool lost = false;
                      try {
                        co_await read_all(b);
                      } catch (const connection_lost& e) {
                        lost = true;
                        CHECK(e.record().how == ended_by::truncated);
                        CHECK(e.record().why == tls_errc::truncated);
                      }
                      CHECK(lost); // inside of a record it is never a good end
                      a.abort();
                    });
    });
  }
  { // reset
    const auto serves = server();
    auto ends = memory_pair({.to_b = {.reset_at = 3000}});
    co_await with_nursery([&](nursery& all) -> task<> {
      co_await talk(all, ends.a / asks, ends.b / serves,
                    [&](connection& a, connection& b) -> task<> {
                      co_await a.send(std::string(5000, 'x'));
                      CHECK((co_await b.ended()).how == ended_by::reset);
                    });
    });
  }
}

CRECHE_TEST(
    "P13, TS.bad_shutdown: an end without close_notify is a good one where that is tolerated") {
  const auto serves = server({.tolerate_truncation = true});
  memory_wire wire;
  tls_files_session peer; // a client whose bytes the test holds
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await when_all(
        [&]() -> task<> {
          auto b = co_await open(all, wire.transport() / serves);
          CHECK(co_await read_all(b) == "all of it");
          CHECK(b.facts().find<tls_facts>() != nullptr);
        }(),
        [&]() -> task<> {
          co_await peer.shake(wire);
          peer.side.write("all of it");
          wire.feed(std::exchange(peer.side.says, {}));
          wire.eof();
        }());
  });
}

CRECHE_TEST("P13: alerts: what each side is told of a certificate that the other refuses") {
  const auto serves = server();
  auto ends = memory_pair();
  co_await with_nursery([&](nursery& all) -> task<> {
    const auto trial = [](nursery& where, any_stack s) -> task<close_record> {
      try {
        auto c = co_await open(where, std::move(s));
      } catch (const connection_lost& e) {
        co_return e.record();
      }
      co_return close_record{};
    };
    const auto [a, b] =
        co_await when_all([&] { return trial(all, ends.a / tls("example.org", asking())); }(),
                          [&] { return trial(all, ends.b / serves); }());
    CHECK(a.how == ended_by::refused);
    CHECK(a.layer == "tls");
    CHECK(a.why.category() == tls_protocol::certificate_category());
    CHECK(a.to_text().find("hostname mismatch") != std::string::npos);
    CHECK(b.how == ended_by::reset);
    CHECK(b.why == std::error_code(42, tls_protocol::alert_category())); // bad_certificate
  });
}

CRECHE_TEST("P13: TLS 1.3's late alert: a client that is refused behind its handshake") {
  const auto asks = client();
  auto ends = memory_pair();
  co_await with_nursery([&](nursery& all) -> task<> {
    const auto serves = server({.clients = tls_protocol::client_certificate::required,
                                .client_authorities = tls_files().authority()});
    co_await when_all(
        [&]() -> task<> {
          auto a = co_await open(all, ends.a / asks); // its side is done
          try {
            co_await read_all(a);
            CHECK(false);
          } catch (const connection_lost& e) {
            CHECK(e.record().how == ended_by::reset);
            CHECK(e.record().why == std::error_code(116, tls_protocol::alert_category()));
          }
        }(),
        [&]() -> task<> {
          try {
            auto b = co_await open(all, ends.b / serves);
            CHECK(false);
          } catch (const connection_lost& e) {
            CHECK(e.record().how == ended_by::refused);
            CHECK(e.record().why == tls_errc::no_certificate);
          }
        }());
  });
}

CRECHE_TEST("L4, pain 8: a peer that never answers a close_notify holds nobody") {
  const auto serves = server();
  memory_wire wire;
  tls_files_session peer;
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await when_all(
        [&]() -> task<> {
          auto b = co_await open(all, wire.transport() / serves);
          co_await b.send("last words");
          b.close();
          CHECK((co_await b.ended()).how == ended_by::clean);
        }(),
        [&] { return peer.shake(wire); }());
    co_await sleep_for(1s);
    peer.side.came += wire.got().substr(peer.seen);
    peer.side.turn();
    CHECK(peer.side.got == "last words");
    CHECK(peer.side.engine.is_ended()); // it was said
  });
}

CRECHE_TEST("L4: a peer that says nothing has the time of a handshake") {
  const auto serves = server();
  memory_wire wire;
  const auto began = now();
  co_await with_nursery([&](nursery& all) -> task<> {
    try {
      auto b = co_await open(all, wire.transport() / serves);
      CHECK(false);
    } catch (const connection_lost& e) {
      CHECK(e.record().how == ended_by::timeout);
      CHECK(e.record().layer == "tls");
    }
  });
  CHECK(now() - began == 10s);
}

CRECHE_TEST("L5: handshakes at a time are bounded") {
  const auto serves = server({.handshakes = 1});
  memory_wire first, second;
  const auto hello = [] {
    tls_files_session peer;
    peer.side.turn();
    return peer.side.says;
  }();
  co_await with_nursery([&](nursery& all) -> task<> {
    auto one = all.start(as_child(first.transport() / serves / lines(line_end::lf)));
    first.feed(hello.substr(0, 10));
    co_await sleep_for(1ms);
    try {
      second.feed(hello);
      auto c = co_await open(all, second.transport() / serves);
      CHECK(false);
    } catch (const connection_lost& e) {
      CHECK(e.record().how == ended_by::refused);
      CHECK(e.record().why == tls_errc::too_many_handshakes);
    }
    co_await one.cancel_and_wait();
    memory_wire third; // the place is free again
    third.feed(hello);
    auto again = all.start(as_child(third.transport() / serves / lines(line_end::lf)));
    co_await sleep_for(1ms);
    CHECK(third.got().size() > 500);
    co_await again.cancel_and_wait();
  });
}

CRECHE_TEST("L4: plain HTTP at a TLS port is answered with 400, in plain") {
  const auto serves = server();
  memory_wire wire;
  wire.feed("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  co_await with_nursery([&](nursery& all) -> task<> {
    try {
      auto b = co_await open(all, wire.transport() / serves);
      CHECK(false);
    } catch (const connection_lost& e) {
      CHECK(e.record().how == ended_by::refused);
      CHECK(e.record().why == tls_errc::plain_http);
    }
  });
  CHECK(wire.got().starts_with("HTTP/1.1 400 Bad Request\r\n"));
  CHECK(wire.got().ends_with("\r\n\r\nThis port speaks HTTPS, not HTTP.\n"));
}

CRECHE_TEST("L1: STARTTLS: tls comes while bytes flow") {
  const auto asks = client();
  const auto serves = server();
  auto ends = memory_pair();
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await talk(all, ends.a / lines(line_end::lf), ends.b / lines(line_end::lf),
                  [&](connection& a, connection& b) -> task<> {
                    a.read_ahead(false);
                    b.read_ahead(false);
                    co_await when_all(
                        [&]() -> task<> {
                          co_await a.send("STARTTLS");
                          CHECK(co_await line(a) == "go");
                          co_await a.insert_above("memory", asks);
                          co_await a.send("secret");
                          CHECK(co_await line(a) == "secret too");
                        }(),
                        [&]() -> task<> {
                          CHECK(co_await line(b) == "STARTTLS");
                          co_await b.send("go");
                          co_await b.insert_above("memory", serves);
                          CHECK(co_await line(b) == "secret");
                          co_await b.send("secret too");
                        }());
                  });
  });
}

CRECHE_TEST("L1: tls comes right below a task that asks for nothing meanwhile") {
  const auto asks = client();
  const auto serves = server();
  auto ends = memory_pair();
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await talk(all, ends.a / fixed(1), ends.b / fixed(1),
                  [&](connection& a, connection& b) -> task<> {
                    a.read_ahead(false);
                    b.read_ahead(false);
                    co_await when_all(
                        [&]() -> task<> {
                          co_await a.send("?");
                          CHECK(co_await line(a) == "S");
                          co_await a.replace("fixed", asks);
                          co_await a.send("secret");
                          CHECK(co_await line(a) == "secret too");
                        }(),
                        [&]() -> task<> {
                          CHECK(co_await line(b) == "?");
                          co_await b.send("S");
                          co_await b.replace("fixed", serves);
                          CHECK(co_await line(b) == "secret");
                          co_await b.send("secret too");
                        }());
                  });
  });
}

CRECHE_TEST("L1: what somebody put behind the plain answer is refused, at once") {
  const auto asks = client();
  memory_wire wire;
  co_await with_nursery([&](nursery& all) -> task<> {
    auto a = co_await open(all, wire.transport() / lines(line_end::lf));
    a.read_ahead(false);
    wire.feed("go\nan answer to a question that nobody has asked yet\n");
    CHECK(co_await line(a) == "go");
    co_await sleep_for(1ms); // lines has it, and no room above
    const auto began = now();
    try {
      co_await a.insert_below("lines", asks);
      CHECK(false);
    } catch (const connection_lost& e) {
      CHECK(e.record().how == ended_by::refused);
      CHECK(e.record().why == tls_errc::not_tls);
    }
    (void)co_await a.ended();
    CHECK(now() == began);
  });
}

CRECHE_TEST(
    "P12, TS.unwrap: tls goes, plain bytes follow on the same connection, tls again, resumed") {
  const auto asks = client();
  const auto serves = server({.plain_follows = true});
  for (const std::size_t split : {faults::never, std::size_t(1)}) {
    auto ends = memory_pair({.to_a = {.split = split}, .to_b = {.split = split}});
    co_await with_nursery([&](nursery& all) -> task<> {
      co_await talk(all, ends.a / asks / lines(line_end::lf), ends.b / serves / lines(line_end::lf),
                    [&](connection& a, connection& b) -> task<> {
                      a.read_ahead(false);
                      b.read_ahead(false);
                      co_await when_all(
                          [&]() -> task<> {
                            co_await a.send("end tls");
                            co_await a.remove("tls");
                            co_await a.send("plain words");
                            CHECK(co_await line(a) == "plain answer");
                            co_await a.insert_above("memory", asks);
                            CHECK(a.facts().find<tls_facts>()->resumed);
                            co_await a.send("secret again");
                          }(),
                          [&]() -> task<> {
                            CHECK(co_await line(b) == "end tls");
                            CHECK(co_await line(b) == "plain words"); // tls is gone
                            co_await b.send("plain answer");
                            co_await b.insert_above("memory", serves);
                            CHECK(co_await line(b) == "secret again");
                          }());
                    });
    });
  }
}

CRECHE_TEST("P12: plain_follows: the peer's close_notify takes tls away, and is no end") {
  const auto asks = client();
  const auto serves = server({.plain_follows = true});
  auto ends = memory_pair();
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await talk(all, ends.a / asks / lines(line_end::lf), ends.b / serves / lines(line_end::lf),
                  [&](connection& a, connection& b) -> task<> {
                    co_await a.send("secret");
                    co_await a.remove("tls");
                    co_await a.send("plain");
                    CHECK(co_await line(b) == "secret");
                    CHECK(co_await line(b) == "plain");
                    CHECK(b.value().to_text().find("tls") == std::string::npos);
                    co_await b.send("heard");
                    CHECK(co_await line(a) == "heard");
                  });
  });
}

CRECHE_TEST("L4: a peer that does not answer the goodbye of a removed tls ends the stack in time") {
  const auto serves = server();
  memory_wire wire;
  tls_files_session peer;
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await when_all(
        [&]() -> task<> {
          auto b = co_await open(all, wire.transport() / serves / lines(line_end::lf));
          const auto began = now();
          CHECK_THROWS_AS(co_await b.remove("tls"), connection_lost);
          CHECK(now() - began == 5s);
          CHECK((co_await b.ended()).how == ended_by::timeout);
        }(),
        [&] { return peer.shake(wire); }());
  });
}

CRECHE_TEST("L4: a goodbye that is not answered ends in time, however much the peer says") {
  memory_wire wire;
  tls_files_session peer;
  const auto serves = server();
  co_await with_nursery([&](nursery& all) -> task<> {
    co_await when_all(
        [&]() -> task<> {
          auto b = co_await open(all, wire.transport() / serves / lines(line_end::lf));
          const auto began = now();
          CHECK_THROWS_AS(co_await b.remove("tls"), connection_lost);
          CHECK(now() - began == 5s);
        }(),
        [&]() -> task<> {
          co_await peer.shake(wire);
          for (int i = 0; i < 10; ++i) {
            co_await sleep_for(1s);
            peer.side.write("still here\n");
            wire.feed(std::exchange(peer.side.says, {}));
          }
        }());
  });
}

CRECHE_TEST("P13: half a key update holds what is written, and ends the stack if it stays one") {
  for (const bool whole : {true, false}) {
    memory_wire wire;
    tls_files_session peer;
    const auto serves = server();
    co_await with_nursery([&](nursery& all) -> task<> {
      co_await when_all(
          [&]() -> task<> {
            auto b = co_await open(all, wire.transport() / serves);
            co_await sleep_for(1s);
            co_await b.send("answer");
            const auto began = now();
            co_await sleep_for(1s);
            if (whole) co_return;
            CHECK((co_await b.ended()).how == ended_by::timeout);
            CHECK(now() - began == 10s);
          }(),
          [&]() -> task<> {
            co_await peer.shake(wire);
            tls_sealer forged(peer.secrets.of_client());
            wire.feed(forged.seal(key_update_begins, tls_sealer::handshake));
            co_await sleep_for(1500ms);
            if (whole) wire.feed(forged.seal(key_update_ends, tls_sealer::handshake));
          }());
    });
    peer.side.came += wire.got().substr(peer.seen);
    peer.side.turn();
    CHECK(peer.side.got == (whole ? "answer" : ""));
  }
}

CRECHE_TEST("P13: key updates of a peer that does not read are held, and are no failure of ours") {
  memory_wire wire;
  tls_files_session peer;
  const auto serves = server();
  co_await with_nursery([&](nursery& all) -> task<> {
    std::optional<connection> b;
    co_await when_all(
        [&]() -> task<> { b.emplace(co_await open(all, wire.transport() / serves)); }(),
        [&]() -> task<> { co_await peer.shake(wire); }());
    wire.take(0);
    for (int i = 0; i < 6000; ++i) {
      peer.side.engine.update_keys(true);
      peer.side.write("x");
      wire.feed(std::exchange(peer.side.says, {}));
      if (i % 50 == 0) co_await sleep_for(1ms);
      // as much as it is read, so that the only thing that could hold it is its own answers
      while (b->frames().unread() > 0) co_await b->frames().next();
    }
    CHECK_FALSE(wire.over());
    b->abort();
  });
}

CRECHE_TEST("P12, L4: a close_notify in plain, before the handshake is done, takes no tls away") {
  memory_wire wire;
  const auto asks = client({.plain_follows = true});
  co_await with_nursery([&](nursery& all) -> task<> {
    wire.feed(std::string("\x15\x03\x03\x00\x02\x01\x00", 7));
    try {
      auto a = co_await open(all, wire.transport() / asks / lines(line_end::lf));
      CHECK(false);
    } catch (const connection_lost& e) {
      CHECK(e.record().how == ended_by::truncated);
      CHECK(e.record().layer == "tls");
      CHECK(e.record().why == tls_errc::ended_early);
    }
  });
}

CRECHE_TEST("L5: certificates are read again while connections live, and broken ones are not") {
  tls_files_folder folder;
  const auto shown = certificate_files(folder.certificate("first"), folder.key());
  const auto serves = tls(shown);
  const auto subject = [&]() -> task<std::string> {
    const auto asks = client(); // without a ticket
    auto ends = memory_pair();
    std::string found;
    co_await with_nursery([&](nursery& all) -> task<> {
      co_await talk(all, ends.a / asks, ends.b / serves, [&](connection& a, auto&) -> task<> {
        found = a.facts().find<tls_facts>()->peer_subject;
        co_return;
      });
    });
    co_return found;
  };
  CHECK(co_await subject() == "CN=first");
  folder.certificate("second");
  CHECK(co_await subject() == "CN=first"); // until it is asked for
  shown.reload();
  CHECK(co_await subject() == "CN=second");
  folder.spoil();
  CHECK_THROWS_AS(shown.reload(), std::invalid_argument);
  CHECK(co_await subject() == "CN=second");
  // a key of another certificate
  auto more = shown;
  CHECK_THROWS_AS(more.add_files(tls_files().authority(), folder.key()), std::invalid_argument);
  CHECK(co_await subject() == "CN=second");
}

TEST_CASE("L5: a key that others can read is refused, and a file that is not there") {
  tls_files_folder folder;
  const auto certificate = folder.certificate("server");
  folder.open_key();
  CHECK_THROWS_WITH_AS(
      certificate_files(certificate, folder.key()),
      (folder.key() + ": others can read or change this key; chmod 600 " + folder.key()).c_str(),
      std::invalid_argument);
  CHECK_THROWS_AS(certificate_files("/nonexistent.pem", folder.key()), std::system_error);
  CHECK_THROWS_AS(tls("two words"), std::invalid_argument);
  CHECK_THROWS_AS(tls("localhost", {.certificate = "a.pem"}), std::invalid_argument);
  CHECK_THROWS_AS(server({.handshakes = 0}), std::invalid_argument);
}

TEST_CASE("X11, L5: tls as text, there and back, and what is wrong with one") {
  tls_files_folder folder;
  const auto files = "cert=" + folder.certificate("server") + ",key=" + folder.key();
  for (const std::string& text :
       {"tls(" + files + ")", "tls(" + files + ",alpn=h2,alpn=http/1.1,handshake=3s,tls13)",
        "tls(example.org,authorities=" + tls_files().authority() + ",alpn=http/1.1)",
        std::string("tls(127.0.0.1,tolerate_truncation,plain_follows,dangerous_no_verify)"),
        std::string("tls(example.org,dangerous_any_name)")}) {
    CHECK(parse_stack("tcp(127.0.0.1:443)/" + text).to_text() == "tcp(127.0.0.1:443)/" + text);
  }
  const auto why = [](const std::string& text) {
    try {
      parse_stack(text);
    } catch (const stack_text_error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(why("tls()").find("tls needs the server's name") != std::string::npos);
  CHECK(why("tls(cert=a.pem)").find("tls needs the server's name") != std::string::npos);
  CHECK(why("tls(cert=/nonexistent.pem,key=b)").find("/nonexistent.pem: No such file") !=
        std::string::npos);
  CHECK(why("tls(example.org,verify=no)").find("'verify=no' is not known to a tls client") !=
        std::string::npos);
  CHECK(why("tls(a,handshake=3)").find("'3' is no time") != std::string::npos);
}
