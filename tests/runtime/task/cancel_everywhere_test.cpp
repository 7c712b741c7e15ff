// Programs made of every kind of wait there is, each cancelled at every moment it has: before an
// await, while it waits, when it goes on, right before and after what wakes it up, and some turns
// into every instant; by its scope, its task or its nursery, at home, by a thread and from
// another loop. What may come of it: completed or stopped, never a third thing, and nothing is
// left, twice destroyed or lost. After a cancel at home no await goes on.
#include "runtime/messages/request.hpp"
#include "runtime/supervision/when.hpp"
#include "runtime/sync/event.hpp"
#include "runtime/sync/shared_channel.hpp"
#include "runtime/sync/shared_event.hpp"
#include "runtime/sync/unbounded_mailbox.hpp"
#include "runtime/task/finally.hpp"
#include "runtime/task/task_local.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/runtime/cancel_trial.hpp"
#include "tests/runtime/clean_run.hpp"

#include <algorithm>
#include <memory>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

// The program is behind a shield, in a frame of its own.
class hides {
public:
  explicit hides(trial& t) noexcept : trial_(t) { ++t.hidden; }
  hides(const hides&) = delete;
  ~hides() { --trial_.hidden; }

private:
  trial& trial_;
};

// ---- the programs

task<> work(trial& t, clock_duration d) {
  counted c;
  co_await t.at(sleep_for(d));
}

task<> sleeps(trial& t) {
  counted c;
  co_await t.at(sleep_for(1s));
  co_await t.at(sleep_until(later(now(), 1s)));
  for (int i = 0; i < 70; ++i) co_await checkpoint();
  co_await t.at(checkpoint());
  co_await t.at(sleep_for(0s));
  co_await t.at(work(t, 1s));
}

task<> waits_for_children(trial& t) {
  auto c = t.outside->start([]() -> task<> { co_await sleep_for(1s); });
  co_await t.at(c.wait());
  co_await t.at(c.wait()); // ended long ago
}

task<> starts_when_ready(trial& t) {
  auto server = [](ready<counted> up) -> task<> {
    counted c;
    co_await sleep_for(1s);
    up(counted("ready"));
    co_await sleep_for(1s);
  };
  auto body = [&](nursery& m) -> task<> {
    child_spec spec("server", server);
    auto [value, c] = co_await t.at(m.start_ready<counted>(spec));
    CHECK(value.text == "ready");
    co_await t.at(c.wait());
  };
  co_await t.at(with_nursery(body));
}

task<> joins(trial& t) {
  auto leaf = [&]() -> task<> { co_await work(t, 1s); };
  auto inner = [&](nursery& m) -> task<> {
    m.start(leaf);
    co_await t.at(checkpoint());
  };
  auto outer = [&](nursery& m) -> task<> {
    m.start(leaf);
    m.start([&]() -> task<> { co_await t.at(with_nursery(inner)); });
    co_return;
  };
  co_await t.at(with_nursery(outer));
}

task<> ends_nurseries(trial& t) {
  auto cancels = [&](nursery& m) -> task<> {
    m.start([&t]() -> task<> { co_await work(t, 1h); });
    co_await t.at(sleep_for(1s));
    t.act([&] { m.cancel(); });
    co_await t.at(checkpoint());
  };
  auto stops = [&](nursery& m) -> task<> {
    m.start([&t]() -> task<> { co_await work(t, 1h); });
    m.start([&t]() -> task<> { co_await work(t, 1h); });
    co_await t.at(sleep_for(1s));
    t.act([&] { m.stop(); });
    co_await t.at(checkpoint());
  };
  co_await t.at(with_nursery(cancels));
  co_await t.at(with_nursery(stops));
}

task<> parks(trial& t) {
  struct shared {
    parking lot;
    bool open = false;
  };
  auto s = std::make_shared<shared>();
  t.outside->start([&t, s]() -> task<> {
    co_await sleep_for(1s);
    t.act([&] { s->lot.unpark(); });
    co_await sleep_for(1s);
    t.act([&] {
      s->open = true;
      s->lot.unpark_all();
    });
  });
  co_await t.at(s->lot.park());
  auto open = [&] { return s->open; };
  co_await t.at(s->lot.park_unless(open));
}

