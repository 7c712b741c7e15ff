// channel: what each of its operations promises, one at a time.
#include "runtime/sync/channel.hpp"

#include "tests/runtime/clean_run.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>

using namespace creche;
using namespace creche::testing;

namespace {

task<> settle() { co_await sleep_for(1ms); }

using ints = std::vector<int>;

task<> send_one(channel<int>& ch, int i, ints& done) {
  co_await ch.send(i);
  done.push_back(i);
}
task<> receive_one(channel<int>& ch, int name, ints& by, ints& items) {
  if (auto x = co_await ch.receive()) {
    by.push_back(name);
    items.push_back(*x);
  }
}

} // namespace

TEST_CASE("T13: what is sent is received, in order, and owned by one at a time") {
  run_clean([](nursery&) -> task<> {
    channel<std::string> ch(3);
    const std::string named = "a named text that does not fit in place";
    std::string moved = "a moved text that does not fit in place";
    std::string lent = "a lent text that does not fit in place";
    co_await ch.send("a temporary text that does not fit in place");
    co_await ch.send(named);
    co_await ch.send(std::move(moved));
    CHECK(*co_await ch.receive() == "a temporary text that does not fit in place");
    co_await ch.send_from(lent);
    CHECK(moved == "");
    CHECK(lent == "");
    CHECK(*co_await ch.receive() == named);
    CHECK(*co_await ch.receive() == "a moved text that does not fit in place");
    CHECK(*co_await ch.receive() == "a lent text that does not fit in place");
    channel<std::unique_ptr<int>> owners(1);
    co_await owners.send(std::make_unique<int>(7));
    CHECK(**co_await owners.receive() == 7);
  });
}

TEST_CASE("T13: try_send and try_receive do it now or not at all") {
  run_clean([](nursery&) -> task<> {
    channel<std::string> ch(1);
    CHECK(ch.try_receive() == std::nullopt);
    std::string a = "a", b = "b";
    CHECK(ch.try_send(std::move(a)));
    CHECK(!ch.try_send(std::move(b)));
    CHECK(b == "b"); // left alone
    CHECK(ch.try_receive() == "a");
    channel<int> none(0);
    CHECK(!none.try_send(1));
    ch.close();
    CHECK_THROWS_AS(ch.try_send("c"), channel_closed);
    CHECK(ch.try_receive() == std::nullopt);
    co_return;
  });
}

TEST_CASE("T13: with a capacity of 0 a send waits for its receive") {
  run_clean([](nursery&) -> task<> {
    channel<int> ch(0);
    std::string order;
    auto sender = [&]() -> task<> {
      for (int i = 0; i < 3; ++i) {
        order += 's';
        co_await ch.send(i);
      }
      ch.close();
    };
    auto body = [&](nursery& n) -> task<> {
      n.start(sender);
      co_await settle();
      CHECK(order == "s");
      CHECK(ch.statistics().waiting_senders == 1);
      for (int i = 0; auto x = co_await ch.receive(); ++i) {
        CHECK(*x == i);
        order += 'r';
        co_await settle();
      }
      CHECK(order == "srsrsr");
    };
    co_await with_nursery(body);
    CHECK(ch.statistics().peak == 0);
  });
}

TEST_CASE("T13: a closed channel is drained, then gives nothing; sends fail") {
  run_clean([](nursery&) -> task<> {
    channel<int> ch(2);
    std::string late = "a text that does not fit in place";
    int failed = 0;
    channel<std::string> full(0);
    auto sender = [&]() -> task<> {
      try {
        co_await full.send_from(late);
      } catch (const channel_closed& e) {
        ++failed;
        CHECK(e.code() == errc::channel_closed);
      }
    };
    auto body = [&](nursery& n) -> task<> {
      n.start(sender);
      n.start(sender);
      co_await settle();
      CHECK(full.statistics().waiting_senders == 2);
      full.close();
      full.close();
    };
    co_await with_nursery(body);
    CHECK(failed == 2);
    CHECK(late == "a text that does not fit in place"); // still the sender's
    co_await sender();
    CHECK(failed == 3);

    co_await ch.send(1);
    co_await ch.send(2);
    ch.close();
    CHECK(co_await ch.receive() == 1);
    CHECK(co_await ch.receive() == 2);
    CHECK(co_await ch.receive() == std::nullopt);
    CHECK(co_await ch.receive() == std::nullopt);
    CHECK(ch.statistics().closed);
  });
}

