// A cancel is seen at the next checkpoint of everything below, at any depth, as soon as it was
// said.
#include "runtime/messages/receive.hpp"
#include "runtime/sync/event.hpp"
#include "runtime/testing/doctest.hpp"
#include "runtime/testing/wait_all_blocked.hpp"
#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

struct numbered {
  int number;
};

// Nurseries in children of nurseries; `leaf` runs below all of them.
template <class F> task<> below(int levels, F leaf) {
  if (levels == 0) {
    co_await leaf();
    co_return;
  }
  auto body = [&](nursery& inner) -> task<> {
    inner.start([levels, leaf]() -> task<> { co_await below(levels - 1, leaf); });
    co_return;
  };
  co_await with_nursery(body);
}

} // namespace

CRECHE_TEST("C1: after a cancel no message is received below, at any depth") {
  for (const int levels : {0, 1, 3, 40}) {
    CAPTURE(levels);
    int received_after = 0;
    bool cancelled = false;
    child deep;
    auto outer = [&](nursery& canceller) -> task<> {
      auto leaf = [&]() -> task<> {
        auto innermost = [&](nursery& inner) -> task<> {
          auto receiver = [&]() -> task<> {
            for (;;) {
              (void)co_await receive<numbered>();
              received_after += cancelled;
            }
          };
          deep = inner.start(child_spec("deep", receiver).mailbox_limit(20'000));
          co_return;
        };
        co_await with_nursery(innermost);
      };
      canceller.start([leaf, levels]() -> task<> { co_await below(levels, leaf); });
      co_await wait_all_blocked();
      for (int i = 0; i < 10'000; ++i) deep.send(numbered{i});
      cancelled = true;
      canceller.cancel();
    };
    co_await with_nursery(outer);
    CHECK(received_after == 0);
  }
}

CRECHE_TEST("T7: a task that cancels a nursery far above it passes no checkpoint any more") {
  for (const int levels : {0, 1, 3, 40}) {
    CAPTURE(levels);
    int passed = 0;
    auto outer = [&](nursery& above) -> task<> {
      auto leaf = [&]() -> task<> {
        above.cancel();
        for (;;) {
          co_await checkpoint();
          ++passed;
        }
      };
      above.start([leaf, levels]() -> task<> { co_await below(levels, leaf); });
      co_return;
    };
    co_await with_nursery(outer);
    CHECK(passed == 0);
  }
}

CRECHE_TEST("T7: a scope that is cancelled by hand takes what is below it along at once") {
  int passed = 0;
  bool cancelled = false;
  cancel_scope* scope = nullptr;
  auto scoped = [&](cancel_scope& its_scope) -> task<> {
    scope = &its_scope;
    auto leaf = [&]() -> task<> {
      for (;;) {
        co_await checkpoint();
        passed += cancelled;
      }
    };
    co_await below(3, leaf);
  };
  n.start([&]() -> task<> {
    co_await sleep_for(0s);
    while (!scope) co_await sleep_for(0s);
    for (int i = 0; i < 10; ++i) co_await sleep_for(0s);
    cancelled = true;
    scope->cancel();
  });
  CHECK(!co_await move_on_after(no_limit, scoped));
  CHECK(passed == 0);
}

CRECHE_TEST("T7: a cancel ends what is nested deeper than the machine's stack could walk") {
  int ended = 0;
  auto outer = [&](nursery& above) -> task<> {
    auto leaf = [&]() -> task<> {
      struct note {
        int& count;
        ~note() { ++count; }
      } here{ended};
      co_await sleep_for(no_limit);
    };
    above.start([leaf]() -> task<> { co_await below(5'000, leaf); });
    co_await wait_all_blocked();
    above.cancel();
  };
  co_await with_nursery(outer);
  CHECK(ended == 1);
}

CRECHE_TEST("T7: a cancel as the last act of a nursery's last child is caught where it was aimed") {
  bool went_on = false;
  auto scoped = [&](cancel_scope& around) -> task<> {
    auto body = [&](nursery& inner) -> task<> {
      inner.start([&]() -> task<> {
        around.cancel();
        co_return;
      });
      co_return;
    };
    co_await with_nursery(body);
    went_on = true;
  };
  CHECK(!co_await move_on_after(no_limit, scoped));
  CHECK(!went_on);
}
