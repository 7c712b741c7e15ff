// flushed: how far what was sent has come, whoever asks, and however many ask.
#include "actors/layers/framers.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "actors/transport/internal/socket_address.hpp"
#include "actors/transport/tcp.hpp"
#include "runtime/system/run.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/actors/sockets.hpp"

#include <functional>
#include <future>
#include <ostream>
#include <string>
#include <thread>
#include <utility>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

auto settled() { return sleep_for(1ns); }

/// Gives nothing on while it holds.
struct gate : layer {
  hold held;
  explicit gate(gate** self) { *self = this; }
  const char* name() const noexcept override { return "gate"; }
  void attached() override { held = pause_out("closed"); }
};

/// Asks, and notes with one letter that it was answered.
task<> ask(connection& c, flush_level level, std::string& order, char name) {
  co_await c.flushed(level);
  order += name;
}

} // namespace

CRECHE_TEST("P15: flushed waits until the transport has handed on the last byte") {
  for (const auto level : {flush_level::stack, flush_level::kernel}) {
    memory_wire w;
    w.take(0);
    auto c = co_await open(n, w.transport() / netstring());
    co_await c.flushed(level); // of nothing
    std::string order;
    co_await c.send(std::string(40'000, 'x'));
    n.start(ask, std::ref(c), level, std::ref(order), 'd');
    co_await settled();
    CHECK(order == "");
    w.take(40'005);
    co_await settled();
    CHECK(order == "");
    w.take(1);
    co_await settled();
    CHECK(order == ""); // what frames it counts as well: "40000:" and ","
    w.take(1);
    co_await settled();
    CHECK(order == "d");
  }
}

CRECHE_TEST("pain 15: low water is not empty") {
  memory_wire w;
  w.take(0);
  auto c = co_await open(n, w.transport());
  for (int i = 0; i < 8; ++i) co_await c.send(std::string(8192, 'x')); // up to the high mark
  std::string order;
  n.start(ask, std::ref(c), flush_level::stack, std::ref(order), 'd');
  auto sender = n.start([&]() -> task<> {
    co_await c.send("y");
    order += 's';
  });
  co_await settled();
  CHECK(order == "");
  w.take(64 * 1024 - 16 * 1024); // down to the low mark
  co_await settled();
  CHECK(order == "s"); // there is room, and 16 KiB wait
  w.take(16 * 1024 - 1);
  co_await settled();
  CHECK(order == "s");
  w.take(1); // what was sent after the question is not waited for
  co_await settled();
  CHECK(order == "sd");
  CHECK(w.got().find('y') == w.got().npos);
  w.take(1);
  co_await sender.wait();
}

CRECHE_TEST("pain 15: any number wait, each for what was sent before") {
  memory_wire w;
  w.take(0);
  auto c = co_await open(n, w.transport());
  std::string order;
  for (char name : {'a', 'b', 'c'}) {
    co_await c.send("0123456789");
    for (int i = 0; i < 2; ++i)
      n.start(ask, std::ref(c), flush_level::stack, std::ref(order), name);
    co_await settled(); // all have asked
  }
  CHECK(order == "");
  w.take(10);
  co_await settled();
  CHECK(order == "aa");
  w.take(15);
  co_await settled();
  CHECK(order == "aabb");
  w.take(5);
  co_await settled();
  CHECK(order == "aabbcc");
}

CRECHE_TEST("P15: the level says how far: the layer below, or all of them") {
  memory_wire w;
  w.take(0);
  gate* g = nullptr;
  auto c = co_await open(n, w.transport() / layered<gate>(&g));
  std::string order;
  co_await c.send("x");
  n.start(ask, std::ref(c), flush_level::layer, std::ref(order), 'l');
  n.start(ask, std::ref(c), flush_level::stack, std::ref(order), 's');
  co_await settled();
  CHECK(order == ""); // the gate has it still
  REQUIRE(g);
  g->held.release();
  co_await settled();
  CHECK(order == "l"); // now the transport
  w.take(1);
  co_await settled();
  CHECK(order == "ls");
}

CRECHE_TEST("P15: between two stacks in lockstep every frame is flushed") {
  const auto ends = lockstep_pair();
  auto peer = n.start([&]() -> task<> {
    auto b = co_await open(n, ends.b / netstring());
    while (co_await b.frames().next()) {
    }
  });
  auto a = co_await open(n, ends.a / netstring());
  for (int i = 0; i < 20; ++i) {
    co_await a.send(std::string(1000, 'x'));
    co_await a.flushed(i % 2 ? flush_level::stack : flush_level::layer);
  }
  a.close();
  co_await peer.wait();
}

CRECHE_TEST("P15: a connection that ends first says so; one that was closed is flushed first") {
  for (const bool good : {false, true}) {
    memory_wire w;
    w.take(0);
    auto c = co_await open(n, w.transport() / lines(line_end::lf));
    co_await c.send("x");
    std::string what;
    auto waiter = n.start([&]() -> task<> {
      try {
        co_await c.flushed();
        what = "flushed";
      } catch (const connection_lost& e) {
        what = to_text(e.record().how);
      }
    });
    co_await settled();
    if (good) {
      c.close();
      w.take(memory_wire::no_end);
    } else {
      w.reset();
    }
    co_await waiter.wait();
    CHECK(what == (good ? "flushed" : "reset"));
    co_await c.ended();
    CHECK_THROWS_AS(co_await c.flushed(), connection_lost);
  }
}

CRECHE_TEST("T2: a cancelled flushed takes nothing from the others") {
  memory_wire w;
  w.take(0);
  auto c = co_await open(n, w.transport());
  co_await c.send("x");
  std::string order;
  n.start(ask, std::ref(c), flush_level::stack, std::ref(order), 'd');
  auto once = [&](cancel_scope&) -> task<> { co_await c.flushed(); };
  auto done = co_await move_on_after(1s, once);
  CHECK_FALSE(bool(done));
  w.take(1);
  co_await settled();
  CHECK(order == "d");
}

TEST_CASE("P15: at the level of the kernel, the peer's has confirmed it all") {
  const int listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int small = 4096; // what is accepted inherits it: not all fits in while nobody reads
  ::setsockopt(listening, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof a;
  REQUIRE(::bind(listening, reinterpret_cast<sockaddr*>(&a), size) == 0);
  REQUIRE(::listen(listening, 1) == 0);
  REQUIRE(::getsockname(listening, reinterpret_cast<sockaddr*>(&a), &size) == 0);
  const auto address = "127.0.0.1:" + std::to_string(ntohs(a.sin_port));

  std::promise<void> may_read;
  std::size_t heard = 0;
  std::thread peer([&] {
    client c(::accept(listening, nullptr, nullptr));
    may_read.get_future().wait();
    heard = c.rest().size();
  });
  bool released = false;
  const auto release = [&] {
    if (!std::exchange(released, true)) may_read.set_value();
  };
  std::string order;
  const auto r = run({.loops = 1, .signals = run_options::signals_are::none, .log = false},
                     [&](nursery& n) -> task<> {
                       auto c = co_await open(n, tcp(address));
                       for (int i = 0; i < 6; ++i) co_await c.send(std::string(10'000, 'x'));
                       auto k =
                           n.start(ask, std::ref(c), flush_level::kernel, std::ref(order), 'k');
                       for (int i = 0; i < 3; ++i) co_await c.flushed(flush_level::stack);
                       order += 's'; // our kernel has it, and the other one no room
                       release();
                       co_await k.wait();
                       c.close();
                       co_await c.ended();
                     });
  release(); // if that failed
  peer.join();
  ::close(listening);
  CHECK(r.how() == run_result::kind::completed);
  CHECK(order == "sk");
  CHECK(heard == 60'000);
}
