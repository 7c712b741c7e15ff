// shared_channel and shared_event: the same promises between loops and threads.
#include "runtime/sync/shared_channel.hpp"

#include "runtime/sync/shared_event.hpp"
#include "tests/runtime/clean_run.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

constexpr virtual_options two_loops{.loops = 2};

task<> settle() { co_await sleep_for(1ms); }

child start_far(nursery& n, auto f) {
  return n.start(child_spec("far", std::move(f)).on(placement::any_loop));
}

} // namespace

TEST_CASE("T13: what is sent on one loop is received on another, in order, until it is closed") {
  for (const std::size_t capacity : {0u, 1u, 100u}) {
    run_clean(two_loops, [capacity](nursery& n) -> task<> {
      shared_channel<std::string> ch(capacity);
      start_far(n, [ch]() -> task<> {
        for (int i = 0; i < 1000; ++i) co_await ch.send("item number " + std::to_string(i));
        ch.close();
      });
      int i = 0;
      while (auto x = co_await ch.receive()) CHECK(*x == "item number " + std::to_string(i++));
      CHECK(i == 1000);
      CHECK(ch.statistics().sent == 1000);
    });
  }
}

TEST_CASE("T13: close reaches the waiting senders and receivers of other loops") {
  run_clean(two_loops, [](nursery&) -> task<> {
    shared_channel<int> full(0), empty(4);
    int failed = 0, nothing = 0;
    auto body = [&](nursery& n) -> task<> {
      for (int i = 0; i < 3; ++i) {
        start_far(n, [&, i]() -> task<> {
          try {
            co_await full.send(i);
          } catch (const channel_closed&) {
            ++failed;
          }
        });
        start_far(n, [&]() -> task<> { nothing += !co_await empty.receive(); });
      }
      co_await settle();
      CHECK(full.statistics().waiting_senders == 3);
      CHECK(empty.statistics().waiting_receivers == 3);
      full.close();
      empty.close();
    };
    co_await with_nursery(body);
    CHECK(failed == 3);
    CHECK(nothing == 3);
  });
}

TEST_CASE("T13: a receiver of another loop that is cancelled after the hand-over has the item") {
  run_clean(two_loops, [](nursery&) -> task<> {
    shared_channel<std::string> ch(0);
    std::string got, reached;
    auto body = [&](nursery& n) -> task<> {
      auto c = start_far(n, [&]() -> task<> {
        auto x = co_await ch.receive();
        got = *x;
        co_await checkpoint();
        reached = "beyond the cancel";
      });
      co_await settle();
      CHECK(ch.try_send("a text that does not fit in place"));
      c.cancel(); // overtakes the news, which is posted to the other loop
      co_await c.wait();
    };
    co_await with_nursery(body);
    CHECK(got == "a text that does not fit in place");
    CHECK(reached == "");
  });
}

TEST_CASE("T13: a cancel between a foreign hand-over and its news is refused") {
  run_clean([](nursery&) -> task<> {
    shared_channel<std::string> ch(0);
    shared_event e;
    std::string got, mine = "mine, which does not fit in place", order;
    std::vector<cancel_scope*> scopes;
    const auto stopped_later = [&](auto wait) -> task<> {
      auto body = [&](cancel_scope& s) -> task<> {
        scopes.push_back(&s);
        co_await wait();
        order += 'c'; // completed first
        co_await checkpoint();
        order += 'x';
      };
      CHECK(!co_await move_on_after(no_limit, body));
    };
    auto receive = [&]() -> task<> { got = *co_await ch.receive(); };
    auto send = [&]() -> task<> { co_await ch.send_from(mine); };
    auto wait = [&]() -> task<> { co_await e.wait(); };
    auto receiver = [&] { return stopped_later(receive); };
    auto sender = [&] { return stopped_later(send); };
    auto waiter = [&] { return stopped_later(wait); };
    // the turn that cancels them ends after the other thread is done: the news waits in the inbox
    const auto cancel_and = [&](auto on_another_thread) {
      scopes.back()->cancel();
      std::thread(on_another_thread).join();
    };
    auto body = [&](nursery& n) -> task<> {
      n.start(receiver);
      co_await settle();
      cancel_and([&] { CHECK(ch.try_send("a text that does not fit in place")); });
      co_await settle();
      CHECK(got == "a text that does not fit in place");
      n.start(sender);
      co_await settle();
      cancel_and([&] { CHECK(ch.try_receive() == "mine, which does not fit in place"); });
      n.start(waiter);
      co_await settle();
      cancel_and([&] { e.set(); });
    };
    co_await with_nursery(body);
    CHECK(order == "ccc");
    CHECK(ch.statistics().sent == 2);
    CHECK(ch.statistics().received == 2);
  });
}

