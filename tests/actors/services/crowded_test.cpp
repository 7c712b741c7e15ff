// A listener at its limits, and what it says: idle connections make room, one address has only so
// many, who is cut or fails stands in the log. Real sockets.
#include "actors/layers/framers.hpp"
#include "actors/services/internal/address_counts.hpp"
#include "actors/services/listener.hpp"
#include "runtime/supervision/tree.hpp"
#include "tests/actors/http_rig.hpp"
#include "tests/actors/service_rig.hpp"
#include "tests/actors/sockets.hpp"

#include <functional>
#include <utility>

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server, http1::writer;

namespace {

/// The number of that name, of the listener.
std::uint64_t number(const char* name) {
  const auto all = tree();
  std::uint64_t found = 0;
  const std::function<void(const tree_node&)> look = [&](const tree_node& node) {
    if (node.name == "http") found = node.number(name);
    for (auto& child : node.children) look(child);
  };
  look(all);
  return found;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// What comes until `what` has; the loop goes on meanwhile.
task<std::string> comes(client& c, std::string what) {
  std::string all;
  c.limit(1ms);
  for (int i = 0; i < 10'000 && !has(all, what); ++i) {
    all += c.receive();
    co_await sleep_for(1ms);
  }
  c.limit(20s);
  co_return all;
}

run_options loud() {
  auto o = quiet();
  o.log = true;
  return o;
}

} // namespace

TEST_CASE("pain 1, P18: at the cap the connection that is idle longest makes room") {
  std::vector<client> all;
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto spec = serving(server(name_handler), {.connections = 3, .least_idle = 1ms, .pause = 1ms});
    auto up = co_await n.start_ready<endpoint>(spec);
    const auto port = up.value.port;
    for (int i = 0; i < 3; ++i) {
      all.push_back(client::to(port));
      while (number("open") != std::uint64_t(i + 1)) co_await sleep_for(1ms);
    }
    all[0].send(get("/first")); // idle for less long than the second from now on
    co_await comes(all[0], "/first");
    for (int i = 0; i < 3; ++i) { // each takes the place of the one before it
      all.push_back(client::to(port));
      all.back().send(get("/new"));
      while (number("accepted") != std::uint64_t(4 + i)) co_await sleep_for(1ms);
    }
    CHECK(number("ended to make room") == 3);
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(all[1].rest() == ""); // a good end
  CHECK(all[1].error() == 0);
  CHECK(all[2].rest() == "");
  CHECK(has(all[5].rest(), "/new"));
}

TEST_CASE("pain 1: at the cap nobody who is at work is ended: who comes waits") {
  std::atomic<bool> go_on{false};
  const auto handler = [&](request& r) -> task<response> {
    while (!go_on) co_await sleep_for(1ms);
    co_return response::text(200, std::string(r.target()));
  };
  std::vector<client> all;
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto spec = serving(server(handler), {.connections = 2, .least_idle = 1ms, .pause = 1ms});
    auto up = co_await n.start_ready<endpoint>(spec);
    const auto port = up.value.port;
    for (int i = 0; i < 2; ++i) {
      all.push_back(client::to(port));
      all.back().send(get("/busy"));
    }
    while (number("requests") != 2) co_await sleep_for(1ms);
    all.push_back(client::to(port));
    all.back().send(get("/waits"));
    co_await sleep_for(20ms);
    CHECK(number("accepted") == 2);
    go_on = true; // now they are idle, and one of them makes room
    while (number("accepted") != 3) co_await sleep_for(1ms);
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
  for (auto& c : all) CHECK(has(c.rest(), " 200 "));
}

TEST_CASE("pain 1: at the cap nobody is ended whose first request may be on its way") {
  std::vector<client> all;
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto spec = serving(server(name_handler), {.connections = 2, .least_idle = 1h, .pause = 1ms});
    auto up = co_await n.start_ready<endpoint>(spec);
    for (int i = 0; i < 6; ++i) all.push_back(client::to(up.value.port));
    for (int i = 0; i < 6; i += 2) { // two at a time
      while (number("accepted") != std::uint64_t(i + 2)) co_await sleep_for(1ms);
      co_await sleep_for(20ms); // those that wait would have their places by now
      for (int k : {i, i + 1})
        all[std::size_t(k)].send(get("/" + std::to_string(k), "Connection: close\r\n"));
    }
    while (number("requests") != 6) co_await sleep_for(1ms);
    CHECK(number("ended to make room") == 0);
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
  for (int i = 0; i < 6; ++i) CHECK(has(all[std::size_t(i)].rest(), "/" + std::to_string(i)));
}

TEST_CASE("pain 1: a layer of one's own says when its connection may make room") {
  struct echo_at_rest final : layer {
    using speaks_above = no_speech;
    const char* name() const noexcept override { return "echo"; }
    void established() override { idle(true); }
    take received(const slice& in) override {
      idle(in.view().back() == '\n'); // between lines
      write_below(in);
      return all(in);
    }
  };
  client first, second, third;
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto spec = listener("127.0.0.1:0", layered<echo_at_rest>())
                    .options({.connections = 1, .least_idle = 1ms, .pause = 1ms})
                    .as_child("http");
    auto up = co_await n.start_ready<endpoint>(spec);
    first = client::to(up.value.port);
    first.send("a\n");
    const auto a = co_await comes(first, "a\n");
    CHECK(a == "a\n");
    second = client::to(up.value.port);
    second.send("b");
    const auto b = co_await comes(second, "b");
    CHECK(b == "b");
    CHECK(number("ended to make room") == 1);
    third = client::to(up.value.port); // the second is not idle
    co_await sleep_for(20ms);
    CHECK(number("accepted") == 2);
    second.send("\n");
    while (number("accepted") != 3) co_await sleep_for(1ms);
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(first.rest() == "");
  CHECK(second.rest() == "\n");
}

TEST_CASE("pain 1: one address has so many connections, and no more") {
  std::vector<client> all;
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto spec = serving(server(name_handler), {.per_address = 2, .count_loopback = true});
    auto up = co_await n.start_ready<endpoint>(spec);
    for (int round = 0; round < 3; ++round) {
      all.clear();
      for (int i = 0; i < 3; ++i) all.push_back(client::to(up.value.port));
      while (number("refused: too many of one address") != std::uint64_t(round + 1))
        co_await sleep_for(1ms);
      all[2].send(get("/"));
      all[1].send(get("/"));
      const auto second = co_await comes(all[1], "GET /");
      CHECK(has(second, " 200 "));
      CHECK(all[2].rest() == ""); // it was closed at once
      all.clear();
      while (number("open") != 0) co_await sleep_for(1ms);
    }
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("pain 1: addresses are counted as sites have them, and loopback is not") {
  using internal::address_counts, internal::packed_endpoint;
  const auto four = [](int a, int b, int c, int d) {
    packed_endpoint p;
    p.size = 4;
    p.bytes = {std::uint8_t(a), std::uint8_t(b), std::uint8_t(c), std::uint8_t(d)};
    return p;
  };
  packed_endpoint six, neighbour, other, own;
  six.size = neighbour.size = other.size = own.size = 16;
  six.bytes = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1};
  neighbour.bytes = six.bytes;
  neighbour.bytes[15] = 7;
  other.bytes = six.bytes;
  other.bytes[7] = 2;
  own.bytes[15] = 1;
  const auto key = [](const packed_endpoint& p) { return address_counts::key_of(p); };
  CHECK(key(six) == key(neighbour));
  CHECK(key(six) != key(other));
  CHECK(key(own) == address_counts::exempt);
  CHECK(key(four(127, 0, 0, 9)) == address_counts::exempt);
  CHECK(key(four(192, 0, 2, 1)) != key(four(192, 0, 2, 2)));
  address_counts counts;
  for (int i = 0; i < 5; ++i) CHECK(counts.add(address_counts::exempt, 1));
  CHECK(counts.add(key(six), 2));
  CHECK(counts.add(key(neighbour), 2));
  CHECK_FALSE(counts.add(key(six), 2));
  CHECK(counts.add(key(other), 2));
  CHECK_FALSE(counts.add(key(four(192, 0, 2, 1)), 0));
  CHECK(counts.addresses() == 2);
  counts.remove(key(six));
  CHECK(counts.add(key(six), 2));
  for (int i = 0; i < 3; ++i) counts.remove(key(six));
  counts.remove(key(other));
  CHECK(counts.addresses() == 0);
}

TEST_CASE("P11, L8: a task and a handler know who talks with them, and where") {
  std::uint16_t peer = 0;
  const auto own_port = [](const client& c) {
    sockaddr_in a{};
    socklen_t size = sizeof a;
    ::getsockname(c.fd(), reinterpret_cast<sockaddr*>(&a), &size);
    return ntohs(a.sin_port);
  };
  const auto handler = [](request& r) -> task<response> {
    co_return response::text(200, r.peer().to_text() + " to " + r.local().to_text());
  };
  std::string wanted;
  for (const char* at : {"127.0.0.1:0", "0.0.0.0:0"}) {
    auto spec = listener(at, server(handler)).as_child("http");
    const auto r = serve_while(1, std::move(spec), [&](std::uint16_t port) {
      auto c = client::to(port);
      wanted = "127.0.0.1:" + std::to_string(own_port(c)) + " to 127.0.0.1:" + std::to_string(port);
      c.send(get("/"));
      c.finish();
      CHECK(has(c.rest(), wanted));
    });
    CHECK(r.how() == run_result::kind::completed);
  }
  struct named {
    std::string name;
  };
  struct proxied final : layer {
    const char* name() const noexcept override { return "proxied"; }
    void established() override {
      facts().set(named{"x"});
      established_above();
    }
    take received(const slice& in) override {
      facts().set(addresses{{"192.0.2.7", 7}, {"192.0.2.8", 8}});
      return layer::received(in);
    }
  };
  const auto told = [&](connection& c) -> task<> {
    const auto before = c.peer();
    peer = before.port;
    co_await c.frames().next();
    auto text = c.peer().to_text() + " " + c.local().to_text();
    if (const auto* known = c.facts().find<named>()) text += known->name;
    co_await c.send(text);
  };
  auto spec = listener("127.0.0.1:0", layered<proxied>() / lines(line_end::lf), told).as_child("s");
  const auto r = serve_while(1, std::move(spec), [&](std::uint16_t port) {
    auto c = client::to(port);
    const auto mine = own_port(c);
    c.send("hello\n");
    CHECK(c.rest() == "192.0.2.7:7 192.0.2.8:8x\n");
    CHECK(peer == mine);
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("T5: a handler's failure is told as what it is, with its request and its peer") {
  const auto handler = [](request& r) -> task<response> {
    if (r.path() == "/bad") throw std::runtime_error("no such table");
    co_return response::stream(
        200, "text/plain",
        [long_one = r.path() == "/long"](writer& out) -> task<> {
          co_await out.write(long_one ? "abcdefghijkl" : "abc");
        },
        10);
  };
  const auto said = said_by([&] {
    run(loud(), [&](nursery& n) -> task<> {
      auto spec = serving(server(handler));
      auto up = co_await n.start_ready<endpoint>(spec);
      std::uint64_t answers = 0;
      for (const char* path : {"/bad?x", "/short", "/long"}) {
        auto c = client::to(up.value.port);
        c.send(get(path));
        for (++answers; number("failed") != answers;) co_await sleep_for(1ms);
      }
      n.stop();
    });
  });
  INFO(said);
  CHECK(has(said, "GET /bad of 127.0.0.1:"));
  CHECK(has(said, ", answered with 500: no such table"));
  CHECK(has(said, "GET /short of 127.0.0.1:"));
  CHECK(has(said, ": its answer, 200, was cut: it wrote 3 of the 10 bytes of its length"));
  CHECK(has(said, ": its answer, 200, was cut: it wrote more than the 10 bytes of its length"));
}

TEST_CASE("S7: a request that is cut at the end of a drain stands in the log") {
  const auto handler = [](request&) -> task<response> {
    co_await sleep_for(1h);
    co_return response::text(200, "never");
  };
  const auto said = said_by([&] {
    run(loud(), [&](nursery& n) -> task<> {
      auto spec = serving(server(handler), {.drain = 50ms});
      auto up = co_await n.start_ready<endpoint>(spec);
      auto c = client::to(up.value.port);
      c.send(get("/slow"));
      while (number("requests") != 1) co_await sleep_for(1ms);
      auto idle = client::to(up.value.port);
      up.child.stop();
      co_await up.child.wait();
      n.stop();
    });
  });
  INFO(said);
  CHECK(has(said, "GET /slow of 127.0.0.1:"));
  CHECK(has(said, " was cut: its connection was cancelled"));
  CHECK(has(said, "http: 1 of its connections were cut: they did not end in time"));
}

TEST_CASE("S7: of the limits of a drain the shortest wins, and the tree shows it at every level") {
  std::atomic<int> busy{0};
  const auto handler = [&](request&) -> task<response> {
    ++busy;
    co_await sleep_for(1h);
    co_return response::text(200, "never");
  };
  double left = -1;
  auto o = quiet();
  o.drain = 300ms; // less than the listener's
  client c;
  const auto start = std::chrono::steady_clock::now();
  run(o, [&](nursery& n) -> task<> {
    n.start([&]() -> task<> { // older than the listener, so it is stopped behind it
      while (left < 0) {
        co_await sleep_for(1ms);
        const auto all = tree();
        const std::function<void(const tree_node&)> look = [&](const tree_node& node) {
          if (node.name.starts_with("connection")) left = node.phase_ends_in_s;
          for (auto& child : node.children) look(child);
        };
        look(all);
      }
    });
    auto spec = serving(server(handler).limits({.fields = 10}), {.drain = 600s});
    auto up = co_await n.start_ready<endpoint>(spec);
    c = client::to(up.value.port);
    c.send(get("/"));
    while (busy != 1) co_await sleep_for(1ms);
    n.stop();
  });
  CHECK(left >= 0);
  CHECK(left <= 0.3);
  CHECK(std::chrono::steady_clock::now() - start < 60s);
}

TEST_CASE("S7, L8: a handler sees the drain, and ends its stream by itself") {
  const auto ticks = [](request&) -> task<response> {
    co_return response::stream(200, "text/plain", [](writer& out) -> task<> {
      while (!is_stopping()) {
        co_await out.write("tick ");
        co_await sleep_for(1ms);
      }
      co_await out.write("bye");
    });
  };
  client c;
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto spec = serving(server(ticks));
    auto up = co_await n.start_ready<endpoint>(spec);
    c = client::to(up.value.port);
    c.send(get("/"));
    while (number("requests") != 1) co_await sleep_for(1ms);
    n.stop();
  });
  CHECK(has(c.rest(), "bye\r\n0\r\n\r\n"));
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("P18: a slow and steady reader is not taken for one that stalls, though its window opens "
          "late") {
  const auto endless = [](request&) -> task<response> {
    co_return response::stream(200, "text/plain", [](writer& out) -> task<> {
      for (;;) co_await out.write(std::string(16'384, 'x'));
    });
  };
  for (const bool rate : {false, true}) {
    INFO(rate);
    // On a busy machine the reader does not keep its pace, which says nothing: again.
    bool kept_pace = false;
    for (int tries = 0; tries < 10 && !kept_pace; ++tries) {
      bool cut = false;
      http1::timeouts t;
      t.write_stall = rate ? clock_duration(1h) : clock_duration(2s);
      t.least_rate = rate ? 10'000 : 0; // it takes twice that
      t.rate_over = 2s;
      auto spec = serving(server(endless).timeouts(t));
      const auto r = serve_while(1, std::move(spec), [&](std::uint16_t port) {
        client c(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const int small = 16'384; // before it connects: so small a window closes
        ::setsockopt(c.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(port);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(c.fd(), reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
        c.send(get("/"));
        kept_pace = true;
        auto last = std::chrono::steady_clock::now();
        for (const auto start = last; last - start < 5s && !cut;) {
          cut = c.receive(2048).empty();
          std::this_thread::sleep_for(100ms); // its pace
          const auto now = std::chrono::steady_clock::now();
          kept_pace &= now - std::exchange(last, now) < 200ms;
        }
        c.reset();
      });
      CHECK(r.how() == run_result::kind::completed);
      CHECK_FALSE((kept_pace && cut));
    }
    CHECK(kept_pace);
  }
}

TEST_CASE("L4, S7: a drain does not linger for clients that are silent, once they have all") {
  client c;
  const auto start = std::chrono::steady_clock::now();
  const auto echo = [](connection& a) -> task<> {
    while (auto line = co_await a.frames().next()) co_await a.send(std::move(*line));
  };
  auto spec = listener("127.0.0.1:0", lines(line_end::lf), echo).timeouts({.linger = 60s});
  auto child = std::move(spec).as_child("lines");
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto up = co_await n.start_ready<endpoint>(child);
    c = client::to(up.value.port);
    c.send("one\n");
    const auto answer = co_await comes(c, "\n");
    CHECK(answer == "one\n");
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(std::chrono::steady_clock::now() - start < 5s);
  CHECK(c.rest() == "");
  CHECK(c.error() == 0);
}