TEST_CASE("T13: close and the channel's end let waiting receivers go with nothing") {
  run_clean([](nursery&) -> task<> {
    for (const bool destroyed : {false, true}) {
      auto ch = std::make_unique<channel<int>>(4);
      int nothing = 0;
      auto receiver = [&nothing](channel<int>* c) -> task<> {
        nothing += co_await c->receive() == std::nullopt;
      };
      auto body = [&](nursery& n) -> task<> {
        for (int i = 0; i < 3; ++i) n.start(receiver, ch.get());
        co_await settle();
        if (destroyed)
          ch.reset();
        else
          ch->close();
      };
      co_await with_nursery(body);
      CHECK(nothing == 3);
    }
  });
}

TEST_CASE("T13: three senders and three receivers are served in the order they came") {
  run_clean([](nursery&) -> task<> {
    channel<int> ch(0);
    ints senders, receivers, items;
    auto sender = [&](int me) -> task<> {
      for (int i = 0; i < 100; ++i) {
        co_await ch.send(me);
        senders.push_back(me);
        co_await sleep_for(0s);
      }
    };
    auto receiver = [&](int me) -> task<> {
      for (int i = 0; i < 100; ++i) {
        co_await receive_one(ch, me, receivers, items);
        co_await sleep_for(0s);
      }
    };
    auto body = [&](nursery& n) -> task<> {
      for (int i = 0; i < 3; ++i) n.start(sender, i);
      for (int i = 0; i < 3; ++i) n.start(receiver, i);
      co_return;
    };
    co_await with_nursery(body);
    REQUIRE(items.size() == 300);
    for (std::size_t i = 0; i + 3 <= items.size(); i += 3)
      for (auto* list : {&items, &receivers, &senders}) {
        ints three(list->begin() + std::ptrdiff_t(i), list->begin() + std::ptrdiff_t(i) + 3);
        std::sort(three.begin(), three.end());
        CHECK(three == ints{0, 1, 2}); // nobody twice before everybody once
      }
  });
}

TEST_CASE("T13: a hundred thousand items go through in bounded memory") {
  run_clean([](nursery&) -> task<> {
    constexpr int all = 100'000;
    channel<counted> ch(8);
    int most = 0, got = 0;
    const int before = counted::live;
    auto sender = [&]() -> task<> {
      for (int i = 0; i < all; ++i) co_await ch.send(counted());
      ch.close();
    };
    auto body = [&](nursery& n) -> task<> {
      n.start(sender);
      while (auto x = co_await ch.receive()) {
        ++got;
        most = std::max(most, counted::live - before);
      }
    };
    co_await with_nursery(body);
    CHECK(got == all);
    CHECK(most <= 8 + 3); // the buffer, the sender's, the receiver's, and one on its way
    CHECK(counted::live == before);
    const auto s = ch.statistics();
    CHECK(s.peak == 8);
    CHECK(s.sent == all);
    CHECK(s.received == all);
  });
}

TEST_CASE("T6: statistics of a channel") {
  run_clean([](nursery&) -> task<> {
    channel<int> ch(2);
    ints sent;
    auto body = [&](nursery& n) -> task<> {
      for (int i = 0; i < 5; ++i) n.start(send_one, std::ref(ch), i, std::ref(sent));
      co_await settle();
      auto s = ch.statistics();
      CHECK(s.capacity == 2);
      CHECK(s.buffered == 2);
      CHECK(s.waiting_senders == 3);
      CHECK(s.sent == 2);
      CHECK(s.received == 0);
      for (int i = 0; i < 5; ++i) CHECK(co_await ch.receive() == i);
      s = ch.statistics();
      CHECK(s.buffered == 0);
      CHECK(s.peak == 2);
      CHECK(s.waiting_senders == 0);
      CHECK(s.sent == 5);
      CHECK(s.received == 5);
      CHECK(!s.closed);
      ints by, items;
      auto c = n.start(receive_one, std::ref(ch), 0, std::ref(by), std::ref(items));
      co_await settle();
      CHECK(ch.statistics().waiting_receivers == 1);
      c.cancel();
      co_await c.wait();
      CHECK(ch.statistics().waiting_receivers == 0);
    };
    co_await with_nursery(body);
  });
}

