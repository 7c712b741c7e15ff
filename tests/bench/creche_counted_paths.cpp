// creche_counted_paths.cpp: six paths whose instructions tools/check_instructions.py counts.
//
//     creche_counted_paths http|echo|echo8|life|cancel|channel|restart COUNT
//     creche_counted_paths compiler          says which compiler built it
//
// Each path repeats one thing COUNT times on one loop: http through two sockets of its own, all
// others on the virtual clock and without a socket. The same count takes the same instructions, but
// for what the allocator makes of its addresses, and the kernel of the sockets.
#include <creche/actors/testing/memory.hpp>
#include <creche/creche.hpp>
#include <creche/runtime/testing/virtual_run.hpp>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

using namespace creche;
using namespace std::chrono_literals;

constexpr int at_a_time = 100;

// ---- http: one request and its answer on a connection that stays open; at most 10 000 of them

task<http1::response> hello(http1::request& request) {
  co_return http1::response::text(200, "hello " + std::string(request.path()) + "\n");
}

task<> http(nursery& n, int count) {
  constexpr std::string_view request = "GET /world HTTP/1.1\r\nHost: example.org\r\n"
                                       "User-Agent: counted\r\nAccept: */*\r\n\r\n";
  constexpr std::string_view last = "hello /world\n";
  child_spec service = listener("127.0.0.1:0", http1::server(hello)).as_child("http");
  const auto at = co_await n.start_ready<endpoint>(service);
  auto stack = tcp(at.value.to_text());
  auto client = co_await open(n, stack);
  for (int i = 0; i < count; ++i) {
    co_await client.send(request);
    std::string answer;
    while (!answer.ends_with(last)) {
      const auto piece = co_await client.frames().next();
      if (!piece) std::abort();
      answer += piece->view();
    }
  }
  client.close();
  n.remote().stop();
}

// ---- echo: a frame down a stack and back up; echo8 has eight layers more that only forward

struct plain final : layer {
  using speaks_below = frames;
  using speaks_above = frames;
  const char* name() const noexcept override { return "plain"; }
};

task<> answer_each(nursery& n, any_stack stack) {
  auto peer = co_await open(n, stack);
  while (auto frame = co_await peer.frames().next()) co_await peer.send(std::move(*frame));
}

task<> echo(nursery& n, int count, int layers) {
  constexpr std::string_view message = "a message of forty-eight bytes, in and out again";
  const auto ends = testing::memory_pair();
  any_stack near = ends.a / netstring(), far = ends.b / netstring();
  for (int i = 0; i < layers; ++i) near = near.on_top(layered<plain>());
  n.start([&n, far] { return answer_each(n, far); });
  auto client = co_await open(n, near);
  for (int i = 0; i < count; ++i) {
    co_await client.send(message);
    const auto back = co_await client.frames().next();
    if (!back || back->view() != message) std::abort();
  }
}

// ---- life: a task is started and ends

task<> nothing() { co_return; }

task<> life(int count) {
  auto batch = [](nursery& n) -> task<> {
    for (int i = 0; i < at_a_time; ++i) n.start(nothing);
    co_return;
  };
  for (int i = 0; i < count; i += at_a_time) co_await with_nursery(batch);
}

// ---- cancel: a task is started, sleeps under a deadline of its own, and is cancelled

task<> sleep_long() { co_await sleep_for(1h); }
task<> sleep_under_deadline() { co_await move_on_after(30min, sleep_long); }

task<> cancel(int count) {
  auto batch = [](nursery& n) -> task<> {
    for (int i = 0; i < at_a_time; ++i) n.start(sleep_under_deadline);
    co_await sleep_for(1ms); // all of them sleep
    n.cancel();
  };
  for (int i = 0; i < count; i += at_a_time) co_await with_nursery(batch);
}

// ---- channel: an item goes from one task to another

task<> stream(int count) {
  channel<int> items(16);
  auto send = [&]() -> task<> {
    for (int i = 0; i < count; ++i) co_await items.send(i);
    items.close();
  };
  auto body = [&](nursery& n) -> task<> {
    n.start(send);
    while (co_await items.receive()) {
    }
  };
  co_await with_nursery(body);
}

// ---- restart: a child fails and runs again

task<> restarts(int count) {
  auto worker = [&count]() -> task<> {
    if (count-- == 0) co_return;
    co_await sleep_for(1s);
    throw std::runtime_error("crash");
  };
  auto body = [&](nursery& n) -> task<> {
    n.start(child_spec("worker", worker).restart(restart::transient).backoff({.first = 0ns}));
    co_return;
  };
  co_await with_nursery({.name = "workers", .budget = {3, 1s}}, body);
}

task<> counted(nursery& n, std::string_view path, int count) {
  if (path == "echo") return echo(n, count, 0);
  if (path == "echo8") return echo(n, count, 8);
  if (path == "life") return life(count);
  if (path == "cancel") return cancel(count);
  if (path == "channel") return stream(count);
  if (path == "restart") return restarts(count);
  throw std::invalid_argument("there is no path " + std::string(path));
}

} // namespace

int main(int argc, char** argv) {
  const std::string_view path = argc > 1 ? argv[1] : "";
  if (path == "compiler") {
#ifdef __OPTIMIZE__
    const char* level = "optimized";
#else
    const char* level = "not optimized";
#endif
#ifdef __clang__
    std::printf("clang++ %d, %s\n", __clang_major__, level);
#else
    std::printf("g++ %d, %s\n", __GNUC__, level);
#endif
    return 0;
  }
  if (argc != 3) {
    std::fprintf(stderr, "usage: creche_counted_paths "
                         "http|echo|echo8|life|cancel|channel|restart COUNT\n");
    return 2;
  }
  const int count = std::atoi(argv[2]);
  if (path == "http")
    return run({.name = "counted", .loops = 1}, [&](nursery& n) { return http(n, count); })
        .finish();
  const auto result = testing::run_virtual([&](nursery& n) { return counted(n, path, count); });
  return result.run.finish();
}
