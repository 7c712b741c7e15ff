// Bytes that wait for room below for too long: whose they may be, and what a peer must take.
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"

#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

struct octet_layer : layer {
  const char* name() const noexcept override { return "it"; }
};
struct stall_limited : octet_layer {
  void attached() override { limit(time_limit::write_stall, 10s); }
};
/// Writes without asking whether there is room.
struct talkative : octet_layer {
  void established() override {
    established_above();
    for (int i = 0; i < 8; ++i) write_below(slice::copy_of(std::string(10'000, 'x')));
  }
  void attached() override { limit(time_limit::write_stall, 10s); }
};

std::string lost(const connection_lost& e) { return std::string(to_text(e.record().how)); }

} // namespace

CRECHE_TEST("P18: what a layer has written itself, and has no room, is a write stall as well") {
  memory_wire w;
  w.take(0);
  auto c = co_await open(n, w.transport() / layered<talkative>());
  const auto began = now();
  std::string how;
  try {
    co_await c.frames().next();
  } catch (const connection_lost& e) {
    how = lost(e);
  }
  CHECK(how == "timeout");
  CHECK(now() - began < 21s);
}

CRECHE_TEST("P18: a write stall begins anew whenever the peer takes something") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / layered<stall_limited>());
  w.take(0);
  const auto began = now();
  auto take = [&]() -> task<> {
    for (int i = 0; i < 10; ++i) {
      co_await sleep_for(9s);
      w.take(60'000);
    }
  };
  n.start(take);
  std::string how;
  try {
    for (;;) co_await c.send(std::string(10'000, 'x'));
  } catch (const connection_lost& e) {
    how = lost(e);
  }
  CHECK(how == "timeout");
  const auto took = now() - began;
  CHECK(took >= 100s);
  CHECK(took < 111s); // what was taken is looked at when the limit runs out
}
