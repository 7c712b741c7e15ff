// What require_checkpoint and require_no_checkpoint let pass, and what they find.
#include "runtime/messages/request.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

/// Looks for cancellation, but never lets others run.
struct greedy {
  struct awaiter {
    creche::detail::task_run& run;
    explicit awaiter(creche::detail::task_run& r) : run(r) {}
    bool await_ready() const noexcept { return !run.pending(); }
    void await_suspend(std::coroutine_handle<>) const noexcept { run.stop(); }
    void await_resume() const noexcept {}
  };
  greedy() noexcept {}
  awaiter bind(creche::detail::task_run& r) const noexcept { return awaiter(r); }
};
/// Lets others run, but does not look for cancellation.
struct deaf {
  struct wait final : creche::detail::leaf {
    const char* kind() const noexcept override { return "deaf"; }
    creche::detail::aborted abort() noexcept override { return creche::detail::aborted::refused; }
  };
  struct awaiter {
    creche::detail::task_run& run;
    wait unseen; // what is awaited as a leaf looks for cancellation, whether it wants to or not
    explicit awaiter(creche::detail::task_run& r) : run(r) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<>) noexcept {
      run.wait(unseen);
      run.ready(unseen);
    }
    void await_resume() const noexcept {}
  };
  deaf() noexcept {}
  awaiter bind(creche::detail::task_run& r) const noexcept { return awaiter(r); }
};

} // namespace

CRECHE_TEST("T2: require_checkpoint lets checkpoints pass, and gives what they give") {
  co_await require_checkpoint([] { return sleep_for(0s); });
  co_await require_checkpoint([] { return sleep_for(1h); });
  co_await require_checkpoint([] { return checkpoint(); });
  auto five = []() -> task<int> {
    co_await checkpoint();
    co_return 5;
  };
  CHECK(co_await require_checkpoint(five) == 5);
  auto c = n.start([]() -> task<> { co_await sleep_for(1s); });
  auto wait = [&] { return c.wait(); };
  co_await require_checkpoint(wait);
  co_await require_checkpoint(wait); // also when there is nothing to wait for
  probe<int> p;
  p.put(1);
  auto next = [&] { return p.next(); };
  CHECK(co_await require_checkpoint(next) == 1);
}

CRECHE_TEST("T2: require_checkpoint refuses what does not look for cancellation") {
  auto nothing = []() -> task<> { co_return; };
  auto check = [&] { return require_checkpoint(nothing); };
  const auto error = co_await error_of(check);
  CHECK(error.find("checkpoint_test.cpp:") != error.npos);
  CHECK(error.find("completes in a cancelled scope") != error.npos);
}

CRECHE_TEST("T2: require_checkpoint refuses what lets nobody else run, or cannot be stopped") {
  auto greed = [] { return require_checkpoint([] { return greedy(); }); };
  auto error = co_await error_of(greed);
  CHECK(error.find("without ever letting others run") != error.npos);
  auto deafness = [] { return require_checkpoint([] { return deaf(); }); };
  error = co_await error_of(deafness);
  CHECK(error.find("completes in a cancelled scope") != error.npos);
}

CRECHE_TEST("T2: require_no_checkpoint: starting a child is none, sleeping is one") {
  auto start = [&] { n.start([]() -> task<> { co_return; }); };
  co_await require_no_checkpoint(start);
  auto empty = []() -> task<> { co_return; };
  co_await require_no_checkpoint(empty);
  auto scope = [&] { return move_on_after(1s, empty); };
  co_await require_no_checkpoint(scope);

  auto sleep = [] { return require_no_checkpoint([] { return sleep_for(0s); }); };
  auto error = co_await error_of(sleep);
  CHECK(error.find("stops in a cancelled scope") != error.npos);
  auto deafness = [] { return require_no_checkpoint([] { return deaf(); }); };
  error = co_await error_of(deafness);
  CHECK(error.find("lets others run") != error.npos);
}

CRECHE_TEST("T2: what the operation throws passes through the check") {
  auto bad = []() -> task<> {
    co_await checkpoint();
    throw std::runtime_error("no luck");
  };
  auto check = [&] { return require_checkpoint(bad); };
  CHECK(co_await error_of(check) == "no luck");
}

CRECHE_TEST("T2: a task that was cancelled in this very turn sends no request, starts no child") {
  int questions = 0, started = 0, went_on = 0;
  auto server = n.start([&]() -> task<> {
    for (;;) {
      auto question = co_await receive<asked<int, int>>();
      ++questions;
      question.answer(1);
    }
  });
  auto asks = [&]() -> task<> { (void)co_await ask<int>(server, 1); };
  auto starts = [&]() -> task<> {
    auto child = [&](ready<void> r) -> task<> {
      ++started;
      r();
      co_return;
    };
    child_spec spec("child", child);
    (void)co_await n.start_ready<void>(spec);
  };
  auto cancelled = [&](auto& op) {
    return [&](nursery& m) -> task<> {
      m.start([&]() -> task<> {
        m.cancel();
        co_await op();
        ++went_on;
      });
      co_return;
    };
  };
  co_await with_nursery(cancelled(asks));
  co_await with_nursery(cancelled(starts));
  co_await wait_all_blocked();
  server.cancel();
  CHECK(questions == 0);
  CHECK(started == 0);
  CHECK(went_on == 0);
}