task<> waits_for_events(trial& t) {
  auto e = std::make_shared<event>();
  shared_event far;
  t.outside->start([&t, e, far]() -> task<> {
    co_await sleep_for(1s);
    t.act([&] { e->set(); });
    co_await sleep_for(1s);
    t.act([&] { far.set(); });
  });
  co_await t.at(e->wait());
  co_await t.at(e->wait());
  co_await t.at(far.wait());
}

template <class Channel> task<> sends(trial& t, std::size_t capacity) {
  auto ch = std::make_shared<Channel>(capacity);
  t.outside->start([&t, ch]() -> task<> {
    co_await sleep_for(1s);
    for (int i = 0; i < 3; ++i) {
      t.act([&] { (void)ch->try_receive(); });
      co_await sleep_for(0s);
    }
    // what the acts did not meet
    auto take = [&]() -> task<> { (void)co_await ch->receive(); };
    while (co_await move_on_after(1s, take)) {
    }
    const auto s = ch->statistics();
    CHECK(s.sent == s.received);
    ch->close();
  });
  for (int i = 0; i < 5; ++i) {
    counted item("number " + std::to_string(i));
    co_await t.at(ch->send_from(item));
    CHECK(item.text.empty());
  }
}

template <class Channel> task<> receives(trial& t, std::size_t capacity) {
  auto ch = std::make_shared<Channel>(capacity);
  t.outside->start([&t, ch]() -> task<> {
    int i = 0;
    co_await sleep_for(1s);
    for (; i < 3; ++i) {
      counted item(std::to_string(i));
      bool sent = false;
      t.act([&] { sent = ch->try_send(std::move(item)); });
      CHECK(sent == item.text.empty());
      co_await sleep_for(1s);
    }
    ch->close();
  });
  std::string last = "-1";
  for (;;) {
    auto got = co_await t.at(ch->receive());
    if (!got) break;
    CHECK(std::stoi(got->text) == std::stoi(last) + 1);
    last = got->text;
  }
}

template <class Channel> task<> talks(trial& t, std::size_t capacity) {
  auto ch = std::make_shared<Channel>(capacity);
  auto body = [&](nursery& m) -> task<> {
    m.start([&]() -> task<> {
      for (int i = 0; i < 4; ++i) co_await t.at(ch->send(counted("said")));
      ch->close();
    });
    while (auto got = co_await t.at(ch->receive())) CHECK(got->text == "said");
  };
  co_await t.at(with_nursery(body));
}

using own = channel<counted>;
using far = shared_channel<counted>;

/// With a sender on another loop.
task<> receives_from_afar(trial& t) {
  far ch(1);
  auto sender = [](far to) -> task<> {
    for (int i = 0; i < 3; ++i) {
      co_await sleep_for(1s);
      counted item("from afar");
      try {
        co_await to.send_from(item);
      } catch (const channel_closed&) {
        co_return;
      }
    }
    to.close();
  };
  t.outside->start(child_spec("sender", sender, ch).on(placement::any_loop));
  while (auto got = co_await t.at(ch.receive())) CHECK(got->text == "from afar");
}

task<> waits_for_all(trial& t) {
  auto all = when_all(work(t, 1s), work(t, 1s), work(t, 2s));
  co_await t.at(std::move(all));
}
task<> waits_for_any(trial& t) {
  auto any = when_any(work(t, 2s), work(t, 1s), work(t, 1s));
  const auto first = co_await t.at(std::move(any));
  CHECK(first.first >= 1);
}

