// The transport, on a socket pair and the virtual clock: a local pair delivers at once, so that
// everything is deterministic but the size of the kernel's buffers.
#include "actors/transport/internal/tcp_layer.hpp"

#include "runtime/memory/pool.hpp"
#include "tests/actors/http_rig.hpp"
#include "tests/actors/sockets.hpp"

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server, http1::writer;
using internal::tcp_layer, internal::transport_limits;
using transport_ends = std::array<unsigned, ended_by_kinds>;

namespace {

unsigned closed_as(const transport_ends& ends, ended_by how) { return ends[std::size_t(how)]; }

struct tcp_rig {
  client peer;
  int fd = -1; // the layer's, from the start of the stack
  transport_ends ends{};
  internal::request_counters counters;
  transport_limits limits;
  child stack;
  made_stack* actor = nullptr; // while the stack lives

  tcp_rig() {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    const int small = 8192;
    ::setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    ::fcntl(pair[0], F_SETFL, O_NONBLOCK);
    ::fcntl(pair[1], F_SETFL, O_NONBLOCK);
    fd = pair[0];
    peer = client(pair[1]);
  }
  /// The pair is of the one kind of socket that answers with a reset.
  void over_tcp() {
    ::close(fd);
    const int port = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* address = reinterpret_cast<sockaddr*>(&at);
    REQUIRE(::bind(port, address, size) == 0);
    REQUIRE(::listen(port, 1) == 0);
    REQUIRE(::getsockname(port, address, &size) == 0);
    peer = client::to(ntohs(at.sin_port));
    fd = ::accept4(port, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    ::close(port);
  }
  void start(nursery& n, std::vector<probe_layer::hooks> above) {
    stack = start_stack(n, [this, above = std::move(above)](made_stack& s) {
      s.transport_ends = &ends;
      s.add<tcp_layer>("tcp", nullptr, fd, limits);
      for (auto& h : above) s.add<probe_layer>("probe", nullptr, h);
    });
  }
  void start(nursery& n, std::shared_ptr<const server> config) {
    stack = start_stack(n, [this, config](made_stack& s) {
      actor = &s;
      s.transport_ends = &ends;
      s.add<tcp_layer>("tcp", nullptr, fd, limits);
      s.add<internal::http1_layer>("http1", nullptr, *config, counters);
    });
  }
};

/// Runs `script(nursery&, tcp_rig&)`; the stack must be gone at the end, and its descriptor closed.
template <class F> void with_tcp(F script) {
  tcp_rig x;
  auto r = run_virtual([&](nursery& n) -> task<> {
    co_await script(n, x);
    x.peer.close();
    co_await settled();
    CHECK(x.stack.ended());
    x.stack.cancel();
    co_await x.stack.wait();
  });
  CHECK(r.deadlock == "");
  CHECK(r.leaked == 0);
  CHECK(r.run.how() == run_result::kind::completed);
  CHECK_FALSE(is_open(x.fd));
  unsigned ends = 0;
  for (auto count : x.ends) ends += count;
  CHECK(ends == 1); // counted once, whatever happened
}
template <class F> void with_tcp_http(server s, F script) {
  const auto config = std::make_shared<const server>(std::move(s));
  with_tcp([&](nursery& n, tcp_rig& x) -> task<> {
    x.start(n, config);
    co_await script(x);
  });
}

task<response> endless_handler(request&) {
  co_return response::stream(200, "text/plain", [](writer& out) -> task<> {
    const std::string block(10'000, 'x');
    for (;;) co_await out.write(block);
  });
}

const auto eat = [](probe_layer&, const slice& in) { return std::size_t(in.size()); };

} // namespace

TEST_CASE("pain 10: a request and the end of the stream in one packet are answered, 100 of 100") {
  for (int i = 0; i < 100; ++i) {
    with_tcp_http(server(name_handler), [](tcp_rig& x) -> task<> {
      x.peer.send(get("/"));
      x.peer.finish();
      co_await x.stack.wait();
      CHECK(statuses_in(x.peer.rest()) == std::vector<int>{200});
      CHECK(closed_as(x.ends, ended_by::clean) == 1);
    });
  }
}

TEST_CASE("P18: a peer that takes nothing for the time of a write stall is cut off") {
  with_tcp_http(server(endless_handler), [](tcp_rig& x) -> task<> {
    x.peer.send(get("/"));
    const auto start = now();
    co_await sleep_until(start + 30s - 1ns);
    CHECK_FALSE(x.stack.ended());
    co_await sleep_until(start + 30s);
    co_await settled();
    CHECK(x.stack.ended());
    CHECK(closed_as(x.ends, ended_by::timeout) == 1);
  });
}

TEST_CASE(
    "X2, L3: an answer in single bytes to a peer that reads nothing is held, and not changed") {
  constexpr int bytes = 200'000;
  const auto nth = [](int i) { return char('a' + i % 23); };
  const auto handler = [&](request&) -> task<response> {
    co_return response::stream(200, "text/plain", [&](writer& out) -> task<> {
      for (int i = 0; i < bytes; ++i) {
        const char c = nth(i);
        co_await out.write(std::string_view(&c, 1));
      }
    });
  };
  for (const bool chunked : {true, false}) {
    INFO(chunked);
    with_tcp_http(server(handler), [&](tcp_rig& x) -> task<> {
      const auto before = creche::detail::pool::carved(); // 0 for ever where blocks are malloc's
      x.peer.send(chunked ? get("/") : "GET / HTTP/1.0\r\n\r\n");
      co_await sleep_for(1s);
      CHECK(creche::detail::pool::carved() - before < 1'000'000);
      x.peer.finish();
      std::string got;
      while (!x.stack.ended()) {
        got += x.peer.rest();
        co_await sleep_for(1ms);
      }
      got += x.peer.rest();
      const auto a = answers_in(got);
      REQUIRE(a.size() == 1);
      REQUIRE(a[0].body.size() == bytes);
      bool same = true;
      for (int i = 0; i < bytes; ++i) same = same && a[0].body[std::size_t(i)] == nth(i);
      CHECK(same);
    });
  }
}

TEST_CASE("X2, P15: small writes that wait are joined, but not across a question") {
  constexpr int writes = 200; // more than wait as they came
  probe_layer::hooks h;
  h.received = [](probe_layer& p, const slice& in) {
    p.write_below(slice::copy_of(std::string(40'000, 'z'))); // more than the kernel takes
    for (const char* what : {"a", "b"}) {
      for (int i = 0; i < writes; ++i) p.write_below(slice::copy_of(what));
      p.ask_flushed(std::make_unique<internal::message>(internal::verb::ask_flushed));
    }
    p.write_below(slice::copy_of("c"));
    p.write_below(slice::copy_of(std::string(1000, 'd')));
    p.write_below(slice::copy_of("e"));
    p.close_below(ended_by::clean);
    return std::size_t(in.size());
  };
  with_tcp([&](nursery& n, tcp_rig& x) -> task<> {
    x.start(n, {h});
    x.peer.send("go");
    co_await settled();
    x.peer.finish();
    std::string got;
    while (!x.stack.ended()) {
      got += x.peer.rest();
      co_await sleep_for(1ms);
    }
    got += x.peer.rest();
    REQUIRE(got.size() == 40'000 + 2 * writes + 1002);
    CHECK(got.substr(40'000) ==
          std::string(writes, 'a') + std::string(writes, 'b') + "c" + std::string(1000, 'd') + "e");
  });
}

TEST_CASE("P18: a peer that takes a little now and then is not cut off") {
  with_tcp_http(server(endless_handler), [](tcp_rig& x) -> task<> {
    x.peer.send(get("/"));
    for (int i = 0; i < 20; ++i) {
      co_await sleep_for(29s);
      for (int k = 0; k < 4; ++k) CHECK_FALSE(x.peer.receive(4096).empty());
    }
    CHECK_FALSE(x.stack.ended());
    const auto start = now();
    co_await sleep_until(start + 30s - 1ns);
    CHECK_FALSE(x.stack.ended());
    co_await x.stack.wait();
    CHECK(now() < start + 38s); // what it took last may have been seen 7.5 s later
  });
}

TEST_CASE(
    "P18: a peer that takes less than the least rate is cut off, one that takes more is not") {
  for (const bool slow : {false, true}) {
    INFO(slow);
    tcp_rig x;
    x.limits.least_bytes = 30 * 1024;
    x.limits.write_stall = 1h;
    const auto config = std::make_shared<const server>(endless_handler);
    auto r = run_virtual([&](nursery& n) -> task<> {
      x.start(n, config);
      x.peer.send(get("/"));
      co_await settled();
      const auto start = now();
      const auto step = slow ? 3s : 1s;
      while (now() < start + 5min && !x.stack.ended()) {
        co_await sleep_for(step);
        for (int i = 0; i < (slow ? 1 : 3); ++i) x.peer.receive(slow ? 1024 : 4096);
      }
      CHECK(x.stack.ended() == slow);
      if (slow) CHECK(now() <= start + 40s);
      if (slow) CHECK(closed_as(x.ends, ended_by::timeout) == 1);
      x.peer.close();
      co_await settled();
      x.stack.cancel();
      co_await x.stack.wait();
    });
    CHECK(r.deadlock == "");
    CHECK(r.leaked == 0);
  }
}

TEST_CASE("P18: what the kernel has left to send at the end has the same least rate") {
  for (const bool reads : {true, false}) {
    INFO(reads);
    tcp_rig x;
    x.limits.least_bytes = 1024;
    x.limits.rate_over = 10s;
    const auto config = std::make_shared<const server>([](request&) -> task<response> {
      co_return response::text(200, std::string(4000, 'x')).close();
    });
    auto r = run_virtual([&](nursery& n) -> task<> {
      x.start(n, config);
      x.peer.send(get("/"));
      const auto start = now(); // all is in the kernel at once; looked at 0.5 s later
      co_await sleep_until(start + 10500ms - 1ns);
      CHECK_FALSE(x.stack.ended());
      if (reads) CHECK(answers_in(x.peer.rest()).at(0).complete);
      co_await sleep_until(start + 10500ms);
      co_await settled();
      CHECK(x.stack.ended() == !reads);
      co_await sleep_until(start + 12500ms); // it has taken all, and has 2 s to say its end
      co_await settled();
      CHECK(x.stack.ended());
      CHECK(closed_as(x.ends, reads ? ended_by::clean : ended_by::timeout) == 1);
      x.peer.close();
      co_await x.stack.wait();
    });
    CHECK(r.deadlock == "");
    CHECK(r.leaked == 0);
  }
}

TEST_CASE(
    "P18: a peer that takes bytes steadily is not cut off, however slow the kernel asks for more") {
  with_tcp_http(server(endless_handler), [](tcp_rig& x) -> task<> {
    const int large = 200'000; // asks for more when a quarter of it is left
    REQUIRE(::setsockopt(x.fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof large) == 0);
    x.peer.send(get("/"));
    for (int i = 0; i < 40; ++i) {
      co_await sleep_for(5s);
      CHECK_FALSE(x.peer.receive(16'384).empty());
    }
    CHECK_FALSE(x.stack.ended());
    co_await x.stack.wait(); // it takes no more
    CHECK(closed_as(x.ends, ended_by::timeout) == 1);
  });
}

TEST_CASE("L4, P18: what was sent before a close has as long as the peer takes bytes of it") {
  for (const bool reads : {true, false}) {
    INFO(reads);
    with_tcp([&](nursery& n, tcp_rig& x) -> task<> {
      const int large = 200'000;
      REQUIRE(::setsockopt(x.fd, SOL_SOCKET, SO_SNDBUF, &large, sizeof large) == 0);
      x.start(n, {{.attached = [](probe_layer& layer) {
                for (int i = 0; i < 12; ++i)
                  layer.write_below(slice::copy_of(std::string(5'000, 'x')));
                layer.close_below(ended_by::clean);
              }}});
      const auto start = now();
      std::size_t got = 0;
      while (reads && got < 60'000) {
        co_await sleep_for(1s); // takes 15 s: the linger is 2 s
        CHECK_FALSE(x.stack.ended());
        got += x.peer.receive(4096).size();
      }
      co_await x.stack.wait();
      const auto took = now() - start;
      CHECK(closed_as(x.ends, reads ? ended_by::clean : ended_by::timeout) == 1);
      CHECK(took >= (reads ? 16s : 30s));
      CHECK(took <= (reads ? 19s : 33s));
    });
  }
}

TEST_CASE("P18: a write stall is measured from the first byte that waits, not from long ago") {
  with_tcp([](nursery& n, tcp_rig& x) -> task<> {
    probe_layer* top = nullptr;
    x.start(n, {{.attached = [&](probe_layer& l) { top = &l; },
                 .received = [&](probe_layer& l, const slice& in) -> std::size_t {
                   l.write_below(slice::copy_of(std::string(20'000, 'x')));
                   return in.size();
                 }}});
    x.peer.send("a");
    co_await sleep_for(1s); // the timer is set for 30 s
    while (!x.peer.receive().empty()) co_await settled();
    co_await sleep_for(25s);
    x.peer.send("b"); // waits anew
    const auto start = now();
    co_await sleep_until(start + 30s - 1ns);
    CHECK_FALSE(x.stack.ended());
    co_await sleep_until(start + 30s);
    co_await settled();
    CHECK(x.stack.ended());
  });
}

TEST_CASE("L4: after its last word the transport waits for the peer's, for a while") {
  const auto close = [](request&) -> task<response> { co_return response::text(200, "x").close(); };
  with_tcp_http(server(close), [](tcp_rig& x) -> task<> {
    x.peer.send(get("/"));
    co_await settled();
    CHECK(statuses_in(x.peer.rest()) == std::vector<int>{200});
    CHECK_FALSE(x.stack.ended());
    x.peer.send("whatever");    // forgotten, and no reset for it
    co_await sleep_for(2499ms); // that it took all is seen after 0.5 s
    CHECK_FALSE(x.stack.ended());
    co_await sleep_for(1ms);
    CHECK(x.stack.ended());
    CHECK(closed_as(x.ends, ended_by::clean) == 1);
  });
  with_tcp_http(server(close), [](tcp_rig& x) -> task<> {
    x.peer.send(get("/"));
    co_await settled();
    x.peer.finish();
    co_await settled();
    CHECK(x.stack.ended()); // no need to wait
  });
}

TEST_CASE("L12: what is written in one turn goes out in order, however the kernel takes it") {
  std::string expected, got;
  for (int i = 0; i < 2000; ++i) expected += std::to_string(i) + ",";
  with_tcp([&](nursery& n, tcp_rig& x) -> task<> {
    x.start(n, {{.attached = [](probe_layer& l) {
              for (int i = 0; i < 2000; ++i) {
                l.write_below(slice::copy_of(std::to_string(i)));
                l.write_below(slice()); // nothing, and no harm
                l.write_below(slice::of_static(","));
              }
              l.close_below(ended_by::clean);
            }}});
    while (got.size() < expected.size()) {
      co_await settled();
      got += x.peer.receive(1000);
    }
    CHECK(got == expected);
  });
}

TEST_CASE("pain 10: a reset is seen while the transport is held, and after the peer's end") {
  for (const bool held : {true, false}) {
    INFO("held ", held);
    with_tcp([&](nursery& n, tcp_rig& x) -> task<> {
      hold h;
      x.start(n, {{.attached =
                       [&](probe_layer& l) {
                         if (held) h = l.pause_in("test");
                         l.write_below(slice::of_static("unread: closing now is a reset"));
                       },
                   .received = eat,
                   .eof = [](probe_layer&) {}}});
      co_await settled();
      if (held)
        while (x.peer.send(std::string(4096, 'x'))) co_await settled();
      else
        x.peer.finish();
      co_await settled();
      CHECK_FALSE(x.stack.ended());
      x.peer.close();
      co_await settled();
      CHECK(x.stack.ended());
      CHECK(closed_as(x.ends, ended_by::reset) == 1);
    });
  }
}

TEST_CASE("pain 10: a reset that is told together with the peer's end is seen") {
  with_tcp([&](nursery& n, tcp_rig& x) -> task<> {
    x.over_tcp();
    bool ended = false;
    probe_layer* layer = nullptr;
    x.start(n, {{.attached = [&](probe_layer& l) { layer = &l; },
                 .received = eat,
                 .eof = [&](probe_layer&) { ended = true; }}});
    co_await settled();
    x.peer.close();
    layer->write_below(slice::of_static("answered with a reset")); // before anybody looks
    co_await settled();
    CHECK(ended);
    CHECK(x.stack.ended());
    CHECK(closed_as(x.ends, ended_by::reset) == 1);
  });
}

TEST_CASE("P3, pain 11: urgent data while held does not keep the loop busy") {
  with_tcp([](nursery& n, tcp_rig& x) -> task<> {
    hold h;
    x.start(n, {{.attached = [&](probe_layer& l) { h = l.pause_in("test"); }, .received = eat}});
    co_await settled();
    while (x.peer.send(std::string(4096, 'x'))) co_await settled();
    h.release();
    co_await settled();
    (void)::send(x.peer.fd(), "!", 1, MSG_OOB); // a kernel may refuse it: then there is no danger
    co_await settled();                         // would never come
    CHECK_FALSE(x.stack.ended());
  });
}

TEST_CASE("L3: while held the transport reads no further than the mark, and loses nothing") {
  with_tcp([](nursery& n, tcp_rig& x) -> task<> {
    std::size_t sent = 0, seen = 0;
    hold h;
    x.start(n, {{.attached = [&](probe_layer& l) { h = l.pause_in("test"); },
                 .received = [&](probe_layer&,
                                 const slice& in) { return seen += in.size(), in.size(); }}});
    co_await settled();
    const std::string block(1000, 'x');
    while (::send(x.peer.fd(), block.data(), block.size(), MSG_NOSIGNAL) > 0) {
      sent += block.size();
      co_await settled();
    }
    CHECK(seen == 0);
    CHECK(sent < 1'000'000);
    h.release();
    co_await settled();
    CHECK(seen == sent);
  });
}

TEST_CASE("pain 10: the peer's end behind more than the marks is told after the last byte") {
  for (std::size_t n : {65'536u, 65'537u, 100'000u, 200'000u}) {
    for (bool again : {false, true}) { // held a second time, with all of it read
      INFO(n, " bytes");
      with_tcp([&](nursery& n_, tcp_rig& x) -> task<> {
        std::size_t seen = 0;
        int ends = 0;
        hold h;
        x.start(n_, {{.attached = [&](probe_layer& l) { h = l.pause_in("test"); },
                      .received = [&](probe_layer& l, const slice& in) -> std::size_t {
                        seen += in.size();
                        if (seen == n && again) h = l.pause_in("again");
                        return in.size();
                      },
                      .eof =
                          [&](probe_layer& l) {
                            ++ends;
                            l.close_below(ended_by::clean);
                          }}});
        const std::string block(1000, 'x');
        for (std::size_t sent = 0; sent < n;) {
          const auto k =
              ::send(x.peer.fd(), block.data(), std::min(block.size(), n - sent), MSG_NOSIGNAL);
          if (k > 0) sent += std::size_t(k);
          if (k < 0) h.release(); // the kernel holds no more of it
          co_await settled();
        }
        x.peer.finish();
        co_await settled();
        CHECK(ends == (seen == n && !again ? 1 : 0));
        h.release();
        co_await settled();
        CHECK(seen == n);
        h.release();
        co_await settled();
        CHECK(ends == 1);
      });
    }
  }
}

TEST_CASE("T7: a cancel at any time closes the socket; asio has given back what it held") {
  for (int when = 0; when < 6; ++when) {
    INFO("situation ", when);
    with_tcp([&](nursery& n, tcp_rig& x) -> task<> {
      hold h;
      x.start(n, {{.attached =
                       [&](probe_layer& l) {
                         if (when == 2) h = l.pause_in("test");
                         if (when == 3)
                           for (int i = 0; i < 60; ++i)
                             l.write_below(slice::copy_of(std::string(1000, 'x')));
                         if (when == 4) l.close_below(ended_by::clean); // lingers
                       },
                   .received = eat}});
      if (when > 0) co_await settled(); // else: before its first turn
      if (when == 2)
        while (x.peer.send(std::string(4096, 'x'))) co_await settled();
      if (when == 5) x.peer.send("just now");
      x.stack.cancel();
      co_await x.stack.wait();
      CHECK_FALSE(is_open(x.fd));
    });
  }
}

TEST_CASE("T5: the transport of a stack that fails is closed, whatever it was about to do") {
  with_tcp([](nursery& n, tcp_rig& x) -> task<> {
    x.start(n, {{.received = [](probe_layer& l, const slice&) -> std::size_t {
              l.write_below(slice::copy_of("never flushed by a dead one"));
              throw std::runtime_error("boom");
            }}});
    x.peer.send("x");
    co_await x.stack.wait();
    CHECK(x.stack.result()->kind == how::failed);
  });
}

TEST_CASE("T5: a descriptor that cannot be watched fails its stack") {
  const transport_limits limits;
  constexpr int fd = 1'000'000; // there is none
  child stack;
  auto r = run_virtual([&](nursery& n) -> task<> {
    stack = start_stack(n, [&](made_stack& s) {
      s.add<tcp_layer>("tcp", nullptr, fd, limits);
      s.add<probe_layer>("probe", nullptr, probe_layer::hooks{});
    });
    co_await stack.wait();
  });
  CHECK(r.leaked == 0);
  CHECK(stack.result()->kind == how::failed);
}

TEST_CASE("S7: drain reads what the kernel has, and answers it; a cancel does not") {
  for (const bool drain : {true, false}) {
    with_tcp_http(server(name_handler), [&](tcp_rig& x) -> task<> {
      co_await settled();
      x.peer.send(get("/1"));
      if (drain)
        x.actor->drain();
      else
        x.stack.cancel();
      x.peer.finish();
      co_await x.stack.wait();
      CHECK(statuses_in(x.peer.rest()) == (drain ? std::vector<int>{200} : std::vector<int>{}));
    });
  }
}
