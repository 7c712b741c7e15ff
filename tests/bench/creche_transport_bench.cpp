// creche_transport_bench.cpp: what a message costs on each transport, and what a rate limit lets
// pass.
//
//     creche_transport_bench [--count N] [--seconds S] [tcp] [unix] [udp] [rate]
//
// A message of 64 bytes goes to an echo on the same loop and comes back: two messages, four calls
// of the kernel. `rate` writes as fast as it can through rate_limit(50MiB/s) for S seconds, and
// says how many bytes a second were read at the other end. Without a word, all four. Prints one
// JSON line for each.
#include "actors/layers/framers.hpp"
#include "actors/layers/rate_limit.hpp"
#include "actors/services/listener.hpp"
#include "actors/services/udp_listener.hpp"
#include "actors/stack/connection.hpp"
#include "actors/transport/tcp.hpp"
#include "actors/transport/udp.hpp"
#include "actors/transport/unix_socket.hpp"
#include "runtime/system/run.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "tests/bench/stopwatch.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace creche;
using namespace std::chrono_literals;

constexpr std::int64_t per_second = 50 << 20;

task<> echo(connection& c) {
  while (auto m = co_await c.frames().next()) co_await c.send(std::move(*m));
}

task<> ask(connection& c, int times) {
  const std::string message(64, 'x');
  for (int i = 0; i < times; ++i) {
    co_await c.send(message);
    if (!co_await c.frames().next()) std::abort();
  }
}

task<> measure(nursery& n, const char* what, any_stack to, int count) {
  auto c = co_await open(n, to);
  co_await ask(c, 1000);
  const bench::stopwatch watch;
  co_await ask(c, count);
  bench::print(what, watch.read(), 2 * count);
  c.close();
}

task<> over_udp(nursery& n, int count) {
  auto spec = udp_listener("127.0.0.1:0", echo).as_child("echo");
  const auto at = (co_await n.start_ready<endpoint>(spec)).value;
  const auto to = udp(at);
  co_await measure(n, "udp", to, count);
}

task<> over_tcp(nursery& n, int count) {
  auto spec = listener("127.0.0.1:0", fixed(64), echo).as_child("echo");
  const auto at = (co_await n.start_ready<endpoint>(spec)).value;
  const auto to = tcp(at) / fixed(64);
  co_await measure(n, "tcp", to, count);
}

task<> over_unix(nursery& n, int count) {
  const auto name = "creche_bench_" + std::to_string(::getpid());
  auto spec = listener("abstract:" + name, fixed(64), echo).as_child("echo");
  (void)co_await n.start_ready<endpoint>(spec);
  const auto to = abstract_socket(name) / fixed(64);
  co_await measure(n, "unix", to, count);
}

task<> rate(nursery& n, int seconds) {
  std::uint64_t came = 0;
  const auto count = [&](connection& c) -> task<> {
    while (auto piece = co_await c.frames().next()) came += piece->size();
  };
  auto spec = listener("127.0.0.1:0", any_stack(), count).as_child("count");
  auto at = (co_await n.start_ready<endpoint>(spec)).value;
  auto c = co_await open(n, tcp(at) / rate_limit({.out = {.per_second = per_second}}));
  const std::string piece(16 * 1024, 'x');
  const auto write = [&]() -> task<> {
    for (;;) co_await c.send(piece);
  };
  (void)co_await move_on_after(1s, write); // the burst is used up
  const auto before = came;
  const bench::stopwatch watch;
  (void)co_await move_on_after(std::chrono::seconds(seconds), write);
  const auto took = watch.read();
  const double bytes = double(came - before) / (took.ns / 1e9);
  std::printf(
      "{\"what\": \"rate\", \"wanted\": %lld, \"bytes_per_second\": %.0f, \"off_by\": %.4f, "
      "\"cpu\": %.3f}\n",
      static_cast<long long>(per_second), bytes, bytes / double(per_second) - 1,
      took.cpu_ns / took.ns);
  c.abort();
}

} // namespace

int main(int argc, char** argv) {
  int count = 100'000, seconds = 10;
  std::vector<std::string_view> chosen;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "tcp" || word == "unix" || word == "udp" || word == "rate") {
      chosen.push_back(word);
    } else if (i + 1 < argc && (word == "--count" || word == "--seconds")) {
      (word == "--count" ? count : seconds) = std::atoi(argv[++i]);
    } else {
      std::fprintf(stderr, "usage: creche_transport_bench [--count N] [--seconds S] "
                           "[tcp] [unix] [udp] [rate]\n");
      return 2;
    }
  }
  if (chosen.empty()) chosen = {"tcp", "unix", "udp", "rate"};
  for (const auto what : chosen) {
    const auto all = run({.name = "bench", .loops = 1}, [=](nursery& n) -> task<> {
      if (what == "rate") co_await rate(n, seconds);
      if (what == "tcp") co_await over_tcp(n, count);
      if (what == "unix") co_await over_unix(n, count);
      if (what == "udp") co_await over_udp(n, count);
      n.stop();
    });
    if (const int status = all.finish()) return status;
  }
}
