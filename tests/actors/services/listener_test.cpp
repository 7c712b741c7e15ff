// The service as a user has it: real sockets, real loops, clients on threads of their own.
#include "actors/services/listener.hpp"

#include "runtime/supervision/tree.hpp"
#include "runtime/system/run.hpp"
#include "runtime/task/scope.hpp"
#include "tests/actors/http_rig.hpp"
#include "tests/actors/service_rig.hpp"
#include "tests/actors/sockets.hpp"

#include <poll.h>
#include <sys/wait.h>

#include <csignal>
#include <functional>
#include <set>
#include <thread>

using namespace creche;
using namespace creche::testing;
using http1::request, http1::response, http1::server, http1::writer;

namespace {

/// Serves while `clients(port)` runs on a thread of its own, then stops in good order.
template <class F> void serve(unsigned loops, server s, const listener_options& o, F clients) {
  const auto r = serve_while(loops, serving(std::move(s), o), std::move(clients));
  INFO((r.failures() ? r.failures()->to_text() : ""));
  CHECK(r.how() == run_result::kind::completed);
}
template <class F> void serve(server s, F clients) {
  serve(1, std::move(s), {}, std::move(clients));
}

void wait_until(const std::atomic<int>& a, int wanted) {
  for (int seen = a.load(); seen != wanted; seen = a.load()) a.wait(seen);
}

/// Counts those alive; a foreign thread can wait for a number.
struct living {
  std::atomic<int>& count;
  explicit living(std::atomic<int>& c) : count(c) { change(1); }
  living(const living&) = delete;
  ~living() { change(-1); }
  void change(int by) {
    count += by;
    count.notify_all();
  }
};

} // namespace

TEST_CASE("pain 10: a request and FIN in one packet are answered, 100 of 100, over TCP") {
  serve(server(name_handler), [](std::uint16_t port) {
    for (int i = 0; i < 100; ++i) {
      auto c = client::to(port);
      c.send(get("/"));
      c.finish();
      CHECK(statuses_in(c.rest()) == std::vector<int>{200});
    }
  });
}

TEST_CASE("L2: a client that has half-closed gets all answers, also slow and large ones") {
  const auto handler = [](request& r) -> task<response> {
    for (int i = 0; i < 100; ++i) co_await checkpoint();
    co_return response::text(200, std::string(r.path() == "/large" ? 3'000'000 : 10, 'x'));
  };
  serve(server(handler), [](std::uint16_t port) {
    auto c = client::to(port);
    c.send(get("/") + get("/large") + get("/"));
    c.finish();
    CHECK(statuses_in(c.rest()) == std::vector<int>{200, 200, 200});
  });
}