template <bool Shielded> task<> cleans_up(trial& t) {
  int begun = 0, cleaned = 0, over = 0;
  struct check {
    int &begun, &cleaned;
    check(int& b, int& c) : begun(b), cleaned(c) {}
    ~check() { CHECK(begun == cleaned); }
  } c(begun, cleaned);
  auto body = [&]() -> task<> {
    ++begun;
    co_await work(t, 1s);
  };
  auto clean = [&]() -> task<> {
    std::optional<hides> here;
    if (Shielded) here.emplace(t);
    ++cleaned;
    co_await work(t, 1s);
    ++over;
  };
  auto nested = [&]() -> task<> {
    ++begun;
    if constexpr (Shielded)
      co_await t.at(finally(body, clean));
    else
      co_await t.at(finally(body, clean).unshielded());
  };
  struct all {
    int &cleaned, &over;
    all(int& c, int& o) : cleaned(c), over(o) {}
    ~all() {
      if (Shielded) CHECK(cleaned == over);
    }
  } a(cleaned, over);
  if constexpr (Shielded)
    co_await t.at(finally(nested, clean));
  else
    co_await t.at(finally(nested, clean).unshielded());
}

task<> shields(trial& t) {
  bool over = false;
  auto body = [&]() -> task<> {
    const hides here(t);
    co_await work(t, 1s);
    co_await t.at(checkpoint());
    over = true;
  };
  const bool done = co_await t.at_shield(shielded(1h, body));
  CHECK(done == over);
  CHECK(done);
  co_await t.at(checkpoint());
  auto too_long = [&]() -> task<> {
    const hides here(t);
    co_await work(t, 1h);
  };
  const bool late = co_await t.at_shield(shielded(1s, too_long));
  CHECK(!late);
}

task<> has_limits(trial& t) {
  auto quick = [&]() -> task<> { co_await work(t, 1s); };
  auto slow = [&]() -> task<> { co_await work(t, 1h); };
  const bool done = co_await t.at(move_on_after(2s, quick));
  CHECK(done);
  const bool late = co_await t.at(move_on_after(1s, slow));
  CHECK(!late);
  co_await t.at(fail_after(2s, quick));
  bool failed = false;
  try {
    co_await t.at(fail_after(1s, slow));
  } catch (const too_slow&) {
    failed = true;
  }
  CHECK(failed);
  auto even = [&]() -> task<> { co_await t.at(move_on_after(1s, quick)); }; // either is right
  co_await t.at(move_on_after(1s, even));
}

task<> monitors(trial& t) {
  auto body = [&](nursery& m) -> task<> {
    auto good = m.start([&t]() -> task<> { co_await work(t, 1s); });
    const auto end = co_await t.at(m.monitor(good));
    CHECK(end.kind == how::completed);
    auto bad = m.start([&t]() -> task<> {
      co_await work(t, 1s);
      throw std::runtime_error("bad");
    });
    const auto fault = co_await t.at(m.monitor(bad));
    CHECK(fault.kind == how::failed);
  };
  try {
    co_await t.at(with_nursery(body));
  } catch (const failure_group& g) { // it failed when its monitor had been stopped
    CHECK(t.when != moment::never);
    CHECK(g.find<std::runtime_error>());
  }
}

task<> cancels_others(trial& t) {
  auto c = t.outside->start([&t]() -> task<> {
    auto body = [&]() -> task<> { co_await work(t, 1h); };
    auto clean = []() -> task<> { co_await sleep_for(1s); };
    co_await finally(body, clean);
  });
  auto h = std::make_shared<cancel_scope::handle>();
  t.outside->start([h]() -> task<> {
    auto body = [&h](cancel_scope& s) -> task<> {
      *h = s.remote();
      auto wait = []() -> task<> { co_await sleep_for(1h); };
      auto clean = []() -> task<> { co_await sleep_for(1s); };
      co_await finally(wait, clean);
    };
    co_await move_on_after(1h, body);
  });
  co_await sleep_for(1s);
  const auto keep = *h;
  const auto first = co_await t.at(c.cancel_and_wait("first"));
  CHECK(first == receipt::cancelled);
  const auto second = co_await t.at(keep.cancel_and_wait());
  CHECK(second == receipt::cancelled);
  const auto third = co_await t.at(c.cancel_and_wait("again"));
  CHECK(third == receipt::already_done);
}

