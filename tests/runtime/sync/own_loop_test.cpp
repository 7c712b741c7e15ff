// What belongs to one loop, used from another: refused with a sentence, never a hang or a race.
#include "runtime/sync/channel.hpp"
#include "runtime/sync/event.hpp"
#include "runtime/sync/unbounded_mailbox.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

// What `use` throws on a loop that is not the one where `waits` waits.
template <class Wait, class Use> std::string error_elsewhere(Wait waits, Use use) {
  std::string text = "none";
  run_clean(virtual_options{.loops = 2}, [&](nursery& n) -> task<> {
    auto here = n.start(waits);
    co_await sleep_for(1s);
    auto elsewhere = n.start(child_spec("elsewhere", [&]() -> task<> {
                               auto again = [&]() -> task<> { co_await use(); };
                               text = co_await error_of(again);
                             }).on(placement::any_loop));
    co_await elsewhere.wait();
    here.cancel();
  });
  return text;
}

void check_sentence(const std::string& text, const char* what) {
  CAPTURE(text);
  CHECK(text.starts_with(what));
  CHECK(text.find("shared_event, shared_channel and messages") != text.npos);
}

} // namespace

TEST_CASE("T12: an event is waited for and set on one loop only, and says so elsewhere") {
  event once;
  auto wait = [&]() -> task<> { co_await once.wait(); };
  check_sentence(error_elsewhere(wait, wait), "event: ");
  event again;
  auto wait_again = [&]() -> task<> { co_await again.wait(); };
  auto set = [&]() -> task<> {
    again.set();
    co_return;
  };
  check_sentence(error_elsewhere(wait_again, set), "unpark: ");
  CHECK(!again.is_set());
}

TEST_CASE("T13: a channel is used on one loop only, and says so elsewhere") {
  const auto uses = [](auto use) {
    channel<int> items(1);
    auto receive = [&]() -> task<> { (void)co_await items.receive(); };
    auto wrong = [&]() -> task<> { co_await use(items); };
    return error_elsewhere(receive, wrong);
  };
  auto send = [](channel<int>& items) -> task<> { co_await items.send(1); };
  auto receive = [](channel<int>& items) -> task<> { (void)co_await items.receive(); };
  auto try_send = [](channel<int>& items) -> task<> {
    (void)items.try_send(1);
    co_return;
  };
  auto try_receive = [](channel<int>& items) -> task<> {
    (void)items.try_receive();
    co_return;
  };
  auto close = [](channel<int>& items) -> task<> {
    items.close();
    co_return;
  };
  check_sentence(uses(send), "send: ");
  check_sentence(uses(receive), "receive: ");
  check_sentence(uses(try_send), "send: ");
  check_sentence(uses(try_receive), "receive: ");
  check_sentence(uses(close), "close: ");
}

TEST_CASE("T13: a channel with room binds its users to one loop before anybody waits") {
  channel<int> items(2);
  auto send = [&]() -> task<> { co_await items.send(1); };
  auto receive = [&]() -> task<> { (void)co_await items.receive(); };
  check_sentence(error_elsewhere(send, receive), "receive: ");
  CHECK(items.try_receive() == 1); // outside of every loop, when its own has ended
}

TEST_CASE("T12: a parking and a mailbox are of one loop") {
  parking parked;
  auto park = [&]() -> task<> { co_await parked.park(); };
  auto unpark = [&]() -> task<> {
    parked.unpark();
    co_return;
  };
  check_sentence(error_elsewhere(park, park), "parked: ");
  check_sentence(error_elsewhere(park, unpark), "unpark: ");
  unbounded_mailbox<int> mailbox;
  auto get = [&]() -> task<> { (void)co_await mailbox.get_all(); };
  auto put = [&]() -> task<> {
    mailbox.put(1);
    co_return;
  };
  check_sentence(error_elsewhere(get, put), "mailbox: ");
  CHECK(mailbox.statistics().put == 0);
}

TEST_CASE("T12: a loop that lies where an ended one lay is another loop") {
  real_loops other(1);
  alignas(internal::loop) static char place[sizeof(internal::loop)];
  creche::detail::own_loop owned;
  for (int round = 0; round < 2; ++round) {
    auto* here = new (place) internal::loop(other.caf(), other[0].time(), 7);
    owned.wait_on(*here, "it");
    CHECK_THROWS_AS(owned.wait_on(other[0], "it"), std::logic_error);
    here->~loop();
  }
}

TEST_CASE("T12: what outlives a loop may be used on the next one") {
  event reused;
  for (int round = 0; round < 2; ++round)
    run_clean([&](nursery&) -> task<> {
      auto wait = [&]() -> task<> { co_await reused.wait(); };
      CHECK(!co_await move_on_after(1s, wait));
    });
}

TEST_CASE("T12: an event and a parking say so elsewhere also while nobody waits") {
  event once;
  parking lot;
  auto nobody_waits = [&]() -> task<> {
    auto wait = [&]() -> task<> { co_await once.wait(); };
    auto park = [&]() -> task<> { co_await lot.park(); };
    CHECK(!co_await move_on_after(1ms, wait));
    CHECK(!co_await move_on_after(1ms, park));
    co_await sleep_for(1h);
  };
  auto set = [&]() -> task<> {
    once.set();
    co_return;
  };
  auto unpark = [&]() -> task<> {
    lot.unpark();
    co_return;
  };
  check_sentence(error_elsewhere(nobody_waits, set), "unpark: ");
  CHECK(!once.is_set());
  check_sentence(error_elsewhere(nobody_waits, unpark), "unpark: ");
}