TEST_CASE("T13: a wait of another loop that is cancelled leaves the channel at once") {
  run_clean(two_loops, [](nursery&) -> task<> {
    shared_channel<int> ch(0);
    auto body = [&](nursery& n) -> task<> {
      auto r = start_far(n, [ch]() -> task<> { co_await ch.receive(); });
      co_await settle();
      r.cancel();
      co_await r.wait();
      CHECK(ch.statistics().waiting_receivers == 0);
      CHECK(!ch.try_send(1));
      auto s = start_far(n, [ch]() -> task<> { co_await ch.send(2); });
      co_await settle();
      s.cancel();
      co_await s.wait();
      CHECK(ch.statistics().waiting_senders == 0);
      CHECK(ch.try_receive() == std::nullopt);
    };
    co_await with_nursery(body);
  });
}

TEST_CASE("T2: waits for a shared channel or event look for cancellation first") {
  run_clean([](nursery&) -> task<> {
    shared_channel<int> ch(2);
    shared_event e;
    e.set();
    CHECK(ch.try_send(1));
    auto receive = [&](cancel_scope& s) -> task<> {
      s.cancel();
      co_await ch.receive();
    };
    auto send = [&](cancel_scope& s) -> task<> {
      s.cancel();
      co_await ch.send(2);
    };
    auto wait = [&](cancel_scope& s) -> task<> {
      s.cancel();
      co_await e.wait();
    };
    CHECK(!co_await move_on_after(no_limit, receive));
    CHECK(!co_await move_on_after(no_limit, send));
    CHECK(!co_await move_on_after(no_limit, wait));
    CHECK(ch.statistics().buffered == 1);
    CHECK(ch.statistics().sent == 1);
  });
}

TEST_CASE("T2: a task that could always receive lets others run") {
  run_clean([](nursery&) -> task<> {
    shared_channel<int> ch(1);
    int rounds = 0;
    auto busy = [&]() -> task<> {
      for (;; ++rounds) {
        co_await ch.send(1);
        co_await ch.receive();
      }
    };
    auto body = [&](nursery& n) -> task<> {
      auto c = n.start(busy);
      for (int i = 0; i < 100; ++i) co_await sleep_for(0s);
      CHECK(rounds > 1000);
      c.cancel();
    };
    co_await with_nursery(body);
    const auto s = ch.statistics();
    CHECK(s.sent == s.received + s.buffered);
  });
}

TEST_CASE("T13: a handle may go while its channel is waited for") {
  run_clean([](nursery&) -> task<> {
    std::optional<shared_channel<int>> ch(0);
    const auto other = *ch;
    int got = 0;
    auto body = [&](nursery& n) -> task<> {
      auto receive = [&]() -> task<> { got = *co_await ch->receive(); };
      n.start(receive);
      co_await settle();
      ch.reset();
      CHECK(other.try_send(5));
    };
    co_await with_nursery(body);
    CHECK(got == 5);
  });
}