task<> takes_mail(trial& t) {
  auto mail = std::make_shared<unbounded_mailbox<counted>>();
  t.outside->start([&t, mail]() -> task<> {
    for (int i = 0; i < 3; ++i) {
      co_await sleep_for(1s);
      t.act([&] { mail->put(counted("a")); });
      t.act([&] { mail->put(counted("b")); });
    }
  });
  for (std::size_t got = 0; got < 6;) {
    const auto batch = co_await t.at(mail->get_all());
    CHECK(!batch.empty());
    got += batch.size();
  }
}

struct question {
  explicit question(clock_duration d) noexcept : takes(d) {}
  clock_duration takes;
};
using counted_question = asked<question, counted>;

/// It is given up or never sent, but never asked and forgotten.
task<> asks(trial& t) {
  auto server = t.outside->start([]() -> task<> {
    for (;;) {
      auto q = co_await receive<counted_question>();
      co_await sleep_for(q.message().takes);
      q.answer("an answer");
    }
  });
  for (auto takes : {0s, 1s}) {
    const auto got = co_await t.at(ask<counted>(server, question(takes)));
    CHECK(got.text == "an answer");
  }
  bool late = false;
  try {
    (void)co_await t.at(ask<counted>(server, question(10s), 1s));
  } catch (const request_failed& e) {
    late = e.code() == make_error_code(errc::timed_out);
  }
  CHECK(late);
}

task<> answers(trial& t) {
  const auto self = t.task;
  t.outside->start([&t, self]() -> task<> {
    for (int i = 0; i < 3; ++i) {
      co_await sleep_for(1s);
      t.act([&] { self.send(counted("letter")); });
    }
  });
  for (int i = 0; i < 3; ++i) {
    const auto got = co_await t.at(receive<counted>());
    CHECK(got.text == "letter");
  }
}

task<> works_in_a_context(trial& t) {
  auto body = [&]() -> task<> { co_await work(t, 1s); };
  const auto origin = context::here().until(later(now(), 2s));
  co_await t.at(origin.run(body));
}

task<> sends_when_there_is_room(trial& t) {
  auto taker = t.outside->start(child_spec("taker", []() -> task<> {
                                  auto take = []() -> task<> { (void)co_await receive<counted>(); };
                                  for (int i = 0; i < 4; ++i) {
                                    co_await sleep_for(1s);
                                    (void)co_await move_on_after(1h, take);
                                  }
                                }).mailbox_limit(1));
  for (int i = 0; i < 4; ++i) {
    const auto sent = co_await t.at(taker.send_when_room(counted("room")));
    CHECK(sent == send_result::queued);
  }
}

task<> receives_in_branches(trial& t) {
  auto body = [&](nursery& n) -> task<> {
    auto worker = n.start([&t]() -> task<> {
      auto next = []() -> task<> { (void)co_await receive<counted>(); };
      auto two = when_all(next(), next());
      co_await t.at(std::move(two));
      auto any = when_any(next(), work(t, 1h));
      co_await t.at(std::move(any));
    });
    for (int i = 0; i < 3; ++i) {
      co_await sleep_for(1s);
      t.act([&] { worker.send(counted("mail")); });
    }
  };
  co_await with_nursery(body);
}

task<> waits_for_quiet(trial& t) {
  auto body = [&](nursery& m) -> task<> {
    m.start([&t]() -> task<> {
      co_await work(t, 0s);
      co_await t.at(wait_all_blocked());
    });
    co_await t.at(wait_all_blocked());
    co_await work(t, 1s);
    co_await t.at(wait_all_blocked());
  };
  co_await t.at(with_nursery(body));
}

task<> takes_turns(trial& t) {
  sequencer seq;
  auto body = [&](nursery& m) -> task<> {
    m.start([&]() -> task<> {
      for (std::uint32_t i : {0u, 2u}) {
        auto turn = co_await t.at(seq.at(i));
        co_await work(t, 1s);
      }
    });
    for (std::uint32_t i : {1u, 3u}) {
      auto turn = co_await t.at(seq.at(i));
      co_await work(t, 1s);
    }
  };
  try {
    co_await t.at(with_nursery(body));
  } catch (const failure_group& g) { // "the sequence is broken": told to who still waited
    CHECK(t.when != moment::never);
    CHECK(g.find<std::logic_error>());
  }
}

