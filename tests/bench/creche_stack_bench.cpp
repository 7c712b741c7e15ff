// creche_stack_bench.cpp: a stack with layers that only forward, or are what TEXT says, and an echo
// at the wire's other end.
//
//     creche_stack_bench [--layers N] [--requests N] [--frames] [--layer TEXT]
//
// One task sends a message down through its stack and waits for it to come back up. The transport
// is a pair in memory, the peer a stack without those layers. tools/bench stack runs it under
// callgrind, twice for each number of layers, and takes differences.
#include "actors/layers/framers.hpp"
#include "actors/services/standard_words.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/system/run.hpp"
#include "tests/bench/stopwatch.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using namespace creche;

constexpr std::string_view message = "a message of forty-eight bytes, in and out again";
static_assert(message.size() == 48);

struct plain final : layer {
  const char* name() const noexcept override { return "plain"; }
};
struct plain_frames final : layer {
  using speaks_below = frames;
  using speaks_above = frames;
  const char* name() const noexcept override { return "plain"; }
};

any_stack with_layers(any_stack s, int count, const any_stack& layer) {
  for (int i = 0; i < count; ++i) s = s.on_top(layer);
  return s;
}

task<> echo(nursery& n, any_stack s) {
  auto c = co_await open(n, s);
  while (auto m = co_await c.frames().next()) co_await c.send(std::move(*m));
}

task<> ask(connection& c, int times) {
  for (int i = 0; i < times; ++i) {
    co_await c.send(message);
    const auto back = co_await c.frames().next();
    if (!back || back->view() != message) std::abort();
  }
}

} // namespace

int main(int argc, char** argv) {
  int layers = 0, requests = 100'000;
  bool framed = false;
  std::string text;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--frames") {
      framed = true;
    } else if (i + 1 < argc && word == "--layer") {
      text = argv[++i];
    } else if (i + 1 < argc && (word == "--layers" || word == "--requests")) {
      (word == "--layers" ? layers : requests) = std::atoi(argv[++i]);
    } else {
      std::fprintf(
          stderr,
          "usage: creche_stack_bench [--layers N] [--requests N] [--frames] [--layer TEXT]\n");
      return 2;
    }
  }
  const auto plain_one = framed ? any_stack(layered<plain_frames>()) : any_stack(layered<plain>());
  const auto layer = text.empty() ? plain_one : parse_stack(text);
  const auto all = run({.name = "bench", .loops = 1}, [=](nursery& n) -> task<> {
    const auto ends = testing::memory_pair();
    any_stack a = ends.a, b = ends.b;
    if (framed) {
      a = a.on_top(netstring());
      b = b.on_top(netstring());
    }
    n.start([&n, b] { return echo(n, b); });
    auto c = co_await open(n, with_layers(a, layers, layer));
    co_await ask(c, 100);
    const bench::stopwatch watch;
    co_await ask(c, requests);
    bench::print("request", watch.read(), requests);
  });
  return all.finish();
}
