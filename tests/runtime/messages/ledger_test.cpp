// The ledger: of every letter it is known what became of it, and the sum is what was sent.
#include "runtime/messages/ledger.hpp"

#include "runtime/interop/caf.hpp"
#include "runtime/messages/receive.hpp"
#include "runtime/messages/request.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

#include <caf/send.hpp>

#include <random>
#include <thread>

using namespace creche;
using namespace creche::testing;
using namespace creche::internal;

namespace {

// Understands no message; counts what it is asked to.
struct deaf : resident {
  explicit deaf(caf::actor_config& cfg) : resident(cfg) {}
};
struct nothing_letter {
  void operator()(resident&) const {}
};
struct last_letter {
  void operator()(resident& r) const { r.end({}); }
};

struct thrower : child_actor {
  thrower(caf::actor_config& cfg, child_record* r) : child_actor(cfg, r) {}
  std::string_view kind() const noexcept override { return "thrower"; }
  void on_start() override {}
  void on_cancel() override { finish(how::cancelled); }
  void on_throw(std::exception_ptr) override {} // it goes on
};
struct throwing_letter {
  void operator()(resident&) const { throw std::runtime_error("no"); }
};
struct thrower_plan : creche::detail::plan {
  thrower** made;
  explicit thrower_plan(thrower** m) : made(m) { name = "thrower"; }
  task<> body(creche::detail::ready_slot*) override { throw std::logic_error("no body"); }
  child_actor* make(child_record& r) override { return *made = make_resident<thrower>(*home, &r); }
};

} // namespace

TEST_CASE("X6: an ended system's ledger balances, orders of nurseries included") {
  const auto r = run_and_see([](nursery& n) -> task<> {
    for (int i = 0; i < 10; ++i) n.start([]() -> task<> { co_await sleep_for(1s); });
    co_await sleep_for(500ms);
  });
  CHECK(r.ledger.sent >= 20); // a start and an end each
  CHECK(r.ledger.undelivered == 0);
}

TEST_CASE("X6: each fate is counted as what it is") {
  thrower* made = nullptr;
  ledger seen;
  child kept;
  const auto r = run_and_see([&](nursery& n) -> task<> {
    auto c = kept = n.start(child_spec(new thrower_plan(&made)));
    co_await sleep_for(1ms);
    const auto before = system_ledger();
    CHECK(before.balances());
    tell<nothing_letter, lane::data>(*made);
    tell<throwing_letter, lane::data>(*made);
    tell<nothing_letter, lane::data>(*made);
    c.send(1); // it is no task
    caf::anon_send(actor_of(c), 17);
    CHECK(system_ledger().in_flight() == 5);
    co_await sleep_for(1ms);
    seen = system_ledger();
    CHECK(seen.balances());
    CHECK(seen.sent - before.sent == 5);
    CHECK(seen.handled - before.handled == 2);
    CHECK(seen.failed - before.failed == 1);
    CHECK(seen.unhandled - before.unhandled == 2);
    c.cancel();
    co_await c.wait();
    CHECK(c.send(2) == send_result::undelivered);
    CHECK(system_ledger().undelivered == seen.undelivered + 1);
  });
  const auto s = kept.statistics();
  CHECK(s.failed == 1);
  CHECK(s.unhandled == 2);
  CHECK(r.ledger.to_text().find("1 failed") != std::string::npos);
}

TEST_CASE("X6: what waits when a task ends is undelivered, and the child knows it") {
  child kept;
  const auto r = run_and_see([&](nursery& n) -> task<> {
    auto c = kept = n.start([]() -> task<> {
      (void)co_await receive<int>();
      co_await sleep_for(1s);
    });
    for (int i = 0; i < 5; ++i) CHECK(c.send(i) == send_result::queued);
    co_await sleep_for(10ms);
    CHECK(c.statistics().handled == 1);
    CHECK(system_ledger().in_flight() == 4);
  });
  CHECK(kept.statistics().handled == 1);
  CHECK(kept.statistics().undelivered == 4);
  CHECK(r.ledger.undelivered == 4);
}

TEST_CASE("X6: pain 4: a message to the dead is counted, whoever sends it") {
  auto r = run(quiet(2), [](nursery& n) -> task<> {
    auto near = n.start([]() -> task<> { co_return; });
    auto far = n.start(child_spec("far", []() -> task<> { co_return; }).on(placement::any_loop));
    co_await near.wait();
    co_await far.wait();
    CHECK(near.send(1) == send_result::undelivered);
    CHECK(far.send(1) == send_result::undelivered);
    std::thread([=] {
      CHECK(near.send(1) == send_result::undelivered);
      CHECK(far.send(1) == send_result::undelivered);
    }).join();
  });
  INFO(r.ledger().to_text());
  CHECK(r.ledger().balances());
  CHECK(r.ledger().undelivered == 4);
}

