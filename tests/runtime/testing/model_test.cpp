// C9: random trees of nurseries and tasks, with random cancels, deadlines, failures, shields and
// clean-ups, on a random schedule. What must hold whatever happens:
// - no child outlives its nursery, and no incarnation the one after it;
// - what was started has exactly one outcome, and it is what its body did;
// - a cancel that is waited for has one receipt, and the receipt is true;
// - a cancelled scope stays cancelled, and no checkpoint in it completes unless a shield hides it;
// - no failure is lost: what was thrown is caught, monitored, ignored, or left to a restart.
// A child that is killed from outside is excused from its clean-ups, and from nothing else.
#include "runtime/supervision/nursery.hpp"
#include "runtime/supervision/when.hpp"
#include "runtime/task/finally.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/model_world.hpp"

#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

struct ends {
  nursery_record& r;
  explicit ends(nursery_record& x) : r(x) {}
  ~ends() { r.ended = true; }
};

task<> act(world& w, const place& at, int depth);
task<> child_body(world& w, child_record& r, nursery* in, const place& around, int depth,
                  const ready<int>* up = nullptr);

task<> ready_body(ready<int> up, world& w, child_record& r, const place& around, int depth);

/// A checkpoint that is looked at.
template <class Op> task<> watched(world& w, const place& at, Op op, const char* what) {
  const bool stops = w.must_stop(at);
  (void)co_await std::move(op);
  if (stops) w.complain(std::string(what) + " completed in a cancelled scope");
}

/// A body for a scope, at a place of its own.
struct scope_body {
  world& w;
  const place& at;
  int depth;
  bool shield = false;
  scope_body(world& x, const place& a, int d, bool s = false) : w(x), at(a), depth(d), shield(s) {}
  task<> operator()(cancel_scope& s) {
    auto& cancel = w.scopes.emplace_back();
    w.known_scopes.push_back({s.remote(), &cancel});
    const place here{&at, at.task, &cancel, &s, false, at.in, at.record, at.far};
    w.must(s.shielded() == shield, "a scope begins with somebody else's shield");
    co_await act(w, here, depth);
    const bool called = s.cancel_called();
    co_await act(w, here, 0);
    w.must(!called || s.cancel_called(), "a cancelled scope is no longer cancelled");
  }
};

child start_one(world& w, nursery& in, nursery_record& record, const place& around, int depth) {
  auto& r = w.children.emplace_back();
  ++w.starts;
  r.of = &record;
  const bool far = w.loops > 1 && w.one_in(3);
  child_spec spec("child", &child_body, std::ref(w), std::ref(r), far ? nullptr : &in,
                  std::cref(around), depth, nullptr);
  if (w.one_in(6)) {
    r.ignored = true;
    spec = std::move(spec).ignore_failure();
  } else if (w.one_in(6)) {
    r.restarts = true;
    spec = std::move(spec)
               .restart(w.one_in(4) ? restart::permanent : restart::transient)
               .backoff({.first = 1ms, .most = 2ms});
  } else if (w.one_in(20)) {
    spec = std::move(spec).significant();
  }
  if (w.one_in(4)) spec = std::move(spec).stop_within(w.span());
  if (far) spec = std::move(spec).on(placement::any_loop);
  try {
    r.handle = w.one_in(4) ? in.remote().start(std::move(spec)) : in.start(std::move(spec));
  } catch (const nursery_closed&) {
    w.children.pop_back();
    --w.starts;
    throw;
  }
  return r.handle;
}

task<> start_and_wait(world& w, const place& at, int depth) {
  auto& r = w.children.emplace_back();
  ++w.starts;
  r.of = at.record;
  child_spec spec("ready", &ready_body, std::ref(w), std::ref(r), std::cref(at), depth);
  try {
    auto start = [&]() -> task<> { r.handle = (co_await at.in->start_ready<int>(spec)).child; };
    co_await watched(w, at, start(), "start_ready");
  } catch (...) {
    if (w.one_in(2)) throw;
    w.receive(std::current_exception());
  }
}

task<> open_nursery(world& w, const place& at, int depth) {
  auto& record = w.nurseries.emplace_back();
  const ends guard(record);
  place here{&at, at.task, &record.cancel, nullptr, false, nullptr, &record, at.far};
  auto body = [&](nursery& n) -> task<> {
    here.in = &n;
    w.known_nurseries.push_back({n.remote(), &record});
    for (int i = w.below(4); i > 0; --i) start_one(w, n, record, here, depth);
    if (w.one_in(3)) co_await start_and_wait(w, here, depth);
    co_await act(w, here, depth);
    if (w.one_in(5)) {
      auto c = start_one(w, n, record, here, depth);
      w.receive(co_await n.monitor(c));
    }
  };
  const bool catches = w.one_in(2);
  try {
    const nursery_options options{.name = "n",
                                  .budget = {2, 5ms},
                                  .strategy = w.one_in(2)   ? strategy::one_for_one
                                              : w.one_in(2) ? strategy::one_for_all
                                                            : strategy::rest_for_one};
    co_await watched(w, at, with_nursery(options, body), "a nursery");
  } catch (const failure_group&) {
    if (!catches) throw;
    w.receive(std::current_exception());
  }
}

