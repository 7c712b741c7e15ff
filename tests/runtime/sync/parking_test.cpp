// parking: first come, first served; and what a cancel does to who is parked.
#include "runtime/sync/parking.hpp"

#include "tests/runtime/clean_run.hpp"

#include <algorithm>
#include <functional>
#include <memory>

using namespace creche;
using namespace creche::testing;

namespace {

/// Two names of this room: who waits, and in which order they went on.
struct rig {
  parking lot;
  std::string order;
};
task<> waiter(rig& r, char name) {
  co_await r.lot.park();
  r.order += name;
}
task<> settle() { co_await sleep_for(1ms); }

} // namespace

TEST_CASE("T1: the parked go on in the order they came, as many as were unparked") {
  run_clean([](nursery&) -> task<> {
    rig r;
    auto body = [&r](nursery& n) -> task<> {
      for (char c : {'a', 'b', 'c', 'd', 'e'}) n.start(waiter, std::ref(r), c);
      co_await settle();
      CHECK(r.lot.statistics().waiting == 5);
      CHECK(r.lot.unpark(2) == 2);
      CHECK(r.order == ""); // sync: they go on in turns of their own
      CHECK(r.lot.statistics().waiting == 3);
      co_await settle();
      CHECK(r.order == "ab");
      CHECK(r.lot.unpark() == 1);
      CHECK(r.lot.unpark_all() == 2);
      CHECK(r.lot.unpark_all() == 0);
      co_await settle();
      CHECK(r.order == "abcde");
    };
    co_await with_nursery(body);
    CHECK(r.lot.statistics().waiting == 0);
    CHECK(r.lot.statistics().peak == 5);
  });
}

TEST_CASE("T1: who is cancelled leaves the list, from its front, its middle and its end") {
  for (const int gone : {0, 1, 2}) {
    run_clean([gone](nursery&) -> task<> {
      rig r;
      auto body = [&](nursery& n) -> task<> {
        std::vector<child> c;
        for (char x : {'a', 'b', 'c'}) c.push_back(n.start(waiter, std::ref(r), x));
        co_await settle();
        c[std::size_t(gone)].cancel();
        co_await settle();
        CHECK(r.lot.statistics().waiting == 2);
        CHECK(r.lot.unpark_all() == 2);
      };
      co_await with_nursery(body);
      std::string left = "abc";
      left.erase(std::size_t(gone), 1);
      CHECK(r.order == left);
    });
  }
}

TEST_CASE("T1: of unpark and cancel in one turn the first wins") {
  run_clean([](nursery&) -> task<> {
    rig r;
    auto body = [&](nursery& n) -> task<> {
      auto first = n.start(waiter, std::ref(r), 'a');
      auto second = n.start(waiter, std::ref(r), 'b');
      co_await settle();
      CHECK(r.lot.unpark() == 1);
      first.cancel(); // too late: it goes on
      co_await settle();
      CHECK(r.order == "a");
      CHECK(first.ended());
      second.cancel(); // in time: it is passed over, though it is still parked
      CHECK(r.lot.unpark() == 0);
      CHECK(r.lot.statistics().waiting == 0);
      co_await settle();
      CHECK(r.order == "a");
    };
    co_await with_nursery(body);
  });
}

TEST_CASE("T1: a cancelled scope is passed over, and the next in the list goes on") {
  run_clean([](nursery&) -> task<> {
    rig r;
    cancel_scope* scope = nullptr;
    auto scoped = [&]() -> task<> {
      auto wait = [&](cancel_scope& s) -> task<> {
        scope = &s;
        co_await r.lot.park();
        r.order += 'x';
      };
      CHECK(!co_await move_on_after(no_limit, wait));
      r.order += 's';
    };
    auto body = [&](nursery& n) -> task<> {
      n.start(scoped);
      n.start(waiter, std::ref(r), 'a');
      co_await settle();
      scope->cancel();
      CHECK(r.lot.unpark() == 1);
    };
    co_await with_nursery(body);
    CHECK(r.order == "sa");
  });
}

TEST_CASE("T1: a list built by anyone hands a value over, which a cancel cannot lose") {
  run_clean([](nursery&) -> task<> {
    parking_of<std::optional<std::string>> lot;
    std::string got;
    auto taker = [&]() -> task<> {
      std::optional<std::string> place;
      co_await lot.park(place);
      got += *place;
      co_await checkpoint(); // here the cancel is seen
      got += "!";
    };
    auto body = [&](nursery& n) -> task<> {
      CHECK(lot.first() == nullptr);
      auto c = n.start(taker);
      co_await settle();
      REQUIRE(lot.first() != nullptr);
      *lot.first() = "a text that does not fit in place";
      lot.unpark();
      c.cancel();
    };
    co_await with_nursery(body);
    CHECK(got == "a text that does not fit in place");
  });
}

TEST_CASE("T2: park and park_unless look for cancellation first, and change nothing then") {
  run_clean([](nursery&) -> task<> {
    parking lot;
    int tried = 0;
    auto free = [&]() noexcept { return ++tried > 0; };
    auto cancelled_park = [&](cancel_scope& s) -> task<> {
      s.cancel();
      co_await lot.park();
    };
    auto cancelled_try = [&](cancel_scope& s) -> task<> {
      s.cancel();
      co_await lot.park_unless(free);
    };
    CHECK(!co_await move_on_after(no_limit, cancelled_park));
    CHECK(!co_await move_on_after(no_limit, cancelled_try));
    CHECK(tried == 0);
    CHECK(lot.statistics().peak == 0);
    co_await lot.park_unless(free);
    CHECK(tried == 1);
  });
}

