// A17: a server of creche's and a client of asio's in one program, on one thread and one
// io_context.
#include "actors/services/listener.hpp"
#include "runtime/interop/asio.hpp"
#include "runtime/task/this_task.hpp"

#include <asio/connect.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/write.hpp>
#include <doctest/doctest.h>

#include <optional>
#include <thread>

using namespace creche;
using namespace std::chrono_literals;

namespace {

run_options guest(clock_duration drain = 10s) {
  return {.name = "guest", .signals = run_options::signals_are::none, .drain = drain, .log = false};
}

// The program's own: sends one request, reads to the end.
struct client {
  asio::ip::tcp::socket socket;
  std::string request, answer;
  bool done = false;

  client(asio::io_context& io, std::string r) : socket(io), request(std::move(r)) {}
  void go(std::uint16_t port) {
    socket.async_connect({asio::ip::make_address("127.0.0.1"), port}, [this](asio::error_code e) {
      REQUIRE(!e);
      asio::async_write(socket, asio::buffer(request), [this](asio::error_code w, std::size_t) {
        REQUIRE(!w);
        asio::async_read(socket, asio::dynamic_buffer(answer),
                         [this](asio::error_code, std::size_t) { done = true; });
      });
    });
  }
};

} // namespace

TEST_CASE("A17: a listener lives on a program's io_context beside the program's own sockets") {
  asio::io_context io;
  const auto me = std::this_thread::get_id();
  std::vector<std::unique_ptr<client>> clients;
  int served = 0;
  embedded* it = nullptr;
  auto handler = [&](http1::request& r) -> task<http1::response> {
    CHECK(std::this_thread::get_id() == me);
    co_await sleep_for(1ms);
    if (++served == 50) it->stop(); // the last ones are in flight
    co_return http1::response::text(200, "hello " + std::string(r.path()));
  };
  auto e = embed(io, guest(), [&](nursery& n) -> task<> {
    auto spec = listener("127.0.0.1:0", http1::server(handler)).as_child("http");
    const auto at = (co_await n.start_ready<endpoint>(spec)).value;
    for (int i = 0; i < 50; ++i) {
      clients.push_back(std::make_unique<client>(
          io, "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
      clients.back()->go(at.port);
    }
  });
  it = &e;
  io.run();
  CHECK(e.wait().how() == run_result::kind::completed);
  CHECK(e.wait().ledger().balances());
  CHECK(served == 50);
  for (std::size_t i = 0; i < clients.size(); ++i) {
    CHECK(clients[i]->done);
    CHECK(clients[i]->answer.starts_with("HTTP/1.1 200 "));
    CHECK(clients[i]->answer.ends_with("hello /" + std::to_string(i)));
  }
}

TEST_CASE("A17: a drain of an embedded tree that overruns its limit becomes a cancel") {
  asio::io_context io;
  std::optional<client> slow;
  embedded* it = nullptr;
  auto handler = [&](http1::request&) -> task<http1::response> {
    it->stop();
    co_await sleep_for(24h);
    co_return http1::response::text(200, "never");
  };
  auto e = embed(io, guest(0s), [&](nursery& n) -> task<> {
    auto spec = listener("127.0.0.1:0", http1::server(handler)).as_child("http");
    const auto at = (co_await n.start_ready<endpoint>(spec)).value;
    slow.emplace(io, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    slow->go(at.port);
  });
  it = &e;
  io.run();
  CHECK(e.wait().how() == run_result::kind::completed);
  CHECK(slow->done);
  CHECK(slow->answer.find("never") == std::string::npos);
}
