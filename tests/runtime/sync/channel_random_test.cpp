// channel and shared_channel under random use: nothing is lost or doubled, whoever is cancelled
// when.
#include "runtime/sync/shared_channel.hpp"
#include "tests/runtime/clean_run.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

// Workers that send, receive, give up, and are cancelled at random; each item has a number and is
// owned by one place at any time.
template <class Channel> struct chaos {
  std::mt19937_64 chance;
  Channel ch;
  placement where = placement::here;              // of every second worker
  static constexpr int workers = 6, steps = 2500; // of each worker
  int made = 0;
  std::vector<int> seen; // how often each number was received
  std::array<cancel_scope*, workers> scopes{};
  int cancelled_sends = 0, cancelled_receives = 0, sends = 0, receives = 0;

  chaos(std::uint64_t seed, std::size_t capacity) : chance(seed), ch(capacity) {}

  int below(int n) { return int(chance() % std::uint64_t(n)); }
  clock_duration limit() { return std::chrono::microseconds(below(4)); }
  void took(const counted& x) {
    ++receives;
    ++seen.at(std::stoul(x.text));
  }
  void look() {
    const auto s = ch.statistics();
    REQUIRE(s.buffered <= s.capacity);
    REQUIRE(s.sent == s.received + s.buffered);
    REQUIRE(s.peak <= s.capacity);
  }
  counted make() {
    seen.push_back(0);
    return counted(std::to_string(made++));
  }
  // Something that may fall into anybody's wait.
  void disturb() {
    if (where != placement::here) return look(); // a scope is its loop's own
    if (auto* s = scopes[std::size_t(below(workers))]; s && below(2)) s->cancel();
    if (below(4) == 0) {
      if (auto x = ch.try_receive()) took(*x);
    }
    if (auto* s = scopes[std::size_t(below(workers))]; s && below(4) == 0) s->cancel();
    look();
  }

  task<> sender(int me) {
    for (int i = 0; i < steps; ++i) {
      auto item = make();
      const auto number = item.text;
      for (bool sent = false; !sent;) {
        auto body = [&](cancel_scope& s) -> task<> {
          scopes[std::size_t(me)] = &s;
          co_await ch.send_from(item);
          sent = true;
        };
        co_await move_on_after(limit(), body);
        scopes[std::size_t(me)] = nullptr;
        if (sent) {
          ++sends;
          REQUIRE(item.text.empty());
          break;
        }
        ++cancelled_sends;
        REQUIRE(item.text == number); // still ours
        REQUIRE(seen[std::stoul(number)] == 0);
        if (below(3) == 0) {
          seen[std::stoul(number)] = 1; // given up
          break;
        }
        disturb();
        if (below(2)) co_await sleep_for(limit());
      }
      disturb();
    }
  }
  task<> receiver(int me) {
    for (;;) {
      bool over = false;
      bool took_one = false;
      auto body = [&](cancel_scope& s) -> task<> {
        scopes[std::size_t(me)] = &s;
        auto x = co_await ch.receive();
        took_one = true;
        if (x)
          took(*x);
        else
          over = true;
      };
      co_await move_on_after(limit(), body);
      scopes[std::size_t(me)] = nullptr;
      if (over) co_return;
      if (!took_one) ++cancelled_receives;
      if (below(3) == 0) co_await sleep_for(limit());
      disturb();
    }
  }
  template <class F> void start(nursery& n, F f, int i) {
    n.start(child_spec("worker", f, i).on(i % 2 ? where : placement::here));
  }
  task<> operator()(nursery&) {
    auto senders = [this](nursery& n) -> task<> {
      auto s = [this](int i) { return sender(i); };
      for (int i = 0; i < 3; ++i) start(n, s, i);
      co_return;
    };
    auto all = [&](nursery& n) -> task<> {
      auto r = [this](int i) { return receiver(i); };
      for (int i = 3; i < workers; ++i) start(n, r, i);
      co_await with_nursery(senders);
      ch.close();
    };
    co_await with_nursery(all);
  }
};

template <class Channel> void run_chaos(unsigned loops) {
  for (const std::size_t capacity : {0u, 1u, 3u})
    for (const std::uint64_t seed : {1u, 2u, 3u, 4u}) {
      CAPTURE(capacity);
      CAPTURE(seed);
      const int before = counted::live;
      {
        chaos<Channel> c(seed, capacity);
        if (loops > 1) c.where = placement::any_loop;
        run_clean({.loops = loops}, [&c](nursery& n) { return c(n); });
        CHECK(std::all_of(c.seen.begin(), c.seen.end(), [](int n) { return n == 1; }));
        CHECK(c.sends == c.receives);
        CHECK(c.ch.statistics().sent == std::uint64_t(c.sends));
        CHECK(c.ch.statistics().buffered == 0);
        CHECK(c.cancelled_sends > 500); // it was a test
        CHECK(c.cancelled_receives > 500);
        CHECK(c.sends > 2000);
      }
      CHECK(counted::live == before);
    }
}

} // namespace

TEST_CASE("T13: random sends, receives and cancels lose nothing and double nothing") {
  run_chaos<channel<counted>>(1);
}
TEST_CASE("T13: random sends, receives and cancels of a shared channel, on one loop") {
  run_chaos<shared_channel<counted>>(1);
}
TEST_CASE("T13: random sends, receives and cancels across two loops") {
  run_chaos<shared_channel<counted>>(2);
}