TEST_CASE("T2: no task completes more than 64 tries in a row while others can run") {
  run_clean([](nursery&) -> task<> {
    parking lot;
    int row = 0, most = 0, turns = 0;
    auto free = []() noexcept { return true; };
    auto greedy = [&]() -> task<> {
      for (int i = 0; i < 1000; ++i) {
        co_await lot.park_unless(free);
        most = std::max(most, ++row);
      }
    };
    auto other = [&]() -> task<> {
      while (row < 1000 && turns < 100) {
        ++turns;
        row = 0;
        co_await sleep_for(0s);
      }
    };
    auto body = [&](nursery& n) -> task<> {
      n.start(greedy);
      n.start(other);
      co_await settle();
    };
    co_await with_nursery(body);
    CHECK(most <= 65); // the one that yielded, and 64
    CHECK(turns >= 1000 / 64);
  });
}

TEST_CASE("T2: a try that yields, and is cancelled then, has done nothing") {
  run_clean([](nursery&) -> task<> {
    parking lot;
    int done = 0;
    auto free = [&]() noexcept { return ++done > 0; };
    auto greedy = [&]() -> task<> {
      for (;;) co_await lot.park_unless(free);
    };
    auto body = [&](nursery& n) -> task<> {
      auto c = n.start(greedy);
      co_await checkpoint();
      co_await sleep_for(0s); // one turn of the greedy one
      const int before = done;
      CHECK(before > 0);
      c.cancel();
      co_await c.wait();
      CHECK(done == before);
    };
    co_await with_nursery(body);
  });
}

TEST_CASE("T1: a list may die before those who are parked in it") {
  run_clean([](nursery&) -> task<> {
    std::string order;
    auto body = [&](nursery& n) -> task<> {
      auto lot = std::make_unique<parking>();
      auto wait = [&order, lot = lot.get()]() -> task<> {
        mark m(order, 'd');
        co_await lot->park();
        order += 'x';
      };
      n.start(wait);
      co_await settle();
      lot.reset();
      co_await settle();
      n.cancel();
    };
    co_await with_nursery(body);
    CHECK(order == "d");
  });
}

namespace {

// What anyone can build: fair, and a permit that was handed over is never lost.
class semaphore {
public:
  explicit semaphore(int permits) : permits_(permits) {}
  auto acquire() { return lot_.park_unless(try_, "semaphore"); }
  void release() {
    if (lot_.unpark() == 0) ++permits_;
  }
  int permits() const { return permits_; }

private:
  struct take {
    int& permits;
    bool operator()() const noexcept { return permits > 0 && permits--; }
  };
  int permits_;
  take try_{permits_};
  parking lot_;
};

} // namespace

TEST_CASE("T1: a semaphore made of public parts loses no permit to a cancel") {
  run_clean([](nursery&) -> task<> {
    semaphore s(2);
    int inside = 0, most = 0, entered = 0, gave_up = 0;
    auto user = [&](int me) -> task<> {
      for (int i = 0; i < 200; ++i) {
        bool has = false;
        auto enter = [&]() -> task<> {
          co_await s.acquire();
          has = true;
        };
        co_await move_on_after(std::chrono::microseconds((me + i) % 4), enter);
        if (!has) {
          ++gave_up;
          continue;
        }
        ++entered;
        most = std::max(most, ++inside);
        co_await sleep_for(std::chrono::microseconds(me % 3));
        --inside;
        s.release();
      }
    };
    auto body = [&](nursery& n) -> task<> {
      for (int i = 0; i < 6; ++i) n.start(user, i);
      co_return;
    };
    co_await with_nursery(body);
    CHECK(s.permits() == 2);
    CHECK(most == 2);
    CHECK(entered > 100);
    CHECK(gave_up > 100);
  });
}

TEST_CASE("T1: who was passed over stops, also when a shield comes before its turn") {
  for (const bool whole_task : {false, true}) {
    CAPTURE(whole_task);
    std::string trace;
    run_clean([&](nursery&) -> task<> {
      parking lot;
      cancel_scope *outer = nullptr, *inner = nullptr;
      auto parked = [&](cancel_scope& s) -> task<> {
        inner = &s;
        co_await lot.park();
        trace += "unparked ";
      };
      auto around = [&](cancel_scope& s) -> task<> {
        outer = &s;
        (void)co_await move_on_after(no_limit, parked);
        trace += "inside ";
      };
      auto worker = [&]() -> task<> {
        (void)co_await move_on_after(no_limit, around);
        trace += "behind";
      };
      auto body = [&](nursery& n) -> task<> {
        auto c = n.start(worker);
        co_await sleep_for(1ms);
        if (whole_task)
          c.cancel();
        else
          outer->cancel();
        CHECK(lot.unpark() == 0);
        inner->shield(true);
      };
      co_await with_nursery(body);
    });
    CHECK(trace == (whole_task ? "" : "behind"));
  }
}