const task_local<int> depth;
task<> binds_locals(trial& t) {
  auto body = [&]() -> task<> {
    CHECK(depth.get() == 1);
    auto inner = [&](nursery& m) -> task<> {
      m.start([&t]() -> task<> {
        co_await work(t, 1s);
        CHECK(depth.get() == 1);
      });
      co_await t.at(checkpoint());
    };
    co_await t.at(with_nursery(inner));
  };
  co_await t.at(depth.with(1, body));
  CHECK(depth.get() == 0);
}

task<> probes(trial& t) {
  auto p = std::make_shared<probe<counted>>();
  t.outside->start([&t, p]() -> task<> {
    for (int i = 0; i < 2; ++i) {
      co_await sleep_for(1s);
      t.act([&] { p->put(counted()); });
    }
  });
  for (int i = 0; i < 2; ++i) (void)co_await t.at(p->next());
  co_await t.at(p->expect_none(1s));
}

struct program {
  const char* name;
  task<> (*run)(trial&);
  unsigned loops = 1;
};
const program programs[] = {
    {"sleeps", &sleeps},
    {"child.wait", &waits_for_children},
    {"start_ready", &starts_when_ready},
    {"with_nursery", &joins},
    {"nursery.cancel and stop", &ends_nurseries},
    {"parking", &parks},
    {"events", &waits_for_events},
    {"send, capacity 0", [](trial& t) { return sends<own>(t, 0); }},
    {"send, capacity 1", [](trial& t) { return sends<own>(t, 1); }},
    {"receive, capacity 0", [](trial& t) { return receives<own>(t, 0); }},
    {"receive, capacity 1", [](trial& t) { return receives<own>(t, 1); }},
    {"send and receive, capacity 0", [](trial& t) { return talks<own>(t, 0); }},
    {"send and receive, capacity 1", [](trial& t) { return talks<own>(t, 1); }},
    {"shared send, capacity 0", [](trial& t) { return sends<far>(t, 0); }},
    {"shared receive, capacity 1", [](trial& t) { return receives<far>(t, 1); }},
    {"shared send and receive, capacity 0", [](trial& t) { return talks<far>(t, 0); }},
    {"shared send and receive, capacity 1", [](trial& t) { return talks<far>(t, 1); }},
    {"receive from another loop", &receives_from_afar, 2},
    {"when_all", &waits_for_all},
    {"when_any", &waits_for_any},
    {"finally", &cleans_up<true>},
    {"finally, unshielded", &cleans_up<false>},
    {"shielded", &shields},
    {"limits", &has_limits},
    {"monitor", &monitors},
    {"cancel_and_wait", &cancels_others},
    {"unbounded_mailbox", &takes_mail},
    {"send_when_room", &sends_when_there_is_room},
    {"receive in branches", &receives_in_branches},
    {"request", &asks},
    {"receive", &answers},
    {"context", &works_in_a_context},
    {"wait_all_blocked", &waits_for_quiet},
    {"sequencer", &takes_turns},
    {"task_local", &binds_locals},
    {"probe", &probes},
};

// ---- how each is run

task<> cancels_when_waiting(trial& t) {
  co_await t.now_waiting.wait();
  t.cancel();
}

task<> cancels_at_instant(trial& t, receipt& got) {
  co_await sleep_until(t.at_);
  for (int i = 0; i < t.which; ++i) co_await sleep_for(0s);
  if (t.who == caller::home && t.what == target::scope) {
    const auto keep = t.scope;
    got = co_await keep.cancel_and_wait();
  } else if (t.who == caller::home && t.what == target::task && t.task) {
    const auto keep = t.task;
    got = co_await keep.cancel_and_wait();
  } else {
    t.cancel();
  }
}

task<> cancels_from_afar(trial& t) {
  auto orders = t.to_other_loop;
  if (co_await orders.receive()) t.order();
}

