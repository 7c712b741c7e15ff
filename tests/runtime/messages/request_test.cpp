// ask and asked: every request ends once, at once, and nothing is lost (S11).
#include "runtime/messages/request.hpp"

#include "runtime/interop/caf.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

#include <memory>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

using price_of = asked<std::string, int>;

task<> shop() {
  for (;;) {
    auto q = co_await receive<price_of>();
    q.answer(int(q.message().size()));
  }
}

// What a request ended with: 0 the answer, else the code.
task<std::error_code> outcome_of(child c, clock_duration within = no_limit) {
  try {
    (void)co_await ask<int>(c, std::string("a"), within);
  } catch (const request_failed& e) {
    co_return e.code();
  }
  co_return std::error_code();
}

} // namespace

TEST_CASE("S11: a request gets its answer") {
  run_clean([](nursery& n) -> task<> {
    auto c = n.start(&shop);
    CHECK(co_await ask<int>(c, std::string("tea")) == 3);
    const std::string named = "coffee that does not fit in place";
    CHECK(co_await ask<int>(c, named, 1s) == int(named.size()));
    n.cancel();
  });
}

TEST_CASE("S11: values are moved there and back, and an answer may be nothing") {
  run_clean([](nursery& n) -> task<> {
    auto c = n.start([]() -> task<> {
      auto q = co_await receive<asked<std::unique_ptr<int>, std::unique_ptr<int>>>();
      ++*q.message();
      q.answer(std::move(q.message()));
      auto v = co_await receive<asked<counted, void>>();
      v.answer();
      v.answer(); // dropped
      CHECK(!v.wanted());
    });
    auto back = co_await ask<std::unique_ptr<int>>(c, std::make_unique<int>(1));
    CHECK(*back == 2);
    co_await ask<void>(c, counted());
  });
  CHECK(counted::live == 0);
}

TEST_CASE("S11: a request to the dead, or to one who dies, fails at once") {
  const auto took = run_clean([](nursery& n) -> task<> {
    auto dead = n.start([]() -> task<> { co_return; });
    co_await dead.wait();
    CHECK(co_await outcome_of(dead) == request_errc::receiver_down);
    CHECK(co_await outcome_of(child()) == request_errc::receiver_down);
    auto dying = n.start([]() -> task<> { co_await sleep_for(1s); });
    CHECK(co_await outcome_of(dying) == request_errc::receiver_down);
    auto cancelled = n.start([]() -> task<> { co_await sleep_for(1h); });
    n.start([cancelled]() -> task<> {
      co_await sleep_for(1s);
      cancelled.cancel();
    });
    CHECK(co_await outcome_of(cancelled) == request_errc::receiver_down);
  });
  CHECK(took == 2s);
}

TEST_CASE("S11: pain 4: the message was taken and dropped: the requester learns it at once") {
  const auto took = run_clean([](nursery& n) -> task<> {
    auto careless = n.start([]() -> task<> {
      {
        (void)co_await receive<price_of>();
      }
      auto held = co_await receive<price_of>();
      co_await sleep_for(1s); // cancelled here
      held.answer(1);
    });
    CHECK(co_await outcome_of(careless) == request_errc::unanswered);
    n.start([careless]() -> task<> {
      co_await sleep_for(500ms);
      careless.cancel();
    });
    CHECK(co_await outcome_of(careless) == request_errc::unanswered);
  });
  CHECK(took == 500ms);
}

TEST_CASE("S11: a request to a full mailbox fails at once") {
  run_clean([](nursery& n) -> task<> {
    auto c =
        n.start(child_spec("full", []() -> task<> { co_await sleep_for(1h); }).mailbox_limit(1));
    CHECK(c.send(1) == send_result::queued);
    CHECK(co_await outcome_of(c) == request_errc::receiver_full);
    n.cancel();
  });
}

TEST_CASE("S11: a child that is no task answers no request") {
  run_clean([](nursery& n) -> task<> {
    auto c = n.start([]() -> task<> { co_await sleep_for(1s); });
    CHECK(co_await outcome_of(c, 100ms) == errc::timed_out);
  });
}

TEST_CASE("S11: a request that may take no time fails at once, and is not sent") {
  bool received = false;
  const auto took = run_clean([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> {
      auto q = co_await receive<price_of>();
      received = true;
      q.answer(1);
    });
    for (auto limit : {clock_duration(0), clock_duration(-1), clock_duration::min()})
      CHECK(co_await outcome_of(c, limit) == errc::timed_out);
    CHECK(!received);
    CHECK(co_await outcome_of(c) == std::error_code());
  });
  CHECK(received);
  CHECK(took == 0s);
}

TEST_CASE("S11: at its deadline a request fails; the late answer is shed") {
  const auto r = run_and_see([](nursery& n) -> task<> {
    auto slow = n.start([]() -> task<> {
      auto q = co_await receive<price_of>();
      CHECK(q.wanted());
      co_await sleep_for(2s);
      CHECK(!q.wanted());
      q.answer(1);
    });
    const auto start = now();
    CHECK(co_await outcome_of(slow, 1s) == errc::timed_out);
    CHECK(now() - start == 1s);
    try {
      (void)co_await ask<int>(slow, std::string("x"), 0s);
      CHECK(false);
    } catch (const std::system_error& e) {
      CHECK(e.code() == errc::timed_out);
    }
  });
  CHECK(r.ledger.shed == 2); // the late answer, and the news of the second's end
}