TEST_CASE("T2: send and receive look for cancellation first, and have no effect then") {
  run_clean([](nursery&) -> task<> {
    channel<std::string> ch(2);
    co_await ch.send("first");
    std::string mine = "mine";
    auto send = [&](cancel_scope& s) -> task<> {
      s.cancel();
      co_await ch.send_from(mine);
    };
    auto receive = [&](cancel_scope& s) -> task<> {
      s.cancel();
      co_await ch.receive();
    };
    CHECK(!co_await move_on_after(no_limit, send));
    CHECK(!co_await move_on_after(no_limit, receive));
    CHECK(mine == "mine");
    CHECK(ch.statistics().buffered == 1);
    ch.close();
    CHECK(!co_await move_on_after(no_limit, send)); // not channel_closed
    CHECK(!co_await move_on_after(no_limit, receive));
  });
}

TEST_CASE("T2: sender and receiver that need never wait let others run, and can be cancelled") {
  run_clean([](nursery&) -> task<> {
    channel<int> ch(1);
    int rounds = 0;
    auto busy = [&]() -> task<> {
      for (;;) {
        co_await ch.send(1);
        co_await ch.receive();
        ++rounds;
      }
    };
    auto body = [&](nursery& n) -> task<> {
      auto c = n.start(busy);
      for (int i = 0; i < 100; ++i) co_await sleep_for(0s);
      CHECK(rounds > 1000);
      c.cancel();
      co_await c.wait();
    };
    co_await with_nursery(body);
    const auto s = ch.statistics();
    CHECK(s.sent == s.received + s.buffered);
  });
}

TEST_CASE("T13: whoever of the waiting is cancelled, the others are served in order") {
  for (const int gone : {0, 1, 2}) {
    run_clean([gone](nursery&) -> task<> {
      const std::array<ints, 3> left{ints{1, 2}, ints{0, 2}, ints{0, 1}};
      auto& rest = left[std::size_t(gone)];
      for (const std::size_t capacity : {0u, 1u, 2u}) {
        channel<int> ch(capacity);
        for (std::size_t i = 0; i < capacity; ++i) co_await ch.send(-1);
        ints done, items, by;
        auto senders = [&](nursery& n) -> task<> {
          std::vector<child> c;
          for (int i = 0; i < 3; ++i)
            c.push_back(n.start(send_one, std::ref(ch), i, std::ref(done)));
          co_await settle();
          c[std::size_t(gone)].cancel();
          co_await settle();
          for (std::size_t i = 0; i < capacity; ++i) CHECK(co_await ch.receive() == -1);
          for (const int x : rest) CHECK(co_await ch.receive() == x);
          CHECK(ch.try_receive() == std::nullopt);
        };
        co_await with_nursery(senders);
        CHECK(done == rest);
        auto receivers = [&](nursery& n) -> task<> {
          std::vector<child> c;
          for (int i = 0; i < 3; ++i)
            c.push_back(n.start(receive_one, std::ref(ch), i, std::ref(by), std::ref(items)));
          co_await settle();
          c[std::size_t(gone)].cancel();
          co_await ch.send(10); // in the turn of the cancel: who is cancelled is passed over
          co_await ch.send(11);
        };
        co_await with_nursery(receivers);
        CHECK(by == rest);
        CHECK(items == ints{10, 11});
      }
    });
  }
}

TEST_CASE("T13: who is cancelled in the turn of the hand-over has it") {
  run_clean([](nursery&) -> task<> {
    channel<int> ch(0);
    ints by, items, sent;
    auto body = [&](nursery& n) -> task<> {
      auto r = n.start(receive_one, std::ref(ch), 0, std::ref(by), std::ref(items));
      co_await settle();
      CHECK(ch.try_send(5));
      r.cancel();
      co_await r.wait();
      CHECK(items == ints{5});
      auto s = n.start(send_one, std::ref(ch), 6, std::ref(sent));
      co_await settle();
      CHECK(ch.try_receive() == 6);
      s.cancel();
      co_await s.wait();
      CHECK(sent == ints{6}); // its send is known to have been accepted
    };
    co_await with_nursery(body);
  });
}