TEST_CASE("T12: an event is set on one loop and waited for on others") {
  run_clean(two_loops, [](nursery&) -> task<> {
    shared_event e;
    int reached = 0, cancelled = 0;
    auto body = [&](nursery& n) -> task<> {
      for (int i = 0; i < 4; ++i) {
        n.start(child_spec("waiter", [&, e]() -> task<> {
                  co_await e.wait();
                  ++reached;
                }).on(i % 2 ? placement::any_loop : placement::here));
        start_far(n, [&, e]() -> task<> {
          auto wait = [&]() -> task<> { co_await e.wait(); };
          cancelled += !co_await move_on_after(1us, wait);
        });
      }
      co_await settle();
      CHECK(e.statistics().waiting == 4);
      CHECK(!e.is_set());
      e.set();
      CHECK(e.is_set());
      co_await e.wait();
    };
    co_await with_nursery(body);
    CHECK(reached == 4);
    CHECK(cancelled == 4);
  });
}

TEST_CASE("T12: a plain thread sets an event, and may do so after the system's end") {
  shared_event e, started;
  std::thread setter;
  auto r = run(quiet(2), [&](nursery&) -> task<> {
    setter = std::thread([e] { e.set(); });
    co_await e.wait();
  });
  setter.join();
  CHECK(r.how() == run_result::kind::completed);
  e.set();
  started.set();
  CHECK(started.statistics().waiting == 0);
}

TEST_CASE("T13: a plain thread sends to a task with try_send") {
  constexpr int all = 20'000;
  shared_channel<std::string> ch(16);
  int got = 0;
  std::thread sender;
  auto r = run(quiet(2), [&](nursery&) -> task<> {
    sender = std::thread([ch] {
      for (int i = 0; i < all; ++i) {
        std::string item = "item number " + std::to_string(i);
        while (!ch.try_send(std::move(item))) std::this_thread::yield();
      }
      ch.close();
    });
    while (auto x = co_await ch.receive())
      if (*x == "item number " + std::to_string(got)) ++got;
  });
  sender.join();
  CHECK(r.how() == run_result::kind::completed);
  CHECK(got == all);
  CHECK_THROWS_AS(ch.try_send("late"), channel_closed);
}

TEST_CASE("T13: two real loops, with cancels at any time: each item once") {
  constexpr int senders = 4, receivers = 4, each = 5000;
  for (const std::size_t capacity : {0u, 2u}) {
    const int before = counted::live;
    std::vector<std::atomic<int>> seen(senders * each);
    std::atomic<int> given_up{0};
    {
      shared_channel<counted> ch(capacity);
      auto sender = [&](int me) -> task<> {
        for (int i = 0; i < each; ++i) {
          const int number = me * each + i;
          counted item(std::to_string(number));
          bool sent = false;
          auto body = [&]() -> task<> {
            co_await ch.send_from(item);
            sent = true;
          };
          co_await move_on_after(std::chrono::microseconds(i % 7), body);
          if (sent) continue;
          ++given_up;
          if (item.text == std::to_string(number)) ++seen[std::size_t(number)];
        }
      };
      auto receiver = [&](int me) -> task<> {
        for (bool over = false; !over;) {
          auto body = [&]() -> task<> {
            if (auto x = co_await ch.receive())
              ++seen[std::stoul(x->text)];
            else
              over = true;
          };
          co_await move_on_after(std::chrono::microseconds(1 + me * 5), body);
          co_await checkpoint();
        }
      };
      auto r = run(quiet(2), [&](nursery& n) -> task<> {
        for (int i = 0; i < receivers; ++i)
          n.start(child_spec("r", receiver, i).on(i % 2 ? placement::any_loop : placement::here));
        auto all = [&](nursery& s) -> task<> {
          for (int i = 0; i < senders; ++i)
            s.start(child_spec("s", sender, i).on(i % 2 ? placement::any_loop : placement::here));
          co_return;
        };
        co_await with_nursery(all);
        ch.close();
      });
      CHECK(r.how() == run_result::kind::completed);
      CHECK(ch.statistics().buffered == 0);
      CHECK(ch.statistics().sent == ch.statistics().received);
    }
    CHECK(std::all_of(seen.begin(), seen.end(), [](auto& x) { return x == 1; }));
    CHECK(given_up > 0);
    CHECK(counted::live == before);
  }
}
