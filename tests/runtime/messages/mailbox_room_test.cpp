// How much may wait in a mailbox, in messages and in bytes, and senders that wait until there is
// room.
#include "runtime/messages/receive.hpp"
#include "runtime/messages/request.hpp"
#include "runtime/supervision/tree.hpp"
#include "tests/runtime/clean_run.hpp"

#include <memory>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

struct parcel {
  std::size_t bytes;
  explicit parcel(std::size_t said) : bytes(said) {}
  std::size_t weight() const { return bytes; }
};
struct crate {
  std::size_t bytes;
  explicit crate(std::size_t said) : bytes(said) {}
};
std::size_t weight(const crate& message) { return message.bytes; }

task<> never_receives() { co_await sleep_for(no_limit); }

task<> receives(std::vector<std::size_t>& got, clock_duration each) {
  for (;;) {
    co_await sleep_for(each);
    got.push_back((co_await receive<parcel>()).bytes);
  }
}

} // namespace

TEST_CASE("S10: a mailbox holds so many bytes, and what is past them is shed and counted") {
  auto r = run_and_see([](nursery& n) -> task<> {
    auto full = n.start(child_spec("full", never_receives).mailbox_bytes(1024));
    CHECK(full.send(parcel(1000)) == send_result::queued);
    CHECK(full.send(parcel(25)) == send_result::shed);
    CHECK(full.send(crate(16)) == send_result::queued);
    CHECK(full.send(parcel(0)) == send_result::queued);
    CHECK(full.send(std::string(1, 'x')) == send_result::shed);
    n.cancel();
    co_return;
  });
  CHECK(r.ledger.shed == 2);
}

TEST_CASE("S10: a message weighs what it says, or what its elements do, or its size") {
  run_clean([](nursery& n) -> task<> {
    auto weighs = [&n](auto message, std::size_t bytes) {
      auto fits = n.start(child_spec("fits", never_receives).mailbox_bytes(bytes + 16));
      auto slim = n.start(child_spec("slim", never_receives).mailbox_bytes(bytes));
      for (auto* each : {&fits, &slim}) CHECK(each->send(parcel(16)) == send_result::queued);
      CHECK(fits.send(message) == send_result::queued);
      CHECK(slim.send(message) == send_result::shed);
    };
    weighs(parcel(320), 320);
    weighs(crate(320), 320);
    weighs(std::string(320, 'x'), 320 + sizeof(std::string));
    weighs(std::vector<int>(64), 64 * sizeof(int) + 32); // in units of 16 bytes
    weighs(std::array<char, 64>(), 64 + 64);
    weighs(7, 16);
    n.cancel();
    co_return;
  });
}

TEST_CASE("S10: an empty mailbox has room for any message, and 16 MiB is the limit unless said") {
  run_clean([](nursery& n) -> task<> {
    auto small = n.start(child_spec("small", never_receives).mailbox_bytes(16));
    CHECK(small.send(parcel(1 << 20)) == send_result::queued);
    CHECK(small.send(parcel(1)) == send_result::shed);
    auto plain = n.start(never_receives);
    CHECK(plain.send(parcel(8 << 20)) == send_result::queued);
    CHECK(plain.send(parcel(8 << 20)) == send_result::queued);
    CHECK(plain.send(parcel(1)) == send_result::shed);
    n.cancel();
    co_return;
  });
}

TEST_CASE("S10: what is received makes room, and the tree shows what waits") {
  run_clean([](nursery& n) -> task<> {
    std::vector<std::size_t> got;
    auto reader = n.start(
        child_spec("reader", receives, std::ref(got), clock_duration(1s)).mailbox_bytes(160));
    CHECK(reader.send(parcel(100)) == send_result::queued);
    CHECK(reader.send(parcel(100)) == send_result::shed);
    const auto shown = tree();
    REQUIRE(shown.children.size() == 1);
    CHECK(shown.children.back().number("mail") == 1);
    CHECK(shown.children.back().number("mail_bytes") == 112);
    co_await sleep_for(1500ms);
    CHECK(reader.send(parcel(100)) == send_result::queued);
    co_await sleep_for(1s);
    CHECK(got == std::vector<std::size_t>{100, 100});
    n.cancel();
  });
}

TEST_CASE("S10: an ask weighs as much as its message") {
  run_clean([](nursery& n) -> task<> {
    auto full = n.start(child_spec("full", never_receives).mailbox_bytes(320));
    CHECK(full.send(parcel(100)) == send_result::queued);
    auto asks = [&]() -> task<> { (void)co_await ask<int>(full, parcel(300), 1s); };
    CHECK((co_await error_of(asks)).find("full") != std::string::npos);
    n.cancel();
  });
}

TEST_CASE("S10: send_when_room waits for room, and senders are served in the order they came") {
  std::vector<std::size_t> got;
  const auto took = run_clean([&](nursery& n) -> task<> {
    auto reader = n.start(
        child_spec("reader", receives, std::ref(got), clock_duration(1s)).mailbox_bytes(100));
    auto body = [&](nursery& senders) -> task<> {
      for (std::size_t size : {90u, 91u, 92u, 10u}) // the small one would fit before the third
        senders.start([reader, size]() -> task<> {
          CHECK(co_await reader.send_when_room(parcel(size)) == send_result::queued);
        });
      co_return;
    };
    co_await with_nursery(body);
    co_await sleep_for(10s);
    n.cancel();
  });
  CHECK(got == std::vector<std::size_t>{90, 91, 92, 10});
  CHECK(took == 13s); // one goes in at once, and one for each that is received
}