/// The program in a scope, in a task of its own, in a nursery, in another nursery.
task<> run_program(const program& p, trial& t) {
  auto in_scope = [&](cancel_scope& s) -> task<> {
    t.own_scope = &s;
    t.scope = s.remote();
    co_await p.run(t);
    t.completed = true;
  };
  auto run = [&]() -> task<> {
    const bool done = co_await move_on_after(no_limit, in_scope);
    t.own_scope = nullptr;
    CHECK(done == t.completed);
  };
  auto inner = [&](nursery& n) -> task<> {
    t.inner = n.remote();
    t.task = n.start(run);
    co_return;
  };
  auto outer = [&](nursery& n) -> task<> {
    t.outer = n.remote();
    n.start([&]() -> task<> { co_await with_nursery(inner); });
    co_return;
  };
  co_await with_nursery(outer);
}

void run_trial(const program& p, trial& t, std::uint64_t seed) {
  INFO("program '", std::string(p.name), "', ", std::string(target_names[int(t.what)]),
       " is cancelled ", std::string(caller_names[int(t.who)]), ", ",
       std::string(moment_names[int(t.when)]), " ", t.which, ", seed ", seed);
  auto got = receipt::abandoned;
  const unsigned loops = t.who == caller::loop ? 2 : p.loops;
  const auto r = run_virtual({.loops = loops, .seed = seed}, [&](nursery&) -> task<> {
    t.at_ = later(now(), t.at_.time_since_epoch()); // was told as a span from the beginning
    auto outside = [&](nursery& n) -> task<> {
      t.outside = &n;
      if (t.who == caller::loop)
        n.start(child_spec("afar", &cancels_from_afar, std::ref(t)).on(placement::any_loop));
      if (t.when == moment::waiting) n.start(&cancels_when_waiting, std::ref(t));
      if (t.when == moment::instant) n.start(&cancels_at_instant, std::ref(t), std::ref(got));
      co_await run_program(p, t);
      co_await sleep_for(1min); // those outside go on without it
      n.cancel();
    };
    co_await with_nursery(outside);
    co_await checkpoint();
  });
  if (t.when == moment::never) CHECK(t.completed);
  if (got != receipt::abandoned && t.what == target::scope)
    CHECK((got == receipt::cancelled || got == receipt::refused) == !t.completed);
  CHECK(counted::live == 0);
  CHECK(r.deadlock == "");
  CHECK(r.leaked == 0);
  CHECK(r.pending_timers == 0);
  INFO((r.run.failures() ? r.run.failures()->to_text() : ""));
  CHECK(r.run.how() == run_result::kind::completed);
}

int run_all(const program& p, target what, caller who, std::uint64_t seed) {
  constexpr int turns = 6;
  int runs = 0;
  trial all;
  const auto begin = virtual_clock().now();
  run_trial(p, all, seed);
  CHECK(all.awaits > 0);
  auto run = [&](moment m, int which, clock_duration at = {}) {
    trial t;
    t.when = m;
    t.which = which;
    t.at_ = time_point(at);
    t.what = what;
    t.who = who;
    run_trial(p, t, seed);
    ++runs;
  };
  for (auto m : {moment::before, moment::waiting, moment::resumed})
    for (int k = 1; k <= all.awaits; ++k) run(m, k);
  for (auto m : {moment::act_before, moment::act_after})
    for (int k = 1; k <= all.acts; ++k) run(m, k);
  for (auto at : all.instants)
    for (int k = 0; k < turns; ++k) run(moment::instant, k, at - begin);
  return runs;
}

} // namespace

TEST_CASE("every kind of wait, cancelled at every moment, completes or stops, and leaves nothing") {
  auto seed = draw_seed();
  repeat_command = how_to_repeat(doctest::getContextOptions()->currentTest->m_name, seed);
  INFO("repeat it with: ", repeat_command);
  int runs = 0;
  for (auto who : {caller::home, caller::thread, caller::loop})
    for (auto what :
         {target::scope, target::deadline, target::task, target::nursery, target::outer_nursery}) {
      if (who != caller::home && what == target::deadline) continue; // moved at home only
      for (auto& p : programs) runs += run_all(p, what, who, seed);
      ++seed;
    }
  MESSAGE(runs, " runs");
}