task<> clean_after(world& w, const place& at, int depth) {
  const bool hidden = !w.one_in(3);
  int begun = 0, cleaned = 0;
  struct check {
    world& w;
    int &begun, &cleaned;
    check(world& x, int& b, int& c) : w(x), begun(b), cleaned(c) {}
    ~check() { w.must(begun == cleaned || w.crashes, "a clean-up did not run once"); }
  } c(w, begun, cleaned);
  const place cleaning{&at, at.task, nullptr, nullptr, hidden, at.in, at.record, at.far};
  auto body = [&]() -> task<> {
    ++begun;
    co_await act(w, at, depth);
  };
  auto clean = [&]() -> task<> {
    ++cleaned;
    co_await act(w, cleaning, 0);
  };
  const auto limit = w.one_in(4) ? w.span() : 5s;
  if (hidden)
    co_await finally(body, clean, limit);
  else
    co_await finally(body, clean, limit).unshielded();
}

task<> wait_for(world& w, child_record& r) {
  const auto c = r.handle;
  if (w.one_in(2)) co_return co_await c.wait();
  const bool ended = c.ended();
  r.cancel.now_();
  const auto got = co_await c.cancel_and_wait();
  ++w.receipts;
  const auto end = c.result();
  w.must(end.has_value(), "a receipt came before the end");
  if (!end) co_return;
  if (ended || w.loops == 1) // between loops it may end before the cancel arrives
    w.must((got == receipt::already_done) == ended, "already_done, or not, and that is not true");
  if (got == receipt::cancelled || got == receipt::refused)
    w.must(end->kind == how::cancelled, "a receipt says cancelled");
  if (got == receipt::completed_first)
    w.must(end->kind != how::cancelled, "a receipt says completed first");
}

task<> disturb(world& w, const place& at) {
  switch (w.below(10)) {
  case 9:
    if (auto* r = w.any(w.children); r && r->handle && w.loops == 1) {
      w.crashes = true;
      if (crash(r->handle)) r->crashed = true;
    }
    break;
  case 0:
    if (auto* s = w.any(w.known_scopes)) {
      s->cancel->now_();
      s->handle.cancel("by hand");
    }
    break;
  case 1:
    if (auto* r = w.any(w.children); r && r->handle) {
      r->cancel.now_();
      r->handle.cancel("by hand");
    }
    break;
  case 2:
    if (auto* m = w.any(w.known_nurseries); m && w.one_in(2)) {
      m->record->cancel.now_();
      m->handle.cancel("by hand");
    } else if (m) {
      m->handle.stop();
    }
    break;
  case 3:
    if (at.scope) at.scope->shield(w.one_in(2));
    break;
  case 4:
    if (at.scope) at.scope->deadline_in(w.span());
    break;
  case 5:
    if (auto* s = w.any(w.known_scopes)) {
      s->cancel->now_();
      const auto keep = s->handle;
      auto wait = [&]() -> task<> {
        (void)co_await keep.cancel_and_wait();
        ++w.receipts;
        w.must(keep.ended(), "a receipt came before its scope's end");
      };
      co_await move_on_after(10ms, wait); // it may be around this task
    }
    break;
  case 6:
  case 7:
    if (auto* r = w.any(w.children); r && r->handle) {
      auto wait = [&]() -> task<> { co_await wait_for(w, *r); };
      co_await move_on_after(10ms, wait);
    }
    break;
  case 8:
    if (!at.far && w.bell.statistics().waiting > 2) w.bell.set();
    break;
  }
}

task<> talk(world& w, const place& at) {
  auto send = [&]() -> task<> { co_await watched(w, at, w.ch.send(counted("item")), "send"); };
  auto receive = [&]() -> task<> { co_await watched(w, at, w.ch.receive(), "receive"); };
  auto ring = [&]() -> task<> { co_await watched(w, at, w.bell.wait(), "event.wait"); };
  switch (w.below(3)) {
  case 0: co_await move_on_after(w.span(), send); break;
  case 1: co_await move_on_after(w.span(), receive); break;
  case 2: co_await move_on_after(w.span(), ring); break;
  }
}

task<> several(world& w, const place& at) {
  // children of a nursery of its own
  const place there{&at, ++w.tasks, nullptr, nullptr, false, nullptr, nullptr, at.far};
  try {
    if (w.one_in(2))
      co_await watched(w, at, when_all(act(w, there, 0), act(w, there, 0)), "when_all");
    else
      co_await watched(w, at, when_any(act(w, there, 0), act(w, there, 0)), "when_any");
  } catch (const failure_group&) {
    w.receive(std::current_exception());
  }
}