TEST_CASE("S10: a sender that is cancelled while it waits has sent nothing") {
  std::vector<std::size_t> got;
  run_clean([&](nursery& n) -> task<> {
    auto reader = n.start(
        child_spec("reader", receives, std::ref(got), clock_duration(10s)).mailbox_limit(1));
    CHECK(reader.send(parcel(1)) == send_result::queued);
    auto waits = [&]() -> task<> { (void)co_await reader.send_when_room(parcel(2)); };
    CHECK(!co_await move_on_after(1s, waits));
    CHECK(!co_await move_on_after(0s, waits));
    CHECK(co_await reader.send_when_room(parcel(3)) == send_result::queued);
    co_await sleep_for(30s);
    n.cancel();
  });
  CHECK(got == std::vector<std::size_t>{1, 3});
}

TEST_CASE("S10: the end of the receiver is told to those that wait, and to those that come late") {
  auto r = run_and_see([](nursery& n) -> task<> {
    auto full = n.start(child_spec("full", never_receives).mailbox_limit(1));
    CHECK(full.send(1) == send_result::queued);
    auto body = [&](nursery& senders) -> task<> {
      for (int i = 0; i < 3; ++i)
        senders.start([full]() -> task<> {
          CHECK(co_await full.send_when_room(2) == send_result::undelivered);
        });
      co_await sleep_for(1s);
      full.cancel();
    };
    co_await with_nursery(body);
    CHECK(co_await full.send_when_room(3) == send_result::undelivered);
    const child nobody;
    CHECK(co_await nobody.send_when_room(3) == send_result::undelivered);
  });
  CHECK(r.ledger.undelivered == 5);
}

TEST_CASE("S10: a mailbox that is kept across a restart lets waiting senders in afterwards") {
  std::vector<int> got;
  run_clean([&](nursery& n) -> task<> {
    bool failed = false;
    auto reader = n.start(child_spec("reader",
                                     [&]() -> task<> {
                                       if (!std::exchange(failed, true)) {
                                         co_await sleep_for(2s);
                                         throw std::runtime_error("once");
                                       }
                                       for (;;) {
                                         co_await sleep_for(1s);
                                         got.push_back(co_await receive<int>());
                                       }
                                     })
                              .restart(restart::permanent)
                              .on_restart(restart_mail::keep)
                              .mailbox_limit(1));
    CHECK(reader.send(1) == send_result::queued);
    auto body = [&](nursery& senders) -> task<> {
      for (int i : {2, 3})
        senders.start([reader, i]() -> task<> {
          CHECK(co_await reader.send_when_room(i) == send_result::queued);
        });
      co_return;
    };
    co_await with_nursery(body);
    co_await sleep_for(10s);
    n.cancel();
  });
  CHECK(got == std::vector<int>{1, 2, 3});
}

TEST_CASE("S10: senders on other loops wait, too, and nothing is lost") {
  static constexpr int each = 2000;
  long sum = 0;
  auto result = run(quiet(3), [&](nursery& n) -> task<> {
    auto reader = n.start(child_spec("reader",
                                     [&]() -> task<> {
                                       for (int i = 0; i < 4 * each; ++i)
                                         sum += co_await receive<int>();
                                     })
                              .mailbox_limit(4)
                              .on(placement::any_loop));
    for (int i = 0; i < 4; ++i)
      n.start(child_spec("sender", [reader]() -> task<> {
                for (int value = 1; value <= each; ++value)
                  if (co_await reader.send_when_room(value) != send_result::queued)
                    throw std::runtime_error("refused");
              }).on(placement::any_loop));
    co_return;
  });
  CHECK(result.how() == run_result::kind::completed);
  CHECK(sum == 4L * each * (each + 1) / 2);
}

TEST_CASE("S10: senders on other loops that come while the receiver ends hear of it, kept or not") {
  static constexpr int each = 20, received = 10;
  for (auto mail : {restart_mail::drop, restart_mail::return_to_sender, restart_mail::keep}) {
    auto result = run(quiet(3), [mail](nursery&) -> task<> {
      auto round = [mail](nursery& m) -> task<> {
        auto reader = [lives = std::make_shared<int>(0)]() -> task<> {
          for (int i = 0; i < received; ++i) (void)co_await receive<int>();
          if (++*lives < 3) throw std::runtime_error("again");
        };
        // the cancel may come while it fails, and then it is not started again
        auto spec = child_spec("reader", reader)
                        .restart(restart::transient)
                        .backoff(no_backoff)
                        .ignore_failure();
        auto c = m.start(std::move(spec).mailbox_limit(3).on_restart(mail).on(placement::any_loop));
        auto send = [c]() -> task<> {
          for (int j = 0; j < each; ++j) (void)co_await c.send_when_room(j);
        };
        auto senders = [&send](nursery& s) -> task<> {
          for (int i = 0; i < 4; ++i) s.start(child_spec("sender", send).on(placement::any_loop));
          co_return;
        };
        co_await with_nursery(senders);
        c.cancel(); // what it did not get was refused while it was down
      };
      for (int i = 0; i < 100; ++i) co_await with_nursery({.name = "round"}, round);
    });
    CHECK(result.how() == run_result::kind::completed);
    CHECK(result.ledger().balances());
  }
}
