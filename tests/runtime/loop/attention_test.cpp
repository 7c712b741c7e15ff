// A busy loop looks up: at the time, and at a cancel that another thread asked for.
#include "runtime/messages/receive.hpp"
#include "runtime/supervision/nursery.hpp"
#include "runtime/system/run.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"

#include <atomic>
#include <chrono>
#include <thread>

using namespace creche;
using namespace std::chrono_literals;

namespace {

run_options quiet(unsigned loops = 1) {
  return {.name = "busy", .loops = loops, .signals = run_options::signals_are::none, .log = false};
}

void spin_for(clock_duration span) {
  const auto until = std::chrono::steady_clock::now() + span;
  while (std::chrono::steady_clock::now() < until) {
  }
}

struct numbered {
  int number;
};

} // namespace

TEST_CASE("T7: a task that is busy between its checkpoints sees its deadline") {
  int passed = 0;
  const auto r = run(quiet(), [&](nursery&) -> task<> {
    auto busy = [&]() -> task<> {
      for (;;) {
        spin_for(1ms);
        co_await checkpoint();
        ++passed;
      }
    };
    co_await move_on_after(5ms, busy);
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(passed < 60); // 4 on an idle machine; 256 when time was looked at once a burst
}

TEST_CASE("T7: a busy task does not keep its sibling's sleep waiting") {
  clock_duration late{};
  run(quiet(), [&](nursery& n) -> task<> {
    n.start([]() -> task<> {
      for (;;) {
        spin_for(1ms);
        co_await checkpoint();
      }
    });
    const auto due = later(now(), 10ms);
    co_await sleep_until(due);
    late = now() - due;
    n.cancel();
  });
  CHECK(late < 200ms); // 2 s when time was looked at once a burst
}

TEST_CASE("T7, X4: a cancel from another thread is seen at the next checkpoint") {
  for (const unsigned loops : {1u, 2u}) {
    CAPTURE(loops);
    std::atomic<bool> cancelled{false};
    std::atomic<int> passed{0};
    run(quiet(loops), [&](nursery& n) -> task<> {
      auto busy = [&]() -> task<> {
        for (;;) {
          co_await checkpoint();
          spin_for(1ms);
          if (cancelled.load()) ++passed;
        }
      };
      auto below = [&](nursery& inner) -> task<> {
        inner.start(child_spec("busy", busy).on(placement::any_loop));
        inner.start(busy);
        co_return;
      };
      const auto middle = n.start([&]() -> task<> { co_await with_nursery(below); });
      std::thread canceller([&] {
        spin_for(20ms);
        middle.cancel();
        cancelled.store(true);
      });
      co_await middle.wait();
      canceller.join();
    });
    CHECK(passed.load() < 60); // of each the one that was under way, and what the machine held up
  }
}

TEST_CASE("T7, X4: a cancel from another thread is seen before the next message") {
  std::atomic<bool> cancelled{false};
  std::atomic<int> received{0};
  run(quiet(), [&](nursery& n) -> task<> {
    const auto reader = n.start(child_spec("reader", [&]() -> task<> {
                                  for (;;) {
                                    (void)co_await receive<numbered>();
                                    spin_for(200us);
                                    if (cancelled.load()) ++received;
                                  }
                                }).mailbox_limit(10'000));
    for (int i = 0; i < 5'000; ++i) reader.send(numbered{i});
    std::thread canceller([&] {
      spin_for(5ms);
      reader.cancel();
      cancelled.store(true);
    });
    co_await reader.wait();
    canceller.join();
  });
  CHECK(received.load() <
        20); // the one that was under way; 64 when posts were looked at once a burst
}