TEST_CASE("S11: cancel gives up at once; the answer that comes later is shed") {
  const auto r = run_and_see([](nursery& n) -> task<> {
    auto slow = n.start([]() -> task<> {
      auto q = co_await receive<price_of>();
      co_await sleep_for(2s);
      q.answer(1);
    });
    const auto start = now();
    auto body = [&](cancel_scope&) -> task<> {
      (void)co_await ask<int>(slow, std::string("x"));
      CHECK(false);
    };
    co_await move_on_after(1s, body);
    CHECK(now() - start == 1s);
  });
  CHECK(r.ledger.shed == 1);
}

TEST_CASE("S11: a cancelled task sends no request") {
  int got = 0;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> {
      for (;;) {
        (void)co_await receive<price_of>();
        ++got;
      }
    });
    auto body = [&](cancel_scope& s) -> task<> {
      s.cancel();
      (void)co_await ask<int>(c, std::string("x"));
    };
    co_await move_on_after(1h, body);
    co_await sleep_for(1ms);
    n.cancel();
  });
  CHECK(got == 0);
}

TEST_CASE("S11: cancelled at any point a request ends once, on one loop and between two") {
  for (unsigned loops : {1u, 2u})
    for (int at = 0; at < 30; ++at) {
      int answered = 0, given_up = 0;
      const auto r = run_and_see(virtual_options{.loops = loops}, [&](nursery& n) -> task<> {
        auto c = n.start(child_spec("slow", []() -> task<> {
                           for (;;) {
                             auto q = co_await receive<asked<counted, counted>>();
                             co_await sleep_for(2us);
                             q.answer(std::move(q.message()));
                           }
                         }).on(placement::any_loop));
        for (int i = 0; i < 5; ++i) {
          const int before = answered;
          auto body = [&](cancel_scope&) -> task<> {
            for (int k = 0; k < 4; ++k) (void)co_await ask<counted>(c, counted());
            ++answered;
          };
          co_await move_on_after(std::chrono::microseconds(at), body);
          given_up += answered == before;
        }
        n.cancel();
      });
      REQUIRE(answered + given_up == 5);
      REQUIRE(r.ledger.balances());
    }
  CHECK(counted::live == 0);
}

TEST_CASE("S11: an answer that came before the cancel wins") {
  int got = 0;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start([]() -> task<> {
      auto q = co_await receive<asked<cancel_scope*, int>>();
      auto* scope = q.message();
      q.answer(7);
      scope->cancel();
    });
    auto body = [&](cancel_scope& s) -> task<> { got = co_await ask<int>(c, &s); };
    co_await move_on_after(1h, body);
  });
  CHECK(got == 7);
}

TEST_CASE("S11: a question may be answered by a foreign thread, or die with it") {
  std::vector<std::thread> threads;
  const auto r = run(quiet(2), [&](nursery& n) -> task<> {
    auto c = n.start(child_spec("boss", [&]() -> task<> {
                       for (int i = 0;; ++i) {
                         auto q = co_await receive<price_of>();
                         threads.emplace_back([i, q = std::move(q)]() mutable {
                           if (i % 2) q.answer(i);
                         });
                       }
                     }).on(placement::any_loop));
    for (int i = 0; i < 20; ++i) {
      const auto e = co_await outcome_of(c);
      CHECK(e == (i % 2 ? std::error_code() : make_error_code(request_errc::unanswered)));
    }
    n.cancel();
  });
  for (auto& t : threads) t.join();
  CHECK(r.how() == run_result::kind::completed);
  CHECK(r.ledger().balances());
}

TEST_CASE("S11: a question that outlives its system tells nobody") {
  std::optional<price_of> kept;
  run_and_see([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> { kept.emplace(co_await receive<price_of>()); });
    CHECK(co_await outcome_of(c, 1s) == errc::timed_out);
  });
  CHECK(!kept->wanted());
  kept.reset();
}

TEST_CASE("S11: thousands of requests between two loops, with cancels, all end") {
  std::uint64_t ended = 0;
  const auto r = run(quiet(2), [&](nursery& n) -> task<> {
    auto c = n.start(child_spec("shop", &shop).on(placement::any_loop));
    std::vector<child> all;
    for (int k = 0; k < 8; ++k)
      all.push_back(n.start([&ended, c]() -> task<> {
        for (int i = 0; i < 500; ++i) {
          (void)co_await outcome_of(c, i % 7 ? no_limit : clock_duration(1us));
          ++ended;
        }
      }));
    for (int i = 0; i < 20; ++i) co_await checkpoint();
    all[0].cancel();
    for (auto& x : all) co_await x.wait();
    c.cancel();
    co_await c.wait();
    CHECK(co_await outcome_of(c) == request_errc::receiver_down);
  });
  INFO(r.ledger().to_text());
  CHECK(r.how() == run_result::kind::completed);
  CHECK(ended >= 7 * 500);
  CHECK(r.ledger().balances());
}

TEST_CASE("S11: a child of CAF's does not understand a request of a task's, and so it is said") {
  run_clean([](nursery& n) -> task<> {
    auto c = n.start(caf_child("alien", [](caf::event_based_actor*) -> caf::behavior {
      return {[](int x) { return x; }};
    }));
    CHECK(co_await outcome_of(c) == request_errc::not_understood);
    CHECK(!c.ended());
    n.cancel();
  });
}
