// Loops: their end, their fairness towards I/O, and several systems in one process.
#include "runtime/supervision/tree.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

#include <asio/post.hpp>

#include <filesystem>
#include <functional>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;
using namespace creche::internal;

namespace {

// Two of them throw a ball across their loops; both end when it has flown often enough.
struct player : resident {
  player* other = nullptr;
  caf::actor other_handle; // keeps it
  int left = 0;
  using resident::resident;
};
struct ball {
  void operator()(resident& r) const {
    auto& p = static_cast<player&>(r);
    auto* other = p.other;
    const auto keep = std::move(p.other_handle);
    if (p.left-- > 0) p.other_handle = keep;
    tell<ball, lane::data>(*other);
    if (p.left < 0) p.end({});
  }
};

struct restless : resident { // always has something to do
  using resident::resident;
  struct again {
    void operator()(resident& r) const { tell<again, lane::data>(r); }
  };
};

std::size_t threads_now() {
  std::size_t n = 0;
  for ([[maybe_unused]] auto& e : std::filesystem::directory_iterator("/proc/self/task")) ++n;
  return n;
}

} // namespace

TEST_CASE("a loop that is asked to stop goes on until its residents have ended") {
  real_loops l(2);
  player* p[2];
  for (std::size_t i : {0u, 1u}) {
    p[i] = make_resident<player>(l[i]); // made by a stranger: nothing runs yet
    p[i]->left = 5'000;
  }
  for (std::size_t i : {0u, 1u}) {
    p[i]->other = p[1 - i];
    p[i]->other_handle = p[1 - i]->handle();
  }
  tell<ball, lane::data>(*p[0]);
  CHECK(l.finish() == 0); // asked at once; the ball flew to its end
}

TEST_CASE("when its patience is over a loop leaves, idle or busy, and says how many did not end") {
  real_loops l(1);
  auto* idle = make_resident<restless>(l[0]);
  auto* busy = make_resident<restless>(l[0]);
  const auto keep_idle = idle->handle(), keep_busy = busy->handle();
  tell<restless::again, lane::data>(*busy);
  CHECK(l.finish(1ms) == 2);
  // nobody owns them any more
  for (auto* r : {idle, busy}) caf::intrusive_ptr_release(r->ctrl());
}

TEST_CASE("a loop with a resident that never rests still runs its I/O and other residents") {
  real_loops l(1);
  std::atomic<bool> io{false};
  l.call(0, [&] {
    auto* busy = make_resident<restless>(l[0]);
    tell<restless::again, lane::data>(*busy);
    asio::post(l[0].io(), [&io, busy] {
      busy->end({});
      set(io, true);
    });
  });
  await(io, true);
}

TEST_CASE("calls that are posted to a busy loop wake it at most once") {
  real_loops l(1);
  std::atomic<bool> blocked{false}, go{false};
  post_call(l[0], [&] {
    set(blocked, true);
    await(go, true);
  });
  await(blocked, true);
  const auto before = l[0].wakeups();
  std::atomic<int> ran{0};
  for (int i = 0; i < 1000; ++i) post_call(l[0], [&] { ++ran; });
  CHECK(l[0].wakeups() <= before + 1);
  set(go, true);
  l.call(0, [] {});
  CHECK(ran == 1000);
}

TEST_CASE("what is posted after a loop's end is freed, and does not run") {
  auto alive = std::make_shared<int>(1);
  bool ran = false;
  {
    real_loops l(1);
    l.finish();
    post_call(l[0], [alive, &ran] { ran = true; });
  }
  CHECK(!ran);
  CHECK(alive.use_count() == 1);
}

