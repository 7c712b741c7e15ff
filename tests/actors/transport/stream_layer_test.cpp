// What every transport of bytes has from stream_layer, whatever its descriptor is: a unix socket, a
// pair of pipes.
#include "actors/layers/framers.hpp"
#include "actors/stack/connection.hpp"
#include "actors/transport/descriptors.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <utility>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

struct two_ends {
  stack_of<no_speech, octets> a, b;
};

two_ends unix_pair() {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
  return {connected_socket(fds[0]), connected_socket(fds[1])};
}
two_ends pipe_pair() {
  ::signal(SIGPIPE, SIG_IGN); // as run() has it
  int to_a[2], to_b[2];
  REQUIRE(::pipe2(to_a, O_CLOEXEC) == 0); // they block, as inherited ones do
  REQUIRE(::pipe2(to_b, O_CLOEXEC) == 0);
  return {descriptors(to_a[0], to_b[1]), descriptors(to_b[0], to_a[1])};
}

using make_pair = two_ends (*)();
constexpr std::pair<const char*, make_pair> kinds[] = {{"unix", unix_pair}, {"pipe", pipe_pair}};

} // namespace

CRECHE_TEST("a stream of any kind carries bytes both ways, and the end of each") {
  for (const auto& [kind, make] : kinds) {
    INFO(kind);
    auto ends = make();
    auto a = co_await open(n, ends.a / lines(line_end::lf));
    auto b = co_await open(n, ends.b / lines(line_end::lf));
    co_await a.send("question");
    CHECK((co_await b.frames().next())->view() == "question");
    a.finish();
    CHECK_FALSE(co_await b.frames().next());
    co_await b.send("answer");
    b.close();
    CHECK((co_await a.frames().next())->view() == "answer");
    CHECK_FALSE(co_await a.frames().next());
    a.close();
    CHECK((co_await a.ended()).how == ended_by::clean);
    CHECK((co_await b.ended()).how == ended_by::clean);
  }
}

CRECHE_TEST("a stream of any kind waits for room, and loses nothing") {
  constexpr std::size_t pieces = 200;
  const std::string piece(9'999, 'x');
  for (const auto& [kind, make] : kinds) {
    INFO(kind);
    auto ends = make();
    auto a = co_await open(n, ends.a);
    auto b = co_await open(n, ends.b);
    bool flushed = false;
    n.start([&]() -> task<> {
      for (std::size_t i = 0; i < pieces; ++i) co_await a.send(piece);
      a.finish();
      co_await a.flushed(flush_level::kernel);
      flushed = true;
    });
    co_await sleep_for(1s);
    CHECK_FALSE(flushed); // nobody reads yet
    std::size_t got = 0;
    while (auto bytes = co_await b.frames().next()) got += bytes->size();
    CHECK(got == pieces * piece.size());
    co_await sleep_for(1s);
    CHECK(flushed);
  }
}

CRECHE_TEST("the peer of a stream of any kind may go at any time") {
  for (const auto& [kind, make] : kinds)
    for (const bool writes : {false, true}) {
      INFO(kind, writes);
      auto ends = make();
      auto a = co_await open(n, ends.a / lines(line_end::lf));
      auto b = co_await open(n, ends.b / lines(line_end::lf));
      a.abort();
      co_await a.ended();
      if (writes) co_await b.send("to nobody");
      bool lost = false;
      try {
        while (co_await b.frames().next()) {
        }
      } catch (const connection_lost&) {
        lost = true;
      }
      if (lost) CHECK(writes); // else nothing of what was said is missing
      b.close();
      // Its end may be read before the write fails; then only the record tells.
      CHECK(((co_await b.ended()).how != ended_by::clean) == writes);
    }
}