TEST_CASE("pain 10: a reset cancels the handler, also while the transport is held") {
  std::atomic<int> alive{0};
  const auto handler = [&](request&) -> task<response> {
    living l(alive);
    co_await sleep_for(1h);
    co_return response::text(200, "x");
  };
  http1::limits large;
  large.body = std::uint64_t{1} << 40;
  serve(server(handler).limits(large), [&](std::uint16_t port) {
    auto idle = client::to(port);
    idle.send(get("/"));
    wait_until(alive, 1);
    auto uploads = client::to(port);
    uploads.send(post_head("/", 1'000'000'000));
    wait_until(alive, 2);
    uploads.limit(std::chrono::milliseconds(50));
    while (uploads.send(std::string(100'000, 'x'))) {
    } // until nothing goes any more: it is held
    uploads.reset();
    wait_until(alive, 1);
    idle.reset();
    wait_until(alive, 0);
  });
}

TEST_CASE("S7: 500 connections at once, over two loops") {
  raise_file_limit();
  std::set<std::thread::id> threads;
  std::mutex lock;
  const auto handler = [&](request& r) -> task<response> {
    {
      std::lock_guard hold(lock);
      threads.insert(std::this_thread::get_id());
    }
    co_return response::text(200, std::string(r.target()));
  };
  serve(2, server(handler), {}, [](std::uint16_t port) {
    std::vector<client> all;
    for (int i = 0; i < 500; ++i) all.push_back(client::to(port));
    for (int round = 0; round < 2; ++round) {
      for (std::size_t i = 0; i < all.size(); ++i) all[i].send(get("/" + std::to_string(i)));
      for (std::size_t i = 0; i < all.size(); ++i)
        REQUIRE(all[i].until("/" + std::to_string(i)).find(" 200 ") != std::string::npos);
    }
  });
  CHECK(threads.size() == 2);
}

TEST_CASE("L3: a client that does not read a large body holds its producer") {
  std::atomic<std::size_t> produced{0};
  const auto handler = [&](request&) -> task<response> {
    co_return response::stream(200, "text/plain", [&](writer& out) -> task<> {
      const std::string block(10'000, 'x');
      for (;;) {
        co_await out.write(block);
        produced += block.size();
      }
    });
  };
  serve(server(handler), [&](std::uint16_t port) {
    auto c = client::to(port);
    c.send(get("/"));
    std::size_t read = 0, most = 0;
    while (read < 50'000'000) {
      const auto s = c.receive(1'000'000);
      REQUIRE_FALSE(s.empty());
      read += s.size();
      const auto made = produced.load();
      most = std::max(most, made > read ? made - read : 0);
    }
    CHECK(most < 16'000'000); // the kernel's two buffers, and little more
    c.reset();
  });
}

TEST_CASE("S7: connections beyond the most wait in the kernel's queue, and then have their turn") {
  listener_options two;
  two.connections = 2;
  std::atomic<int> busy{0};
  const auto handler = [&](request& r) -> task<response> {
    living l(busy);
    if (r.path() == "/busy") co_await sleep_for(1h);
    co_return response::text(200, "GET /");
  };
  serve(1, server(handler), two, [&](std::uint16_t port) {
    auto a = client::to(port), b = client::to(port);
    for (auto* c : {&a, &b}) c->send(get("/busy"));
    wait_until(busy, 2);
    auto third = client::to(port);
    third.send(get("/"));
    third.limit(std::chrono::milliseconds(100));
    CHECK(third.receive() == "");
    CHECK(third.error() == EAGAIN);
    third.limit(std::chrono::seconds(20));
    a.reset();
    CHECK(third.until("GET /").find(" 200 ") != std::string::npos);
    b.reset();
    wait_until(busy, 0);
  });
}

TEST_CASE("T5: a port in use is told to whoever starts the listener") {
  std::error_code seen;
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto first = serving(server(name_handler));
    const auto up = co_await n.start_ready<endpoint>(first);
    auto second = listener(up.value.to_text(), server(name_handler)).as_child("second");
    try {
      co_await n.start_ready<endpoint>(second);
    } catch (const std::system_error& e) {
      seen = e.code();
    }
    CHECK(n.live() == 1);
    n.stop();
  });
  CHECK(seen == std::errc::address_in_use);
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("S7: drain serves what the kernel had accepted") {
  std::vector<client> clients;
  http1::timeouts hasty;
  hasty.linger = 50ms; // they listen to us only when all is over
  auto spec = serving(server(name_handler).timeouts(hasty));
  const auto r = run(quiet(2), [&](nursery& n) -> task<> {
    const auto up = co_await n.start_ready<endpoint>(spec);
    // in one turn of the listener's loop: it could not accept any of them before it is stopped
    for (int i = 0; i < 50; ++i) {
      clients.push_back(client::to(up.value.port));
      clients.back().send(get("/"));
    }
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
  for (auto& c : clients) CHECK(statuses_in(c.rest()) == std::vector<int>{200});
}

TEST_CASE("S7: drain lets requests in hand finish, closes the idle, and takes nobody new") {
  std::atomic<int> alive{0};
  std::atomic<bool> go_on{false};
  const auto handler = [&](request&) -> task<response> {
    living l(alive);
    while (!go_on) co_await sleep_for(1ms);
    co_return response::text(200, "done");
  };
  auto spec = serving(server(handler));
  std::thread peer;
  const auto r = run(quiet(2), [&](nursery& n) -> task<> {
    const auto up = co_await n.start_ready<endpoint>(spec);
    peer = std::thread([&, port = up.value.port] {
      auto idle = client::to(port), busy = client::to(port);
      busy.send(get("/"));
      wait_until(alive, 1);
      alive = 100; // the body may stop now
      CHECK(idle.rest() == "");
      CHECK_THROWS_AS(client::to(port), std::system_error);
      go_on = true;
      CHECK(statuses_in(busy.rest()) == std::vector<int>{200});
    });
    while (alive != 100) co_await sleep_for(1ms);
    n.stop();
  });
  peer.join();
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("S7: a connection may drain for as long as its listener says") {
  std::atomic<int> alive{0};
  std::atomic<bool> go_on{false};
  const auto handler = [&](request&) -> task<response> {
    living l(alive);
    while (!go_on) co_await sleep_for(1ms);
    co_return response::text(200, "done");
  };
  auto spec = serving(server(handler), {.drain = 600s});
  std::thread peer;
  double left = -1;
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto up = co_await n.start_ready<endpoint>(spec);
    peer = std::thread([&, port = up.value.port] {
      auto busy = client::to(port);
      busy.send(get("/"));
      CHECK(statuses_in(busy.rest()) == std::vector<int>{200});
    });
    while (alive != 1) co_await sleep_for(1ms);
    up.child.stop();
    for (int i = 0; i < 10'000 && left < 0; ++i) {
      co_await sleep_for(1ms);
      const auto all = tree();
      const std::function<void(const tree_node&)> look = [&](const tree_node& node) {
        if (node.name.starts_with("connection")) left = node.phase_ends_in_s;
        for (auto& child : node.children) look(child);
      };
      look(all);
    }
    go_on = true;
    n.stop();
  });
  peer.join();
  CHECK(left > 500);
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("S1: a listener that failed binds its port again, the one the system had chosen") {
  backoff soon;
  soon.first = soon.most = 1ms;
  auto spec = serving(server(name_handler)).restart(restart::permanent).backoff(soon);
  const auto r = run(quiet(), [&](nursery& n) -> task<> {
    auto up = co_await n.start_ready<endpoint>(spec);
    const auto port = up.value.port;
    auto before = client::to(port);
    // what makes accept fail for good: somebody shuts the listening socket down
    for (int fd = 3; fd < 1000; ++fd) {
      int listens = 0;
      socklen_t size = sizeof listens;
      sockaddr_in a{};
      socklen_t n_a = sizeof a;
      if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens &&
          ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &n_a) == 0 &&
          ntohs(a.sin_port) == port)
        ::shutdown(fd, SHUT_RDWR);
    }
    while (up.child.restarts() == 0) co_await sleep_for(1ms);
    for (std::string seen; seen.find(" 200 ") == seen.npos;) {
      co_await sleep_for(1ms);
      std::thread([&] {
        try {
          auto c = client::to(port);
          c.send(get("/"));
          seen = c.until("GET /");
        } catch (const std::system_error&) { // not yet
        }
      }).detach();
      while (seen.empty()) co_await sleep_for(1ms);
    }
    n.stop();
  });
  CHECK(r.how() == run_result::kind::completed);
}

TEST_CASE("P22, P18: who takes nothing, or too little, of an answer sees that it was cut") {
  const auto endless = [](request&) -> task<response> {
    co_return response::stream(200, "text/plain", [](writer& out) -> task<> {
      for (;;) co_await out.write(std::string(16'384, 'x'));
    });
  };
  for (const bool slow : {false, true}) {
    http1::timeouts t;
    t.write_stall = slow ? clock_duration(1h) : clock_duration(100ms);
    t.rate_over = slow ? clock_duration(100ms) : clock_duration(1h);
    t.least_rate = slow ? 1'000'000'000 : 0;
    serve(1, server(endless).timeouts(t), {}, [](std::uint16_t port) {
      auto c = client::to(port);
      c.send("GET / HTTP/1.0\r\n\r\n"); // no length: a clean end would be the end of the body
      pollfd p{c.fd(), 0, 0};           // what lies in the kernel is not read before the end
      CHECK(::poll(&p, 1, 20'000) == 1);
      CHECK(c.rest().size() > 16'384);
      CHECK(c.error() == ECONNRESET);
    });
  }
}

namespace {
struct stillborn : layer {
  stillborn() { throw std::runtime_error("no such luck"); }
  const char* name() const noexcept override { return "stillborn"; }
};
} // namespace

TEST_CASE("P22, S1: a connection whose layer cannot be made is closed, and nothing of it is left") {
  auto spec = listener("127.0.0.1:0", layered<stillborn>(), [](connection&) -> task<> {
                co_return;
              }).as_child("luckless");
  const auto r = serve_while(1, std::move(spec), [](std::uint16_t port) {
    for (int i = 0; i < 20; ++i) {
      auto c = client::to(port);
      CHECK(c.rest() == "");
    }
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(r.failures() == nullptr);
}

TEST_CASE("pain 1: without descriptors the listener pauses, and goes on when there are some") {
  int out[2], err[2];
  REQUIRE(::pipe(out) == 0);
  REQUIRE(::pipe(err) == 0);
  const auto server_process = ::fork();
  if (server_process == 0) {
    ::close(out[0]);
    ::dup2(err[1], 2);
    rlimit l{40, 40};
    ::setrlimit(RLIMIT_NOFILE, &l);
    const auto r = run({.loops = 1}, [&](nursery& n) -> task<> {
      auto spec = serving(server(name_handler));
      const auto up = co_await n.start_ready<endpoint>(spec);
      (void)!::write(out[1], &up.value.port, 2);
      co_await sleep_for(1h);
    });
    std::_Exit(r.exit_code());
  }
  REQUIRE(server_process > 0);
  ::close(out[1]);
  ::close(err[1]);
  std::uint16_t port = 0;
  REQUIRE(::read(out[0], &port, 2) == 2);
  ::close(out[0]);
  std::vector<client> all;
  for (int i = 0; i < 60; ++i) all.push_back(client::to(port)); // more than it can have
  std::size_t served = 0;
  for (auto& c : all) c.send(get("/"));
  for (auto& c : all) {
    c.limit(std::chrono::milliseconds(served < 10 ? 20'000 : 200));
    if (c.until("GET /").find(" 200 ") == std::string::npos) break;
    ++served;
  }
  CHECK(served >= 10);
  CHECK(served < 60);
  for (std::size_t i = 0; i < served; ++i) all[i].close(); // now there is room
  for (std::size_t i = served; i < std::min<std::size_t>(served + 10, 60); ++i) {
    all[i].limit(std::chrono::seconds(20));
    CHECK(all[i].until("GET /").find(" 200 ") != std::string::npos);
  }
  ::kill(server_process, SIGTERM);
  int status = -1;
  ::waitpid(server_process, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  std::string said(4096, '\0');
  const auto size = ::read(err[0], said.data(), said.size());
  ::close(err[0]);
  said.resize(size > 0 ? std::size_t(size) : 0);
  INFO(said);
  const auto line = said.find("http: accepts nobody at 127.0.0.1:" + std::to_string(port) +
                              " for a while: Too many open files");
  CHECK(line != std::string::npos);
  CHECK(said.find("accepts nobody", line + 10) == std::string::npos); // once in ten seconds
}

TEST_CASE("T7: cancelled with everything in flight, again and again, nothing is left") {
  const auto handler = [](request& r) -> task<response> {
    if (r.path() == "/slow") co_await sleep_for(1h);
    if (r.path() == "/echo") co_return co_await echo_handler(r);
    co_return response::text(200, std::string(200'000, 'x'));
  };
  for (int round = 0; round < 30; ++round) {
    std::vector<client> clients;
    auto spec = serving(server(handler));
    const auto r = run(quiet(2), [&](nursery& n) -> task<> {
      const auto up = co_await n.start_ready<endpoint>(spec);
      for (int i = 0; i < 20; ++i) {
        auto& c = clients.emplace_back(client::to(up.value.port));
        const std::string kinds[] = {get("/slow"), get("/") + get("/") + get("/"),
                                     post_head("/echo", 100'000) + std::string(5000, 'x'), "GET /"};
        c.send(kinds[i % 4]);
        if (i % 7 == 6) c.reset();
      }
      for (int i = 0; i < round; ++i) co_await checkpoint();
      if (round % 3 == 0) co_await sleep_for(1ms);
      n.cancel();
    });
    CHECK(r.failures() == nullptr);
  }
}

TEST_CASE("T5: addresses are numeric, and a bad one is told in a sentence") {
  CHECK(endpoint::parse("127.0.0.1:80").to_text() == "127.0.0.1:80");
  CHECK(endpoint::parse("[::1]:0").to_text() == "[::1]:0");
  CHECK(endpoint::parse("0.0.0.0:65535").port == 65535);
  for (auto* bad : {"", "localhost:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80",
                    "[::1]", "[::1]80", "127.0.0.1:80x", "1.2.3:80", "127.0.0.1:-1", ":80"})
    CHECK_THROWS_AS(endpoint::parse(bad), std::invalid_argument);
}