task<> sibling(world& w, const place& at, int depth) {
  if (!at.in || !at.record) co_return;
  const place* p = &at;
  while (p->up && p->record == at.record && !(p->cancel == &at.record->cancel)) p = p->up;
  if (p->cancel != &at.record->cancel) co_return;
  try {
    start_one(w, *at.in, *at.record, *p, depth);
  } catch (const nursery_closed&) { // it stops
  }
}

task<> act(world& w, const place& at, int depth) {
  for (int left = 1 + w.below(4); left > 0 && w.step(); --left) {
    const int what = w.below(depth > 0 ? 24 : 12);
    if (what < 5) {
      co_await watched(w, at, sleep_for(w.span()), "sleep");
    } else if (what < 7) {
      co_await watched(w, at, checkpoint(), "checkpoint");
    } else if (what < 10) {
      co_await disturb(w, at);
    } else if (what < 11) {
      if (!at.far) co_await talk(w, at);
    } else if (what < 12) {
      if (w.one_in(3)) w.fail();
    } else if (what < 15) {
      scope_body body(w, at, depth - 1);
      co_await move_on_after(w.one_in(3) ? no_limit : w.span(), body);
    } else if (what < 16) {
      scope_body body(w, at, depth - 1, true);
      co_await shielded(w.span(), body);
    } else if (what < 18) {
      co_await clean_after(w, at, depth - 1);
    } else if (what < 19) {
      co_await several(w, at);
    } else if (what < 21) {
      co_await sibling(w, at, depth - 1);
    } else {
      co_await open_nursery(w, at, depth - 1);
    }
  }
}

task<> child_body(world& w, child_record& r, nursery* in, const place& around, int depth,
                  const ready<int>* up) {
  struct running {
    world& w;
    child_record& r;
    running(world& x, child_record& y) : w(x), r(y) {
      w.must(!r.running, "two incarnations at once");
      w.must(!r.of->ended, "a child began after its nursery");
      if (r.threw) w.receive(r.threw); // it is restarted
      r.running = true;
      r.completed = false;
      r.threw = nullptr;
    }
    ~running() {
      r.running = false;
      w.must(!r.of->ended, "a child outlived its nursery");
    }
  } guard(w, r);
  const place here{&around, ++w.tasks, &r.cancel, nullptr, false, in, r.of, around.far || !in};
  try {
    if (up) {
      co_await act(w, here, 0);
      if (!w.one_in(4)) (*up)(1);
    }
    co_await act(w, here, depth);
    r.completed = true;
  } catch (...) {
    r.threw = std::current_exception();
    throw;
  }
}

task<> ready_body(ready<int> up, world& w, child_record& r, const place& around, int depth) {
  co_await child_body(w, r, around.in, around, depth, &up);
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif
#if defined(__OPTIMIZE__) && !defined(SANITIZED)
constexpr bool is_fast = true;
#else
constexpr bool is_fast = false;
#endif

/// One run; what was wrong.
std::vector<std::string> run_model(std::uint64_t seed, int size, std::uint64_t& events) {
  world w(seed, size);
  const auto r = run_virtual({.loops = w.loops, .seed = seed}, [&](nursery&) -> task<> {
    const place top{};
    while (w.budget > 0) {
      auto season = [&]() -> task<> { co_await open_nursery(w, top, 4); };
      try {
        co_await season();
      } catch (...) {
        w.receive(std::current_exception());
      }
      w.check_season();
    }
  });
  if (auto* g = r.run.failures()) w.complain(g->to_text());
  w.check_end();
  if (!r.deadlock.empty()) w.complain("deadlock:\n" + r.deadlock);
  w.must(r.leaked == 0, "actors were left");
  w.must(r.pending_timers == 0, "timers were left");
  events += w.events + w.starts + w.receipts;
  return w.wrong;
}

} // namespace

TEST_CASE("C9: random trees keep every promise of nurseries, scopes and failures") {
  constexpr int seeds = 100, size = is_fast ? 90'000 : 10'000; // steps; a few more events
  const auto first = draw_seed();
  std::uint64_t events = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    repeat_command = how_to_repeat(doctest::getContextOptions()->currentTest->m_name, seed);
    const auto wrong = run_model(seed, size, events);
    INFO("seed ", seed, "; repeat it with: ", repeat_command);
    for (auto& text : wrong) FAIL_CHECK(text);
    CHECK(counted::live == 0);
    if (!wrong.empty()) break;
  }
  MESSAGE(events, " events");
  if (is_fast) CHECK(events >= 10'000'000);
}
