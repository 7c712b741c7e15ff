// What becomes of a child's messages when it is restarted: drop, keep, return_to_sender.
#include "runtime/messages/receive.hpp"
#include "runtime/messages/request.hpp"
#include "runtime/supervision/nursery.hpp"
#include "tests/runtime/clean_run.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

constexpr backoff one_second{.first = 1s, .most = 1s, .jitter = 0};

// Fails at negative numbers, and remembers the others, by incarnation.
struct worker {
  std::vector<std::string> got;
  int lives = 0;
  child_spec spec(restart_mail m, std::uint32_t limit = 1024) {
    auto f = [this]() -> task<> {
      const int life = ++lives;
      for (;;) {
        const int x = co_await receive<int>();
        if (x < 0) throw std::runtime_error("told to fail");
        got.push_back(std::to_string(life) + ":" + std::to_string(x));
      }
    };
    return child_spec("worker", f)
        .restart(restart::permanent)
        .backoff(one_second)
        .on_restart(m)
        .mailbox_limit(limit);
  }
};
using texts = std::vector<std::string>;

} // namespace

TEST_CASE("S8: with drop, what waits for a restart is gone, and counted") {
  worker w;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start(w.spec(restart_mail::drop));
    for (int x : {1, -1, 2, 3}) CHECK(c.send(x) == send_result::queued);
    co_await sleep_for(500ms);
    CHECK(c.send(4) == send_result::undelivered);
    co_await sleep_for(1s);
    c.send(5);
    co_await sleep_for(1s);
    CHECK(w.got == texts{"1:1", "2:5"});
    CHECK(c.statistics().undelivered == 2);
    n.cancel();
  });
}

TEST_CASE("S8, pain 3: with keep, the next incarnation finds all of it, in order, but what crashed "
          "the one before") {
  worker w;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start(w.spec(restart_mail::keep));
    for (int x : {1, -1, 2, -2, 3}) c.send(x);
    co_await sleep_for(500ms);
    CHECK(c.send(4) == send_result::queued); // it is down
    co_await sleep_for(10s);
    CHECK(w.got == texts{"1:1", "2:2", "3:3", "3:4"});
    CHECK(c.statistics().undelivered == 0);
    CHECK(c.statistics().handled == 6);
    n.cancel();
  });
}

TEST_CASE("S8: the limit of a mailbox holds while it is kept: at it, and one past it") {
  worker w;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start(w.spec(restart_mail::keep, 3));
    c.send(-1);
    co_await sleep_for(500ms);
    for (int x : {1, 2, 3}) CHECK(c.send(x) == send_result::queued);
    CHECK(c.send(4) == send_result::shed);
    co_await sleep_for(10s);
    CHECK(w.got == texts{"2:1", "2:2", "2:3"});
    n.cancel();
  });
}

TEST_CASE("S8: what is kept when no restart comes is dropped, and counted") {
  worker w;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start(w.spec(restart_mail::keep));
    for (int x : {-1, 1, 2}) c.send(x);
    co_await sleep_for(500ms);
    c.cancel();
    co_await c.wait();
    CHECK(c.statistics().undelivered == 2);
    CHECK(c.send(3) == send_result::undelivered);
    n.cancel();
  });
}

TEST_CASE("S8, S6: who waits for a sibling keeps what comes before it is launched") {
  worker w;
  run_clean([&](nursery& n) -> task<> {
    auto slow = [](ready<void> is_ready) -> task<> {
      co_await sleep_for(1s);
      is_ready();
    };
    n.start(child_spec("slow", slow));
    auto c = n.start(w.spec(restart_mail::keep).after("slow"));
    CHECK(c.send(1) == send_result::queued);
    co_await sleep_for(2s);
    CHECK(w.got == texts{"1:1"});
    n.cancel();
  });
}

