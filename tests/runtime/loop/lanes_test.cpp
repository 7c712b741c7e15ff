// The two promises about order: a cancel stops an actor with a full mailbox (C1), and a child's
// death overtakes what its supervisor has to do (C2). Real loops and threads.
#include "runtime/interop/caf.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

#include <caf/send.hpp>

#include <functional>
#include <thread>

using namespace creche;
using namespace creche::testing;
using namespace creche::internal;

namespace {

constexpr int letters = 10'000, rounds = 100;

// One handler among many meets the cancel: it says that it runs and does not end before the cancel
// was sent. What begins after it is too much.
struct meeting {
  static constexpr int at = 50;
  std::atomic<int> begun{0};
  std::atomic<bool> armed{false}, running{false}, cancelled{false}, ended{false};
  std::function<void()> own; // set before `armed`: the handler itself cancels

  void handler() {
    if (begun.fetch_add(1) + 1 != at) return;
    await(armed, true);
    if (own) return own();
    set(running, true);
    await(cancelled, true);
  }
};

// Another loop, or a foreign thread, that cancels while the handler runs.
struct canceller {
  std::thread thread;
  canceller(meeting& m, loop* on, std::function<void()> cancel) {
    auto work = [&m, cancel] {
      await(m.running, true);
      cancel();
      set(m.cancelled, true);
    };
    if (on)
      post_call(*on, work);
    else
      thread = std::thread(work);
  }
  ~canceller() {
    if (thread.joinable()) thread.join();
  }
};

enum class from { own_loop, other_loop, foreign_thread };
constexpr from everywhere[] = {from::own_loop, from::other_loop, from::foreign_thread};

// ---- a lean actor

struct busy_resident : resident {
  meeting& m;
  busy_resident(caf::actor_config& cfg, meeting& x) : resident(cfg), m(x) {}
  void on_caf(caf::mailbox_element& e) override {
    if (e.content().match_elements<int>()) return m.handler();
    resident::on_caf(e);
  }
  void let_go() override {
    auto& x = m;
    resident::let_go();
    set(x.ended, true);
  }
};
struct work_letter {
  void operator()(resident& r) const { static_cast<busy_resident&>(r).m.handler(); }
};
struct cancel_letter {
  void operator()(resident& r) const { r.end({}); }
};

// `fill` queues the messages, `cancel` the order; both on any thread.
template <class Fill, class Cancel> void race(real_loops& l, from who, Fill fill, Cancel cancel) {
  meeting m;
  auto* r = l.call(0, [&] { return make_resident<busy_resident>(l[0], m); });
  const caf::actor keep = r->handle();
  if (who == from::own_loop) m.own = [&] { cancel(*r); };
  set(m.armed, true);
  fill(*r);
  {
    std::optional<canceller> c;
    if (who != from::own_loop)
      c.emplace(m, who == from::other_loop ? &l[1] : nullptr, [&] { cancel(*r); });
  }
  await(m.ended, true);
  REQUIRE(m.begun == meeting::at);
}

// ---- a child

template <class C> struct plan_of : creche::detail::plan {
  meeting& m;
  loop* place;
  C** made;
  plan_of(meeting& x, loop* p, C** out) : m(x), place(p), made(out) { name = "busy"; }
  task<> body(creche::detail::ready_slot*) override { throw std::logic_error("no body"); }
  child_actor* make(child_record& r) override {
    return *made = make_resident<C>(place ? *place : *home, &r, m);
  }
};

struct busy_child : child_actor {
  meeting& m;
  busy_child(caf::actor_config& cfg, child_record* r, meeting& x) : child_actor(cfg, r), m(x) {}
  std::string_view kind() const noexcept override { return "busy"; }
  void on_start() override {}
  void on_cancel() override { finish(how::cancelled); }
};
struct child_work_letter {
  void operator()(resident& r) const { static_cast<busy_child&>(r).m.handler(); }
};

struct task_plan : creche::detail::plan {
  meeting& m;
  loop& place;
  task_plan(meeting& x, loop& l) : m(x), place(l) { name = "busy"; }
  task<> body(creche::detail::ready_slot*) override {
    for (;;) {
      m.handler();
      co_await checkpoint();
    }
  }
  child_actor* make(child_record& r) override {
    home = &place;
    return plan::make(r);
  }
};

struct busy_caf : caf::event_based_actor {
  meeting& m;
  busy_caf(caf::actor_config& cfg, meeting* x) : event_based_actor(cfg), m(*x) {}
  caf::behavior make_behavior() override {
    return {[this](int) { m.handler(); }};
  }
};

// Starts a child with `start(nursery&, meeting&, loop&)`, cancels its handle while its 50th handler
// runs, and looks at what ran. The child lives on loop 0, with its nursery, or on loop 1.
template <class Start>
void race_children(int times, std::initializer_list<unsigned> places, Start start) {
  int too_many = 0;
  const auto r = run(quiet(3), [&](nursery& n) -> task<> {
    auto& system = runtime_of(*loop::current());
    for (auto place : places)
      for (auto who : everywhere)
        for (int i = 0; i < times; ++i) {
          meeting m;
          child c = start(n, m, system.at(place));
          std::optional<canceller> other;
          if (who == from::own_loop)
            m.own = [&c] { c.cancel(); };
          else
            other.emplace(m, who == from::other_loop ? &system.at(2) : nullptr,
                          [&c] { c.cancel(); });
          set(m.armed, true);
          co_await c.wait();
          too_many += m.begun - meeting::at;
          if (c.result()->kind != how::cancelled) ++too_many;
        }
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(too_many == 0);
}

} // namespace

TEST_CASE(
    "C1 after a cancel letter no letter is handled, with 10 000 queued, wherever it comes from") {
  real_loops l(2);
  for (auto who : everywhere)
    for (int i = 0; i < rounds; ++i)
      race(
          l, who,
          [](resident& r) {
            for (int k = 0; k < letters; ++k) tell<work_letter, lane::data>(r);
          },
          [](resident& r) { tell<cancel_letter, lane::control>(r); });
}

TEST_CASE("C1 after a CAF exit no CAF message is handled by a lean actor") {
  real_loops l(2);
  for (auto who : everywhere)
    for (int i = 0; i < rounds; ++i)
      race(
          l, who,
          [](resident& r) {
            for (int k = 0; k < letters / 10; ++k) caf::anon_send(r.handle(), k);
          },
          [](resident& r) { caf::anon_send_exit(r.handle(), caf::exit_reason::user_shutdown); });
}

TEST_CASE("C1 after child::cancel no letter of a child is handled") {
  race_children(rounds, {0, 1}, [](nursery& n, meeting& m, loop& where) {
    busy_child* made = nullptr;
    auto c = n.start(child_spec(new plan_of<busy_child>(m, &where, &made)));
    for (int k = 0; k < letters; ++k) tell<child_work_letter, lane::data>(*made);
    return c;
  });
}

TEST_CASE("C1, X1, S9: after child::cancel a task passes no checkpoint") {
  race_children(rounds, {0, 1}, [](nursery& n, meeting& m, loop& where) {
    return n.start(child_spec(new task_plan(m, where)));
  });
}

TEST_CASE("C1 after child::cancel a CAF actor at home handles nothing") {
  race_children(rounds, {0}, [](nursery& n, meeting& m, loop&) {
    auto c = n.start(caf_child<busy_caf>("busy", &m));
    const auto a = actor_of(c);
    for (int k = 0; k < letters / 10; ++k) caf::anon_send(a, k);
    return c;
  });
}

namespace {

struct boss_log {
  meeting m{};
  int forgotten_at = -1;
};
struct mortal : child_actor { // tells when its end is on its way to its nursery
  meeting& m;
  mortal(caf::actor_config& cfg, child_record* r, meeting& x) : child_actor(cfg, r), m(x) {}
  std::string_view kind() const noexcept override { return "mortal"; }
  void on_start() override {}
  void on_cancel() override { finish(how::completed); }
  void let_go() override {
    auto& x = m;
    child_actor::let_go();
    set(x.cancelled, true);
  }
};
struct die_letter {
  meeting* m;
  void operator()(resident& r) const {
    await(m->running, true);
    static_cast<mortal&>(r).on_cancel();
  }
};
struct boss : nursery_actor {
  boss_log& log;
  boss(caf::actor_config& cfg, child_record* r, boss_log& x)
      : nursery_actor(cfg, r, nursery_rules{}), log(x) {}
  void on_start() override {
    mortal* made = nullptr;
    auto& there = runtime_of(home()).at(1);
    start(std::make_unique<plan_of<mortal>>(log.m, &there, &made));
    tell<die_letter, lane::data>(*made, &log.m);
    for (int k = 0; k < letters; ++k) tell<boss_work, lane::data>(*this);
  }
  void on_forget(child_record&) override {
    log.forgotten_at = log.m.begun;
    cancel_all();
  }
  struct boss_work {
    void operator()(resident& r) const { static_cast<boss&>(r).log.m.handler(); }
  };
};
struct boss_plan : creche::detail::plan {
  boss_log& log;
  explicit boss_plan(boss_log& l) : log(l) { name = "boss"; }
  task<> body(creche::detail::ready_slot*) override { throw std::logic_error("no body"); }
  child_actor* make(child_record& r) override { return make_resident<boss>(*home, &r, log); }
};

} // namespace

TEST_CASE(
    "C2 a child's death reaches a supervisor with 10 000 queued messages before the next one") {
  int wrong = 0;
  const auto r = run(quiet(2), [&](nursery& n) -> task<> {
    for (int i = 0; i < rounds; ++i) {
      boss_log log;
      set(log.m.armed, true);
      auto c = n.start(child_spec(new boss_plan(log)));
      co_await c.wait();
      wrong += log.forgotten_at != meeting::at;
    }
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(wrong == 0);
}
