// What a deadlocked run says: for whom each task waits.
#include "runtime/messages/receive.hpp"
#include "runtime/messages/request.hpp"
#include "tests/runtime/clean_run.hpp"

#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

template <class F> std::string deadlock_of(F main) {
  auto r = run_virtual(main);
  CHECK(r.leaked == 0);
  return r.deadlock;
}
void check_says(const std::string& text, std::initializer_list<const char*> parts) {
  CAPTURE(text);
  for (const char* part : parts) CHECK(text.find(part) != text.npos);
}

} // namespace

TEST_CASE("T33: a ring of tasks that wait for each other says for whom each waits") {
  std::vector<child> ring;
  const auto text = deadlock_of([&](nursery& n) -> task<> {
    for (std::size_t i = 0; i < 3; ++i)
      ring.push_back(n.start(child_spec("ring" + std::to_string(i), [&, i]() -> task<> {
        const auto next = ring[(i + 1) % 3];
        co_await next.wait();
      })));
    co_return;
  });
  check_says(text, {"ring0  task  running (wait for child ring1)",
                    "ring1  task  running (wait for child ring2)",
                    "ring2  task  running (wait for child ring0)"});
}

TEST_CASE("T33: a wait for a message, an answer, a start or room names what it waits for") {
  std::optional<child> self;
  const auto text = deadlock_of([&](nursery& n) -> task<> {
    n.start(child_spec("mute", []() -> task<> { (void)co_await receive<int, std::string>(); }));
    self = n.start(child_spec("asks-itself", [&]() -> task<> {
      const auto to = *self;
      (void)co_await ask<int>(to, 5);
    }));
    n.start(child_spec("starter", [&]() -> task<> {
      auto spec = child_spec("slow", [](ready<int>) -> task<> { co_await sleep_for(no_limit); });
      (void)co_await n.start_ready<int>(spec);
    }));
    auto full = n.start(
        child_spec("full", []() -> task<> { (void)co_await receive<char>(); }).mailbox_limit(1));
    CHECK(full.send(1) == send_result::queued);
    n.start(child_spec("sender", [full]() -> task<> { (void)co_await full.send_when_room(2); }));
    co_return;
  });
  check_says(text, {"mute  task  running (receive int or ", "(request to asks-itself)",
                    "(start of slow)", "(send to full)"});
}