TEST_CASE("X6: letters of foreign threads and other loops that meet an end balance") {
  real_loops l(2);
  for (int round = 0; round < 50; ++round) {
    auto* r = l.call(0, [&] { return make_resident<deaf>(l[0]); });
    const auto keep = r->handle();
    auto send = [&] {
      for (int i = 0; i < 200; ++i) {
        tell<nothing_letter, lane::data>(*r);
        caf::anon_send(keep, i);
      }
    };
    std::thread stranger(send);
    l.call(1, [&] {
      for (int i = 0; i < 100; ++i) tell<nothing_letter, lane::data>(*r);
      tell<last_letter, lane::control>(*r);
      for (int i = 0; i < 100; ++i) tell<nothing_letter, lane::data>(*r);
    });
    stranger.join();
    l.call(0, [] {});
  }
  l.finish();
  const auto all = l.system().letters();
  INFO(all.to_text());
  CHECK(all.balances());
  CHECK(all.sent == 50 * 601);
}

namespace {

// A task that does what chance says: receives, asks, answers, sleeps, ends.
struct world {
  std::mt19937_64 random;
  std::vector<child> all;
  std::uint64_t received = 0;
  explicit world(std::uint64_t seed) : random(seed) {}
  std::uint64_t below(std::uint64_t n) { return random() % n; }
  child& any() { return all[below(all.size())]; }
};
task<> citizen(world& w) {
  std::vector<asked<int, int>> owed;
  for (;;) {
    switch (w.below(12)) {
    case 0: co_await sleep_for(std::chrono::microseconds(w.below(50))); break;
    case 1:
    case 2:
    case 3:
    case 4: {
      auto wait = [&w](cancel_scope&) -> task<> {
        (void)co_await receive<int, counted>();
        ++w.received;
      };
      co_await move_on_after(std::chrono::microseconds(w.below(30)), wait);
      break;
    }
    case 5: {
      auto wait = [&owed](cancel_scope&) -> task<> {
        owed.push_back(co_await receive<asked<int, int>>());
      };
      co_await move_on_after(std::chrono::microseconds(w.below(30)), wait);
      break;
    }
    case 6:
      if (!owed.empty()) {
        if (w.below(4)) owed.back().answer(1);
        owed.pop_back();
      }
      break;
    case 7: {
      auto wait = [&w](cancel_scope&) -> task<> {
        try {
          (void)co_await ask<int>(w.any(), 1, std::chrono::microseconds(w.below(100)));
        } catch (const request_failed&) {
        }
      };
      co_await move_on_after(std::chrono::microseconds(w.below(100)), wait);
      break;
    }
    case 8:
      if (w.below(50) == 0) co_return;
      if (w.below(100) == 0) throw std::runtime_error("chance");
      break;
    default: w.below(2) ? w.any().send(1) : w.any().send(counted()); break;
    }
  }
}

} // namespace

TEST_CASE("X6: the ledger balances after 100 000 letters, cancels and ends by chance") {
  for (std::uint64_t seed : {1u, 2u, 3u, 4u}) {
    CAPTURE(seed);
    world w(seed);
    const auto r =
        run_and_see(virtual_options{.loops = 1 + unsigned(seed % 2)}, [&](nursery& n) -> task<> {
          auto start = [&] {
            return n.start(child_spec("citizen", &citizen, std::ref(w))
                               .ignore_failure()
                               .mailbox_limit(8)
                               .restart(restart::temporary)
                               .on(w.below(2) ? placement::any_loop : placement::here));
          };
          for (int i = 0; i < 20; ++i) w.all.push_back(start());
          while (system_ledger().sent < 100'000) {
            co_await sleep_for(10us);
            for (auto& c : w.all)
              if (c.ended()) c = start();
            if (w.below(4) == 0) w.any().cancel();
          }
          n.cancel();
        });
    INFO(r.ledger.to_text());
    CHECK(w.received > 1000);
    CHECK(r.ledger.shed > 0);
    CHECK(r.ledger.undelivered > 0);
    w.all.clear();
  }
  CHECK(counted::live == 0);
}
