// UDP: datagrams as frames, of a client and of a listener's peers; what is dropped, and by what
// rule.
#include "actors/transport/udp.hpp"

#include "actors/layers/rate_limit.hpp"
#include "actors/services/internal/udp_peers.hpp"
#include "actors/services/standard_words.hpp"
#include "actors/services/udp_listener.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/sync/event.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/actors/service_rig.hpp"

#include <arpa/inet.h>
#include <unistd.h>

#include <optional>
#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

constexpr auto anywhere = "127.0.0.1:0";

task<> echo_datagrams(connection& c) {
  while (auto datagram = co_await c.frames().next()) co_await c.send(std::move(*datagram));
}

/// The next datagram, or "none" if none comes for a while.
task<std::string> next_of(connection& c, time_span within = 5s) {
  std::string came = "none";
  auto wait = [&]() -> task<> {
    if (auto datagram = co_await c.frames().next()) came = datagram->view();
  };
  co_await move_on_after(within, wait);
  co_return came;
}

task<std::string> asked(connection& c, std::string question) {
  co_await c.send(question);
  co_return co_await next_of(c);
}

/// Until the tree says so; false: it does not.
task<bool> tree_says(std::string what) {
  for (int i = 0; i < 500; ++i) {
    if (tree().to_text().find(what) != std::string::npos) co_return true;
    co_await sleep_for(10ms);
  }
  MESSAGE(tree().to_text());
  co_return false;
}

std::string refusal_of(auto make) {
  try {
    make();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "none";
}

/// A socket that a test reads and writes by itself.
struct plain_socket {
  int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  plain_socket() = default;
  plain_socket(const plain_socket&) = delete;
  ~plain_socket() { ::close(fd); }
  void send(std::uint16_t port, std::string_view text) const {
    const internal::socket_address to(endpoint{"127.0.0.1", port});
    REQUIRE(::sendto(fd, text.data(), text.size(), 0, to.get(), to.size) == ssize_t(text.size()));
  }
};

} // namespace