TEST_CASE("S8: a request that is kept is answered by the next incarnation; dropped, it fails at "
          "once, with the reason") {
  struct ask_me {};
  for (const auto m : {restart_mail::keep, restart_mail::drop}) {
    run_clean([&](nursery& n) -> task<> {
      int lives = 0;
      auto f = [&]() -> task<> {
        if (++lives == 1) throw std::runtime_error("the disk is full");
        auto q = co_await receive<asked<ask_me, int>>();
        q.answer(lives);
        co_await sleep_for(1h);
      };
      auto c =
          n.start(child_spec("w", f).restart(restart::permanent).backoff(one_second).on_restart(m));
      co_await sleep_for(500ms);
      const auto begin = now();
      std::string said;
      int answer = 0;
      auto asking = [&]() -> task<> { answer = co_await ask<int>(c, ask_me{}, 10s); };
      said = co_await error_of(asking);
      if (m == restart_mail::keep) {
        CHECK(answer == 2);
        CHECK(now() - begin == 500ms);
      } else {
        CHECK(now() == begin);
        CHECK(said.find("the receiver has ended") != std::string::npos);
        CHECK(said.find("the disk is full") != std::string::npos);
      }
      n.cancel();
    });
  }
}

TEST_CASE("S8: with return_to_sender, a task gets back what was not received") {
  worker w;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start(w.spec(restart_mail::return_to_sender));
    std::vector<int> back;
    auto sender = [&]() -> task<> {
      for (int x : {1, -1, 2, 3}) c.send(x);
      co_await sleep_for(500ms);
      CHECK(c.send(4) == send_result::undelivered);
      for (int i = 0; i < 3; ++i) {
        auto r = co_await receive<returned<int>>();
        CHECK(r.why == send_result::undelivered);
        back.push_back(r.message);
      }
    };
    auto s = n.start(sender);
    co_await sleep_for(10s);
    CHECK(s.ended());
    CHECK(back == std::vector{2, 3, 4});
    CHECK(w.got == texts{"1:1"});
    n.cancel();
  });
}

TEST_CASE("S8: a sender that has ended gets nothing back, and all is counted") {
  worker w;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start(w.spec(restart_mail::return_to_sender));
    auto sender = [&]() -> task<> {
      for (int x : {-1, 2, 3}) c.send(x);
      co_return;
    };
    n.start(sender);
    co_await sleep_for(10s);
    n.cancel();
  });
}

TEST_CASE("S8: a message that only moves comes back as itself") {
  counted::live = 0;
  run_clean([&](nursery& n) -> task<> {
    auto f = []() -> task<> {
      co_await receive<int>();
      throw std::runtime_error("fails");
    };
    auto c = n.start(child_spec("w", f)
                         .restart(restart::permanent)
                         .backoff(one_second)
                         .on_restart(restart_mail::return_to_sender));
    auto sender = [&]() -> task<> {
      c.send(1);
      c.send(std::make_unique<counted>("mine"));
      auto r = co_await receive<returned<std::unique_ptr<counted>>>();
      CHECK(r.message->text == "mine");
    };
    auto s = n.start(sender);
    co_await s.wait();
    n.cancel();
  });
  CHECK(counted::live == 0);
}

TEST_CASE("S8: keep, with the child on another loop, and senders on both and on a thread") {
  constexpr int each = 20'000;
  std::atomic<int> received{0}, refused{0};
  const auto r = run(quiet(2), [&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto f = [](std::atomic<int>* count) -> task<> {
        for (int i = 0; i < 97; ++i) {
          co_await receive<int>();
          ++*count;
        }
        throw std::runtime_error("the 98th will find another");
      };
      auto idle = []() -> task<> { co_await sleep_for(1h); };
      auto here = n.start(idle);
      auto c = n.start(child_spec("far", f, &received)
                           .on(placement::any_loop)
                           .restart(restart::permanent)
                           .backoff(no_backoff)
                           .on_restart(restart_mail::keep)
                           .mailbox_limit(1'000'000));
      std::atomic<bool> done{false};
      std::thread t([&] {
        for (int i = 0; i < each; ++i) refused += c.send(i) != send_result::queued;
        done = true;
      });
      for (int i = 0; i < each; ++i) {
        refused += c.send(i) != send_result::queued;
        if (i % 64 == 0) co_await checkpoint();
      }
      while (!done || received + refused < 2 * each) co_await sleep_for(1ms);
      t.join();
      here.cancel();
      c.cancel();
    };
    co_await with_nursery({.name = "n", .budget = {1'000'000, 1s}}, body);
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(refused == 0);
  CHECK(received == 2 * each);
  CHECK(r.ledger().balances());
}
