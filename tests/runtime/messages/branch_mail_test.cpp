// A branch of when_all or when_any receives what is sent to the task that awaits it: so a task
// waits for a message or for something else.
#include "runtime/messages/receive.hpp"
#include "runtime/messages/request.hpp"
#include "runtime/supervision/when.hpp"
#include "runtime/sync/event.hpp"
#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

struct order {
  int number;
  explicit order(int n) : number(n) {}
};
struct refund {
  int number;
  explicit refund(int n) : number(n) {}
};

task<int> next_order() { co_return (co_await receive<order>()).number; }
task<int> next_refund() { co_return (co_await receive<refund>()).number; }
task<> wait_for(event& it) { co_await it.wait(); }

} // namespace

TEST_CASE("a task waits for a message or for an event, whichever is first") {
  run_clean([](nursery& n) -> task<> {
    event stop;
    std::string trace;
    auto worker = n.start([&]() -> task<> {
      for (;;) {
        auto got = co_await when_any(next_order(), wait_for(stop));
        if (auto& number = std::get<0>(got.values)) trace += std::to_string(*number);
        if (got.first == 1) break;
      }
      trace += "!";
    });
    worker.send(order(1));
    worker.send(order(2));
    co_await sleep_for(1s);
    CHECK(trace == "12");
    worker.send(order(3));
    co_await sleep_for(1s);
    CHECK(trace == "123");
    stop.set();
    co_await worker.wait();
    CHECK(trace == "123!");
    CHECK(worker.statistics().handled == 3);
  });
}

TEST_CASE("what came before the branches began is received, and what no branch wants stays") {
  run_clean([](nursery& n) -> task<> {
    auto worker = n.start([]() -> task<> {
      co_await sleep_for(1s);
      auto all = co_await when_all(next_order(), next_refund());
      CHECK(std::get<0>(all) == 1);
      CHECK(std::get<1>(all) == 7);
      CHECK(co_await receive<std::string>() == "other");
      CHECK(co_await next_order() == 2);
    });
    worker.send(order(1));
    worker.send(std::string("other"));
    co_await sleep_for(2s);
    worker.send(refund(7));
    worker.send(order(2));
    co_await worker.wait();
    CHECK(worker.statistics().handled == 4);
  });
}

TEST_CASE("branches of branches receive, each message once") {
  run_clean([](nursery& n) -> task<> {
    int sum = 0;
    auto worker = n.start([&]() -> task<> {
      auto two = []() -> task<int> {
        auto both = co_await when_all(next_order(), next_order());
        co_return std::get<0>(both) + std::get<1>(both);
      };
      auto all = co_await when_all(two(), two(), next_order());
      sum = std::get<0>(all) + std::get<1>(all) + std::get<2>(all);
    });
    for (int i = 0; i < 5; ++i) {
      co_await sleep_for(1s);
      worker.send(order(1 << i));
    }
    co_await worker.wait();
    CHECK(sum == 31);
  });
}

TEST_CASE("a cancelled branch takes no message") {
  run_clean([](nursery& n) -> task<> {
    event stop;
    auto worker = n.start([&]() -> task<> {
      auto got = co_await when_any(next_order(), wait_for(stop));
      CHECK(got.first == 1);
      const bool taken = std::get<0>(got.values).has_value();
      if (!taken) CHECK(co_await next_order() == 1);
    });
    co_await sleep_for(1s);
    stop.set();
    worker.send(order(1)); // in the same moment
    co_await worker.wait();
    CHECK(worker.statistics().handled == 1);
  });
}

TEST_CASE("a request is answered by a branch, and what comes back reaches the task") {
  run_clean([](nursery& n) -> task<> {
    auto server = n.start([]() -> task<> {
      auto answer = []() -> task<> {
        auto question = co_await receive<asked<int, int>>();
        question.answer(question.message() + 1);
      };
      (void)co_await when_any(answer());
    });
    CHECK(co_await ask<int>(server, 1) == 2);
    auto gone = n.start(child_spec("gone", []() -> task<> {
                          co_await sleep_for(1s);
                        }).on_restart(restart_mail::return_to_sender));
    auto sends = [&]() -> task<> {
      CHECK(gone.send(7) == send_result::queued);
      co_await sleep_for(2s);
    };
    (void)co_await when_all(sends());
    CHECK((co_await receive<returned<int>>()).message == 7);
  });
}