TEST_CASE("no timer is left in a loop's wheel by scopes and sleeps that were stopped") {
  run_clean([](nursery&) -> task<> {
    auto body = [](nursery& n) -> task<> {
      for (int i = 0; i < 1000; ++i) {
        n.start([]() -> task<> { co_await sleep_for(1h); });
        n.start(child_spec("fails",
                           []() -> task<> {
                             throw std::runtime_error("x");
                             co_return;
                           })
                    .restart(restart::transient)
                    .backoff({.first = 1h, .most = 1h}));
      }
      auto long_scope = []() -> task<> { co_await sleep_for(1h); };
      CHECK(!co_await move_on_after(1s, [&] { return long_scope(); }));
      CHECK(loop::current()->timers().size() >= 1000);
      n.cancel();
    };
    co_await with_nursery({.budget = {5000, 1s}}, body);
    CHECK(loop::current()->timers().size() == 0);
  });
}

TEST_CASE("A17 two systems run in one process at the same time and know nothing of each other") {
  std::atomic<int> inside{0};
  tree_node trees[2];
  run_result::kind ends[2];
  loop* loops[2];
  auto one = [&](int me) {
    const auto r = run(quiet(2, me ? "right" : "left"), [&, me](nursery& n) -> task<> {
      loops[me] = loop::current();
      n.start(child_spec(me ? "r" : "l", []() -> task<> {
                co_await sleep_for(1h);
              }).on(placement::any_loop));
      ++inside;
      while (inside < 2) co_await checkpoint(); // both are in the middle of it
      trees[me] = tree();
      if (me) throw std::runtime_error("only the right one fails");
      n.cancel();
    });
    ends[me] = r.how();
  };
  std::thread left(one, 0), right(one, 1);
  left.join();
  right.join();
  for (int i : {0, 1}) {
    CHECK(trees[i].name == (i ? "right" : "left"));
    REQUIRE(trees[i].children.size() == 1);
    CHECK(trees[i].children[0].name == (i ? "r" : "l"));
  }
  CHECK(ends[0] == run_result::kind::completed);
  CHECK(ends[1] == run_result::kind::failed);
  CHECK(loops[0] != loops[1]);
}

TEST_CASE("a run in a run: a task may run a system of its own") {
  run_clean([](nursery&) -> task<> {
    auto* here = loop::current();
    const auto took = run_clean([](nursery&) -> task<> { co_await sleep_for(5s); });
    CHECK(took == 5s);
    CHECK(loop::current() == here);
    co_await sleep_for(1s);
  });
}

TEST_CASE("runs leave no thread behind") {
  run(quiet(2), [](nursery&) -> task<> { co_return; });
  const auto before = threads_now();
  for (int i = 0; i < 20; ++i) run(quiet(2), [](nursery&) -> task<> { co_return; });
  // a thread that was joined may be listed for a moment more
  for (int i = 0; i < 100'000 && threads_now() > before; ++i) std::this_thread::yield();
  CHECK(threads_now() <= before);
}

TEST_CASE("however much is posted, timers and what is runnable have their turns in between") {
  constexpr int most = 10'000;
  real_loops l(1);
  int ran = 0, at_turn = -1, at_timer = -1;
  bool overtook = false;
  std::atomic<bool> over{false};
  struct once final : runnable {
    std::function<void()> act;
    std::size_t turn(std::size_t) override { return act(), 1; }
  } waits;
  waits.act = [&] { at_turn = ran; };
  struct alarm : timer {
    std::function<void()> act;
  } alarm;
  alarm.act = [&] { at_timer = ran; };
  alarm.fire = [](timer& fired) { static_cast<struct alarm&>(fired).act(); };
  l.call(0, [&] {
    post_call(l[0], [&] {
      l[0].schedule(waits);
      l[0].arm(alarm, l[0].now());
    });
    for (int i = 0; i < most; ++i) post_call(l[0], [&ran] { ++ran; });
    post_call(l[0], [&] { set(over, true); });
    post_call(l[0], [&] { overtook = ran == 0; }, call_order::urgent);
  });
  await(over, true);
  CHECK(ran == most);
  CHECK(at_turn >= 0);
  CHECK(at_turn < most / 2);
  CHECK(at_timer >= 0);
  CHECK(at_timer < most / 2);
  CHECK(overtook);
}