TEST_CASE("L11: udp as text, and what is wrong with one") {
  const auto round = [](const any_stack& s) { return parse_stack(s.to_text()).to_text(); };
  CHECK(round(udp("127.0.0.1:53")) == "udp(127.0.0.1:53)");
  CHECK(round(udp("[::1]:53", {.most_bytes = 65'507})) == "udp([::1]:53,most=65507B)");
  CHECK(round(udp("[::1]:53", {.most_bytes = 1})) == "udp([::1]:53,most=1B)");
  CHECK(refusal_of([] { udp("127.0.0.1:0"); }) ==
        "'127.0.0.1:0' is nobody's address of udp; write it like 127.0.0.1:53");
  CHECK(refusal_of([] { udp("unix:/x"); }) ==
        "'unix:/x' is nobody's address of udp; write it like 127.0.0.1:53");
  const std::string longest = " bytes: it has 1 to 65507";
  CHECK(refusal_of([] { udp("127.0.0.1:53", {.most_bytes = 0}); }) ==
        "a datagram of at most 0" + longest);
  CHECK(refusal_of([] { udp("127.0.0.1:53", {.most_bytes = 65'508}); }) ==
        "a datagram of at most 65508" + longest);
  for (const auto* text : {"udp()", "udp(127.0.0.1:53,1KiB)", "udp(127.0.0.1:53,most=1,most=2)",
                           "udp(127.0.0.1:53,most=1GiB)", "udp(127.0.0.1:53,most=)"})
    CHECK(refusal_of([&] { (void)parse_stack(text); }) != "none");
  CHECK(refusal_of([] { udp_listener("unix:/x", echo_datagrams); }) ==
        "'unix:/x' is no address of udp; write it like 127.0.0.1:53");
  CHECK(refusal_of([] { udp_listener(anywhere, echo_datagrams).options({.waiting = 0}); }) ==
        "udp_listener: of each peer at least one datagram waits");
  CHECK(refusal_of([] { udp_listener(anywhere, echo_datagrams).options({.peers = 0}); }) ==
        "udp_listener: there is at least one peer");
  CHECK(refusal_of([] { udp_listener(anywhere, echo_datagrams).options({.silence = 0s}); }) ==
        "udp_listener: a peer may be silent for longer than no time");
  CHECK(refusal_of([] { udp_listener(anywhere, echo_datagrams).options({.most_bytes = 0}); }) ==
        "a datagram of at most 0" + longest);
}

TEST_CASE("L11: datagrams come and go whole, empty ones and the longest; each peer has its stack") {
  const auto r = run(quiet(), [](nursery& n) -> task<> {
    auto spec = udp_listener(anywhere, echo_datagrams).as_child("echo");
    const auto at = (co_await n.start_ready<endpoint>(spec)).value;
    CHECK(at.port != 0);
    auto one = co_await open(n, udp(at)), other = co_await open(n, udp(at));
    CHECK(one.peer() == at);
    CHECK(one.local() != other.local());
    for (const std::size_t size : {0u, 1u, 1472u, 4096u}) {
      const std::string text(size, 'x');
      CHECK(co_await asked(one, text) == text);
    }
    CHECK(co_await asked(other, "other") == "other");
    CHECK(co_await tree_says("2 peers"));
    CHECK(tree().to_text().find(one.local().to_text()) != std::string::npos);
    one.close();
    CHECK((co_await one.ended()).how == ended_by::clean);
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE(
    "L11, T16: a datagram that is too long is dropped and counted when it comes, and is refused "
    "when it is to go") {
  const auto r = run(quiet(), [](nursery& n) -> task<> {
    auto spec =
        udp_listener(anywhere, echo_datagrams).options({.most_bytes = 100}).as_child("echo");
    const auto at = (co_await n.start_ready<endpoint>(spec)).value;
    auto c = co_await open(n, udp(at));
    co_await c.send(std::string(101, 'x'));
    CHECK(co_await asked(c, std::string(100, 'y')) == std::string(100, 'y'));
    CHECK(co_await tree_says("1 dropped: too long"));
    auto wide = udp_listener(anywhere,
                             [](connection& p) -> task<> {
                               (void)co_await p.frames().next();
                               co_await p.send(std::string(101, 'x'));
                               co_await p.send(std::string(100, 'y'));
                             })
                    .options({.amplification = 0})
                    .as_child("wide");
    const auto from = (co_await n.start_ready<endpoint>(wide)).value;
    auto narrow = co_await open(n, udp(from, {.most_bytes = 100}));
    CHECK(co_await asked(narrow, "?") == std::string(100, 'y'));
    CHECK(co_await tree_says("1 too long"));
    std::string why;
    auto body = [&](nursery& own) -> task<> {
      auto failing = co_await open(own, udp(at, {.most_bytes = 100}));
      co_await failing.send(std::string(101, 'x'));
      co_await failing.ended();
      co_await sleep_for(5s);
    };
    try {
      co_await with_nursery(body);
    } catch (const failure_group& g) {
      why = g.what();
    }
    CHECK(why.find("a datagram of 101 bytes; udp was told at most 100") != std::string::npos);
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("L11: udp to nobody ends as refused, once the kernel knows") {
  const auto r = run(quiet(), [](nursery& n) -> task<> {
    endpoint nobody;
    {
      const plain_socket gone;
      internal::socket_address at(endpoint{"127.0.0.1", 0});
      REQUIRE(::bind(gone.fd, at.get(), at.size) == 0);
      socklen_t size = sizeof at.bytes;
      REQUIRE(::getsockname(gone.fd, at.get(), &size) == 0);
      nobody = {"127.0.0.1", at.port()};
    }
    auto c = co_await open(n, udp(nobody));
    CHECK_FALSE(c.can_finish());
    co_await c.send("anybody?");
    auto wait = [&]() -> task<> { (void)co_await c.frames().next(); };
    std::string why;
    try {
      co_await move_on_after(5s, wait);
    } catch (const connection_lost& e) {
      why = e.what();
    }
    CHECK(why.starts_with("connection lost, refused by udp after "));
    CHECK(why.ends_with("Connection refused"));
    CHECK((co_await c.ended()).how == ended_by::refused);
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("L11: an address is given no more bytes than came from it, until it is proven") {
  const auto r = run(quiet(), [](nursery& n) -> task<> {
    auto serve = [](connection& c) -> task<> {
      while (auto question = co_await c.frames().next()) {
        if (question->view() == "proof") c.facts().find<udp_sender>()->is_proven();
        co_await c.send(std::string(6, 'x')); // as long as the first question, then one byte more
        co_await c.send("1");
      }
    };
    auto spec = udp_listener(anywhere, serve).as_child("answers");
    const auto at = (co_await n.start_ready<endpoint>(spec)).value;
    auto c = co_await open(n, udp(at));
    CHECK(co_await asked(c, "hello?") == "xxxxxx");
    CHECK(co_await tree_says("1 not sent: the address is not proven"));
    CHECK(co_await asked(c, "proof") == "xxxxxx"); // the 1 of before was dropped
    CHECK(co_await next_of(c) == "1");
    auto triple = udp_listener(anywhere,
                               [](connection& p) -> task<> {
                                 while (co_await p.frames().next())
                                   co_await p.send(std::string(6, 'x'));
                               })
                      .options({.amplification = 3})
                      .as_child("triple");
    const auto three = (co_await n.start_ready<endpoint>(triple)).value;
    auto d = co_await open(n, udp(three));
    CHECK(co_await asked(d, "12") == "xxxxxx");
    CHECK(co_await asked(d, "34") == "xxxxxx");
    co_await d.send("5");
    CHECK(co_await asked(d, "6") == "xxxxxx"); // one answer for two
    CHECK(co_await tree_says("1 not sent: the address is not proven"));
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE(
    "L11, T16: what a slow handler does not read waits up to a number, then the oldest goes") {
  const auto r = run(quiet(), [](nursery& n) -> task<> {
    event go;
    std::string read;
    auto serve = [&](connection& c) -> task<> {
      co_await go.wait();
      while (auto datagram = co_await c.frames().next()) {
        if (datagram->view() == "end") co_return;
        read += datagram->view();
        read += ' ';
      }
    };
    const std::string large(4000, 'x'); // some of these fill what the stack itself takes
    auto spec = udp_listener(anywhere, serve).options({.waiting = 3}).as_child("slow");
    const auto at = (co_await n.start_ready<endpoint>(spec)).value;
    auto c = co_await open(n, udp(at));
    for (int i = 0; i < 40; ++i) {
      co_await c.send(large);
      co_await sleep_for(1ms); // its reader is one thread with us
    }
    for (const auto* text : {"1", "2", "3", "end"}) co_await c.send(text);
    CHECK(co_await tree_says("dropped: too many wait"));
    go.set();
    CHECK(co_await tree_says("1 ended clean"));
    std::erase(read, 'x');
    const auto end = read.find_first_not_of(' ');
    REQUIRE(end != std::string::npos);
    CHECK(read.substr(end) == "2 3 "); // 3 wait: the 1 was the oldest
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("L11: a peer that is silent for long is at its end; what comes then is a new one's") {
  const auto r = run(quiet(), [](nursery& n) -> task<> {
    int served = 0;
    auto serve = [&](connection& c) -> task<> {
      ++served;
      while (auto datagram = co_await c.frames().next()) co_await c.send(std::move(*datagram));
    };
    auto spec = udp_listener(anywhere, serve).options({.silence = 50ms}).as_child("short");
    const auto at = (co_await n.start_ready<endpoint>(spec)).value;
    auto c = co_await open(n, udp(at));
    CHECK(co_await asked(c, "a") == "a");
    CHECK(co_await tree_says("1 ended clean"));
    CHECK(co_await asked(c, "b") == "b");
    CHECK(served == 2);
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("L11: at the cap a new peer is dropped, and one silent for a second makes room") {
  const auto r = run(quiet(), [](nursery& n) -> task<> {
    auto spec = udp_listener(anywhere, echo_datagrams).options({.peers = 2}).as_child("two");
    const auto at = (co_await n.start_ready<endpoint>(spec)).value;
    auto a = co_await open(n, udp(at)), b = co_await open(n, udp(at)),
         c = co_await open(n, udp(at));
    CHECK(co_await asked(a, "a") == "a");
    CHECK(co_await asked(b, "b") == "b");
    co_await c.send("too many");
    CHECK(co_await tree_says("1 dropped: too many peers"));
    std::string got = "none";
    for (int i = 0; i < 100 && got == "none"; ++i) {
      CHECK(co_await asked(b, "b") == "b"); // it is not the silent one
      co_await c.send("c");
      got = co_await next_of(c, 50ms);
    }
    CHECK(got == "c");
    CHECK(co_await tree_says("1 ended to make room"));
    CHECK(co_await asked(b, "b") == "b");
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("L11: on drain each peer may answer, and no new one comes; a port in use is told") {
  const auto r = run(quiet(), [](nursery& n) -> task<> {
    event began;
    std::string at_the_end;
    auto serve = [&](connection& c) -> task<> {
      (void)co_await c.frames().next();
      began.set();
      while (co_await c.frames().next()) {
      }
      co_await c.send("bye");
      at_the_end = "drained";
    };
    endpoint at;
    std::optional<connection> client;
    auto body = [&](nursery& served) -> task<> {
      auto spec = udp_listener(anywhere, serve).as_child("drained");
      at = (co_await served.start_ready<endpoint>(spec)).value;
      auto second = udp_listener(at.to_text(), serve).as_child("second");
      std::string why;
      try {
        co_await served.start_ready<endpoint>(second);
      } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::address_in_use);
        why = e.what();
      }
      CHECK(why == "listen at udp " + at.to_text() + ": Address already in use");
      client = co_await open(n, udp(at));
      co_await client->send("hello");
      co_await began.wait();
      served.stop();
    };
    co_await with_nursery(body);
    CHECK(at_the_end == "drained");
    CHECK(co_await next_of(*client) == "bye");
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("L11: on drain a handler reads first what has come before") {
  const auto r = run(quiet(), [](nursery& n) -> task<> {
    event go;
    int read = 0;
    auto serve = [&](connection& c) -> task<> {
      co_await go.wait();
      while (co_await c.frames().next()) ++read;
    };
    const std::string large(4000, 'x'); // the stack itself takes some of these
    auto body = [&](nursery& served) -> task<> {
      auto spec = udp_listener(anywhere, serve).as_child("slow");
      const auto at = (co_await served.start_ready<endpoint>(spec)).value;
      auto c = co_await open(n, udp(at));
      for (int i = 0; i < 40; ++i) {
        co_await c.send(large);
        co_await sleep_for(1ms);
      }
      served.stop();
      go.set();
    };
    co_await with_nursery(body);
    CHECK(read == 40);
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("L11, L7: a limit for each address stands on datagrams as on bytes") {
  const auto r = run(quiet(), [](nursery& n) -> task<> {
    const rate_per_address each({.in = {.per_second = 1000, .burst = 1000}});
    auto spec =
        udp_listener(anywhere, rate_limit<frames>(each), echo_datagrams).as_child("limited");
    const auto at = (co_await n.start_ready<endpoint>(spec)).value;
    auto c = co_await open(n, udp(at));
    const std::string kilo(1000, 'x');
    const auto before = now();
    for (int i = 0; i < 3; ++i) CHECK(co_await asked(c, kilo) == kilo); // a frame passes whole
    CHECK(now() - before >= 800ms);
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("L11: peers are found by address and port, in the order in which they were heard") {
  internal::udp_peers peers;
  const auto at = [](const char* text) { return internal::socket_address(endpoint::parse(text)); };
  const time_point t0{};
  CHECK(peers.find(at("127.0.0.1:1")) == nullptr);
  CHECK(peers.longest_silent() == nullptr);
  const auto a = peers.add(at("127.0.0.1:1"), t0), b = peers.add(at("127.0.0.1:2"), t0 + 1s),
             c = peers.add(at("[::1]:1"), t0 + 2s);
  CHECK(peers.find(at("127.0.0.1:1")) == a.get());
  CHECK(peers.find(at("127.0.0.1:2")) == b.get());
  CHECK(peers.find(at("[::1]:1")) == c.get());
  CHECK(peers.longest_silent() == a.get());
  peers.heard(*a, t0 + 3s);
  CHECK(peers.longest_silent() == b.get());
  auto link_local = at("[fe80::1]:1");
  reinterpret_cast<sockaddr_in6*>(link_local.get())->sin6_scope_id = 1;
  const auto d = peers.add(link_local, t0);
  reinterpret_cast<sockaddr_in6*>(link_local.get())->sin6_scope_id = 2;
  CHECK(peers.find(link_local) == nullptr);
  peers.forget(*b);
  peers.forget(*b);
  CHECK(peers.size() == 3);
  CHECK(peers.find(at("127.0.0.1:2")) == nullptr);
  CHECK(peers.longest_silent() == c.get());
  a->came = 10;
  CHECK(a->may_get(10, 1));
  CHECK_FALSE(a->may_get(11, 1));
  CHECK(a->may_get(30, 3));
  CHECK(a->may_get(31, 0));
  a->went = 10;
  CHECK_FALSE(a->may_get(1, 1));
  a->proof->given = true;
  CHECK(a->may_get(1, 1));
}
