// Actors of CAF and ours live together: what CAF's world may do with a lean actor, and CAF's own
// actors as children. Home is checked wherever their code runs.
#include "runtime/interop/caf.hpp"

#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

#include <caf/all.hpp>
#include <caf/io/all.hpp>

#include <thread>

using namespace creche;
using namespace creche::testing;
using namespace creche::internal;

namespace {

using ping = caf::atom_constant<caf::atom("ping")>;
using tick = caf::atom_constant<caf::atom("tick")>;
using ask = caf::atom_constant<caf::atom("ask")>;
using mute = caf::atom_constant<caf::atom("mute")>;
using part = caf::atom_constant<caf::atom("quit")>;
using fail = caf::atom_constant<caf::atom("fail")>;

struct counts {
  std::atomic<int> pings{0}, ticks{0}, timeouts{0}, away{0}, ended{0};
  std::atomic<bool> freed{false};
};

void at_home_of(loop& home, counts& c) {
  if (!home.at_home()) ++c.away;
}

// Answers pings; as a lean actor, and as one of CAF's.
struct lean_echo : resident {
  counts& c;
  lean_echo(caf::actor_config& cfg, counts& x) : resident(cfg), c(x) {}
  void on_caf(caf::mailbox_element& e) override {
    at_home_of(home(), c);
    auto& m = e.content();
    if (m.match_elements<ping, int>()) {
      if (e.mid.is_request()) respond(e, caf::make_message(m.get_as<int>(1) + 1));
      ++c.pings;
      c.pings.notify_all();
      return;
    }
    if (m.match_elements<part>()) return end({});
    resident::on_caf(e);
  }
  void let_go() override {
    auto& x = c;
    resident::let_go();
    set(x.freed, true);
  }
};

struct caf_echo : caf::event_based_actor {
  loop& home;
  counts& c;
  caf_echo(caf::actor_config& cfg, counts* x)
      : event_based_actor(cfg), home(*static_cast<loop*>(cfg.host)), c(*x) {}
  void on_exit() override { at_home_of(home, c); }
  caf::behavior make_behavior() override {
    at_home_of(home, c);
    return {
        [this](ping, int x) {
          at_home_of(home, c);
          ++c.pings;
          c.pings.notify_all();
          return x + 1;
        },
        [this](tick) {
          at_home_of(home, c);
          if (++c.ticks < 5) delayed_send(this, 1ms, tick::value);
          c.ticks.notify_all();
        },
        [this](ask, const caf::actor& other) {
          request(other, 5ms, mute::value)
              .then([] {},
                    [this](const caf::error& e) {
                      at_home_of(home, c);
                      if (e == caf::sec::request_timeout) ++c.timeouts;
                      c.timeouts.notify_all();
                    });
        },
        [this](part) { this->quit(); },
        [](fail) { throw std::runtime_error("a handler of CAF's"); },
    };
  }
};

void at_least(std::atomic<int>& n, int wanted) {
  for (int seen = n; seen < wanted; seen = n) n.wait(seen);
}

caf::actor spawn_raw(loop& l, counts& c) {
  caf::actor_config cfg{&l};
  return l.system().template spawn_class<at_home<caf_echo>, caf::no_spawn_options>(
      cfg, creche::detail::caf_link{}, &c);
}

} // namespace

TEST_CASE(
    "a lean actor and an at_home one serve CAF actors, foreign threads and loops, always at home") {
  real_loops l(2);
  counts lean, stock;
  {
    auto* made = l.call(0, [&] { return make_resident<lean_echo>(l[0], lean); });
    const caf::actor a = made->handle(), b = spawn_raw(l[1], stock);
    constexpr int each = 1000;
    std::atomic<int> replies{0};
    for (int w = 0; w < 4; ++w)
      l.caf().spawn([&, a, b](caf::event_based_actor* self) {
        for (int i = 0; i < each; ++i)
          for (auto& x : {a, b})
            self->request(x, caf::infinite, ping::value, i).then([&, i](int r) {
              if (r != i + 1) return;
              ++replies;
              replies.notify_all();
            });
      });
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < each; ++i)
          for (auto& x : {a, b}) caf::anon_send(x, ping::value, i);
      });
    for (auto& t : threads) t.join();
    at_least(replies, 8 * each);
    at_least(lean.pings, 7 * each);
    at_least(stock.pings, 7 * each);
    caf::anon_send(b, tick::value);
    at_least(stock.ticks, 5);
    auto silent = l.caf().spawn([](caf::event_based_actor* self) -> caf::behavior {
      return {[self](mute) { return self->make_response_promise(); },
              [self](part) { self->quit(); }};
    });
    caf::anon_send(b, ask::value, silent);
    at_least(stock.timeouts, 1);
    for (auto& x : {a, b, silent}) caf::anon_send(x, part::value);
    caf::scoped_actor self{l.caf()};
    self->wait_for(a, b, silent);
  }
  await(lean.freed, true);
  CHECK(l.finish() == 0);
  CHECK(lean.pings == 7000);
  CHECK(stock.pings == 7000);
  CHECK(lean.away == 0);
  CHECK(stock.away == 0);
}

TEST_CASE("a lean actor can be monitored, linked and attached to, and bounces requests when dead") {
  real_loops l(1);
  counts c;
  auto* made = l.call(0, [&] { return make_resident<lean_echo>(l[0], c); });
  const auto a = made->handle();
  std::atomic<int> exits{0};
  auto linked = l.caf().spawn([&, a](caf::event_based_actor* self) -> caf::behavior {
    self->link_to(a);
    self->set_exit_handler([&exits, self](caf::exit_msg&) {
      ++exits;
      self->quit();
    });
    return {[](ping) { return 0; }};
  });
  a->attach_functor([&](const caf::error&) { ++c.ended; });
  caf::scoped_actor self{l.caf()};
  self->monitor(a);
  self->request(linked, 10s, ping::value)
      .receive([](int) {}, [](const caf::error&) { CHECK(false); });
  self->request(a, 10s, ping::value, 41)
      .receive([](int x) { CHECK(x == 42); }, [](const caf::error&) { CHECK(false); });
  caf::anon_send(a, part::value);
  bool down = false;
  self->receive([&](const caf::down_msg& d) { down = d.source == a.address(); });
  CHECK(down);
  self->wait_for(linked);
  self->request(a, 10s, ping::value, 1)
      .receive([](int) { CHECK(false); },
               [](const caf::error& e) { CHECK(e == caf::sec::request_receiver_down); });
  await(c.freed, true);
  CHECK(exits == 1);
  CHECK(c.ended == 1);
}

TEST_CASE("a request to an actor that dies with it in its mailbox is answered") {
  real_loops l(1);
  counts c;
  auto* made = l.call(0, [&] { return make_resident<lean_echo>(l[0], c); });
  const auto a = made->handle();
  std::atomic<int> bounced{0};
  std::atomic<bool> hold{true};
  post_call(l[0], [&] { await(hold, false); }); // nothing is handled yet
  l.caf().spawn([&, a](caf::event_based_actor* self) {
    for (int i = 0; i < 100; ++i)
      self->request(a, caf::infinite, ping::value, i)
          .then([](int) {},
                [&](const caf::error& e) {
                  if (e != caf::sec::request_receiver_down) return;
                  ++bounced;
                  bounced.notify_all();
                });
    caf::anon_send_exit(a, caf::exit_reason::kill);
    set(hold, false);
  });
  at_least(bounced, 100);
  await(c.freed, true);
}

TEST_CASE("an exit without an error, as a linked actor's normal end sends it, ends nobody") {
  real_loops l(1);
  counts c;
  auto* made = l.call(0, [&] { return make_resident<lean_echo>(l[0], c); });
  const auto a = made->handle();
  caf::scoped_actor self{l.caf()};
  auto brief = l.caf().spawn([a](caf::event_based_actor* me) { me->link_to(a); });
  self->wait_for(brief);
  self->request(a, 10s, ping::value, 1)
      .receive([](int x) { CHECK(x == 2); }, [](const caf::error&) { CHECK(false); });
  auto failing = l.caf().spawn([a](caf::event_based_actor* me) {
    me->link_to(a);
    me->quit(caf::sec::runtime_error);
  });
  self->wait_for(failing);
  await(c.freed, true);
}

TEST_CASE("an exit that two actors share is not changed by the first of them") {
  real_loops l(2);
  counts c[2];
  caf::error seen[2];
  const auto shared =
      caf::make_message(caf::exit_msg{caf::actor_addr(), caf::make_error(caf::sec::runtime_error)});
  for (int i = 0; i < 2; ++i) {
    auto* made =
        l.call(std::size_t(i), [&] { return make_resident<lean_echo>(l[std::size_t(i)], c[i]); });
    const auto a = made->handle();
    a->attach_functor([&, i](const caf::error& e) { seen[i] = e; });
    a->enqueue(nullptr, caf::make_message_id(), shared, nullptr);
    await(c[i].freed, true);
    CHECK(seen[i] == caf::sec::runtime_error);
  }
}

TEST_CASE("a lean actor can be published and reached through CAF's middleman") {
  caf::actor_system_config near_cfg, far_cfg;
  for (auto* cfg : {&near_cfg, &far_cfg}) {
    cfg->load<caf::io::middleman>();
    cfg->set("scheduler.max-threads", 1);
  }
  caf::actor_system near(near_cfg), far(far_cfg);
  near.await_actors_before_shutdown(false);
  far.await_actors_before_shutdown(false);
  counts c;
  loop l(near, system_clock(), 0);
  std::thread t([&] { l.run(); });
  {
    std::promise<caf::actor> made;
    post_call(l, [&] { made.set_value(make_resident<lean_echo>(l, c)->handle()); });
    const auto a = made.get_future().get();
    auto port = near.middleman().publish(a, 0, "127.0.0.1");
    REQUIRE(port);
    auto proxy = far.middleman().remote_actor("127.0.0.1", *port);
    REQUIRE(proxy);
    caf::scoped_actor self{far};
    self->request(*proxy, 30s, ping::value, 1)
        .receive([](int x) { CHECK(x == 2); }, [](const caf::error&) { CHECK(false); });
    self->monitor(*proxy);
    self->send(*proxy, part::value);
    bool down = false;
    self->receive([&](const caf::down_msg&) { down = true; }, caf::after(30s) >> [] {});
    CHECK(down);
    near.middleman().unpublish(a, *port);
  }
  await(c.freed, true);
  l.stop(10s);
  t.join();
  CHECK(l.live() == 0);
  CHECK(c.away == 0);
}

// ---- CAF's actors as children

TEST_CASE("a CAF actor is a child: it completes, fails with what its handler threw, is killed") {
  counts c;
  std::optional<outcome> ends[4];
  run_and_see([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto start = [&](const char* name) {
        return n.start(caf_child<caf_echo>(name, &c).ignore_failure());
      };
      child kids[] = {start("quits"), start("fails"), start("killed"), start("cancelled")};
      for (auto& k : kids) caf::anon_send(actor_of(k), ping::value, 1);
      co_await sleep_for(1s);
      CHECK(c.pings == 4);
      caf::anon_send(actor_of(kids[0]), part::value);
      caf::anon_send(actor_of(kids[1]), fail::value);
      caf::anon_send_exit(actor_of(kids[2]), caf::exit_reason::kill);
      kids[3].cancel();
      for (int i = 0; i < 4; ++i) {
        co_await kids[i].wait();
        ends[i] = kids[i].result();
        CHECK(!actor_of(kids[i]));
      }
    };
    co_await with_nursery(body);
  });
  for (auto& e : ends) REQUIRE(e);
  CHECK(ends[0]->kind == how::completed);
  CHECK(ends[1]->kind == how::failed);
  CHECK(ends[1]->why->what() == "a handler of CAF's");
  CHECK(ends[1]->why->path() == "test/nursery/fails");
  CHECK(ends[2]->kind == how::killed);
  CHECK(ends[3]->kind == how::cancelled);
  CHECK(c.away == 0);
}

TEST_CASE("a CAF child is restarted as a new actor, on its loop") {
  counts c;
  run_clean({.loops = 2}, [&](nursery& n) -> task<> {
    auto k = n.start(
        caf_child<caf_echo>("worker", &c).restart(restart::permanent).on(placement::any_loop));
    const auto first = actor_of(k);
    caf::anon_send(first, fail::value);
    co_await sleep_for(50ms);
    CHECK(!actor_of(k)); // it waits
    co_await sleep_for(1s);
    CHECK(k.restarts() == 1);
    const auto second = actor_of(k);
    REQUIRE(second);
    CHECK(second != first);
    caf::anon_send(second, ping::value, 1);
    co_await sleep_for(1s);
    CHECK(c.pings == 1);
    k.cancel();
  });
  CHECK(c.away == 0);
}

TEST_CASE("a task has a caf::actor too, that can be monitored") {
  run_clean([](nursery& n) -> task<> {
    auto k = n.start([]() -> task<> { co_await sleep_for(1s); });
    bool ended = false;
    actor_of(k)->attach_functor([&](const caf::error&) { ended = true; });
    co_await k.wait();
    CHECK(ended);
    CHECK(!actor_of(k));
    CHECK(!actor_of(child()));
  });
}

TEST_CASE("a CAF actor in a nursery is ended with it, from outside and by a scope") {
  counts c;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto tree = [&]() -> task<> {
      auto body = [&](nursery& n) -> task<> {
        const auto a = spawn_at_home<caf_echo>(n, "echo", &c);
        caf::anon_send(a, tick::value); // with a timer set
        co_return;
      };
      co_await with_nursery(body);
      CHECK(false);
    };
    CHECK(!co_await move_on_after(1s, tree));
  });
  CHECK(took == 1s);
  CHECK(c.ticks == 5);
  CHECK(c.away == 0);
}

namespace {

using work = caf::atom_constant<caf::atom("work")>;

caf::behavior adder(caf::event_based_actor* self, int base, std::vector<int>* got) {
  return {[=](int x) { got->push_back(base + x); }, [=](part) { self->quit(); },
          [=](fail) { throw std::runtime_error("a function's handler"); }};
}
struct tally {
  int sum = 0;
};
caf::behavior counting(caf::stateful_actor<tally>* self, std::vector<int>* got) {
  return {[=](int x) { got->push_back(self->state.sum += x); },
          [=](fail) { throw std::runtime_error("lost its state"); }};
}
void once(caf::event_based_actor*, std::vector<int>* got) { got->push_back(1); }

// How a child ends that this spec describes, and to which `act` is done when it has begun.
template <class Act> outcome end_of(child_spec spec, Act act) {
  std::optional<outcome> end;
  run_and_see([&](nursery& n) -> task<> {
    auto k = n.start(std::move(spec).ignore_failure());
    co_await sleep_for(1ms);
    if (auto a = actor_of(k)) act(k, a);
    co_await k.wait();
    end = k.result();
  });
  REQUIRE(end);
  return *end;
}

} // namespace

TEST_CASE(
    "functions of CAF's are children unchanged, with a state of theirs, or with no behaviour") {
  std::vector<int> got;
  run_and_see([&](nursery& n) -> task<> {
    auto a = n.start(caf_child("adder", adder, 10, &got));
    auto b = n.start(
        caf_child("counting", counting, &got).restart(restart::permanent).backoff(no_backoff));
    auto c = n.start(caf_child("once", once, &got));
    auto d = n.start(caf_child(
        "lambda",
        [&got](int x) -> caf::behavior { return {[&got, x](int y) { got.push_back(x * y); }}; },
        7));
    co_await c.wait();
    CHECK(c.result()->kind == how::completed);
    CHECK(std::exchange(got, {}) == std::vector{1});
    caf::anon_send(actor_of(a), 1);
    co_await sleep_for(1ms);
    caf::anon_send(actor_of(d), 6);
    co_await sleep_for(1ms);
    for (int i = 1; i <= 2; ++i) caf::anon_send(actor_of(b), 5);
    co_await sleep_for(1ms);
    caf::anon_send(actor_of(b), fail::value);
    co_await sleep_for(1ms);
    CHECK(b.restarts() == 1);
    caf::anon_send(actor_of(b), 5); // a new one, with a new state
    co_await sleep_for(1ms);
    CHECK(got == std::vector{11, 42, 5, 10, 5});
    caf::anon_send(actor_of(a), part::value);
    co_await a.wait();
    CHECK(a.result()->kind == how::completed);
    b.cancel();
    d.cancel();
  });
}

TEST_CASE("T5: whatever leaves a CAF child's code is its failure, with its text") {
  std::vector<int> got;
  auto e = end_of(caf_child("f", adder, 0, &got),
                  [](auto&, auto& a) { caf::anon_send(a, fail::value); });
  CHECK(e.kind == how::failed);
  CHECK(e.why->what() == "a function's handler");
  CHECK(e.why->path() == "test/f");

  e = end_of(caf_child("odd", []() -> caf::behavior { return {[](int) { throw 7; }}; }),
             [](auto&, auto& a) { caf::anon_send(a, 1); });
  CHECK(e.kind == how::failed);
  CHECK(e.why->what() == "an exception that is no std::exception: int");

  auto unborn = [](caf::event_based_actor*) -> caf::behavior {
    throw std::runtime_error("no behaviour today");
  };
  e = end_of(caf_child("unborn", unborn), [](auto&, auto&) {});
  CHECK(e.kind == how::failed);
  CHECK(e.why->what() == "no behaviour today");

  struct unmade : caf::event_based_actor {
    explicit unmade(caf::actor_config& cfg) : event_based_actor(cfg) {
      throw std::runtime_error("its constructor");
    }
  };
  e = end_of(caf_child<unmade>("unmade"), [](auto&, auto&) {});
  CHECK(e.kind == how::failed);
  CHECK(e.why->what() == "its constructor");

  auto quits = [](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int) { self->quit(caf::make_error(caf::sec::bad_function_call)); }};
  };
  e = end_of(caf_child("quits", quits), [](auto&, auto& a) { caf::anon_send(a, 1); });
  CHECK(e.kind == how::failed);
  CHECK(e.why->what().find("bad_function_call") != std::string::npos);

  // one who catches for himself says what he will; CAF then knows no text
  auto own = [](caf::event_based_actor* self) -> caf::behavior {
    self->set_exception_handler(
        [](std::exception_ptr&) { return caf::make_error(caf::sec::bad_function_call); });
    return {[](int) { throw std::runtime_error("not told"); }};
  };
  e = end_of(caf_child("own", own), [](auto&, auto& a) { caf::anon_send(a, 1); });
  CHECK(e.kind == how::failed);
  CHECK(e.why->what().find("bad_function_call") != std::string::npos);
}

TEST_CASE(
    "T17: the death of what a CAF child is linked to, or an exit somebody sends, ends it as it "
    "ends any CAF actor") {
  auto idle = []() -> caf::behavior { return {[](int) {}}; };
  auto exit_with = [](auto reason) {
    return [reason](auto&, auto& a) { caf::anon_send_exit(a, reason); };
  };
  CHECK(end_of(caf_child("k", idle), exit_with(caf::exit_reason::kill)).kind == how::killed);
  CHECK(end_of(caf_child("u", idle), exit_with(caf::exit_reason::user_shutdown)).kind ==
        how::cancelled);
  auto linked = [](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int) {
      self->link_to(self->spawn([](caf::event_based_actor* other) {
        other->quit(caf::make_error(caf::sec::bad_function_call));
      }));
    }};
  };
  const auto e = end_of(caf_child("l", linked), [](auto&, auto& a) { caf::anon_send(a, 1); });
  CHECK(e.kind == how::failed);
  CHECK(e.why->what().find("bad_function_call") != std::string::npos);
  // a down message alone is no order
  auto monitors = [](caf::event_based_actor* self) -> caf::behavior {
    return {[self](int) { self->monitor(self->spawn([](caf::event_based_actor*) {})); }};
  };
  CHECK(end_of(caf_child("m", monitors), [](child& k, auto& a) {
          caf::anon_send(a, 1);
          k.cancel();
        }).kind == how::cancelled);
}

TEST_CASE(
    "X1: a cancel and a kill end a CAF child that is busy, ignores exits, or awaits an answer") {
  int handled = 0;
  auto busy = [&](caf::event_based_actor* self) -> caf::behavior {
    return {[&handled, self](work) {
      ++handled;
      self->send(self, work::value); // never out of work
    }};
  };
  auto deaf = [&](caf::event_based_actor* self) -> caf::behavior {
    self->set_exit_handler([](caf::exit_msg&) {});
    return {[&handled](work) { ++handled; }};
  };
  auto awaits = [&](caf::event_based_actor* self) -> caf::behavior {
    auto mute_one = self->spawn([](caf::event_based_actor* other) -> caf::behavior {
      return {[other](mute) { return other->make_response_promise(); }};
    });
    self->request(mute_one, caf::infinite, mute::value).await([] {}); // hears nothing else
    return {[&handled](work) { ++handled; }};
  };
  auto with_backlog = [&](auto end) {
    return [&, end](child& k, const caf::actor& a) {
      for (int i = 0; i < 10'000; ++i) caf::anon_send(a, work::value);
      handled = 0;
      end(k, a);
    };
  };
  auto cancel = with_backlog([](child& k, const caf::actor&) { k.cancel(); });
  CHECK(end_of(caf_child("busy", busy), cancel).kind == how::cancelled);
  CHECK(end_of(caf_child("deaf", deaf), cancel).kind == how::cancelled);
  CHECK(end_of(caf_child("awaits", awaits), cancel).kind == how::cancelled);
  CHECK(handled == 0); // nothing ran after the cancel

  // CAF's own kill waits behind the backlog of a plain actor; here it goes ahead of it
  auto kill = with_backlog(
      [](child&, const caf::actor& a) { caf::anon_send_exit(a, caf::exit_reason::kill); });
  CHECK(end_of(caf_child("busy", busy), kill).kind == how::killed);
  CHECK(end_of(caf_child("deaf", deaf), kill).kind == how::killed); // nobody may ignore this one
  CHECK(handled == 0);
}

TEST_CASE(
    "S3: a nursery's stop ends a CAF child that never rests; one that ignores exits has its time") {
  for (bool rests : {false, true}) {
    const auto took = run_clean([&](nursery&) -> task<> {
      auto body = [&](nursery& n) -> task<> {
        auto busy = [](caf::event_based_actor* self) -> caf::behavior {
          return {[self](work) { self->send(self, work::value); }};
        };
        auto deaf = [](caf::event_based_actor* self) -> caf::behavior {
          self->set_exit_handler([](caf::exit_msg&) {});
          return {[](work) {}};
        };
        auto c =
            n.start((rests ? caf_child("deaf", deaf) : caf_child("busy", busy)).stop_within(2s));
        caf::anon_send(actor_of(c), work::value);
        co_await checkpoint();
        n.stop();
      };
      co_await with_nursery(body);
    });
    CHECK(took == (rests ? 2s : 0s)); // then it is cancelled, and that nobody ignores
  }
}

// ---- messages of CAF's world for tasks

namespace {

// Asks `whom` for something, and keeps what came of it.
struct caf_asker : caf::event_based_actor {
  caf_asker(caf::actor_config& cfg, caf::actor whom, std::vector<std::string>* got)
      : event_based_actor(cfg), whom_(std::move(whom)), got_(got) {}
  caf::behavior make_behavior() override {
    return {[this](int x) {
      request(whom_, caf::infinite, x)
          .then([this](int y) { got_->push_back(std::to_string(y)); },
                [this](const caf::error& e) { got_->push_back(system().render(e)); });
    }};
  }
  caf::actor whom_;
  std::vector<std::string>* got_;
};

} // namespace

TEST_CASE("X6: a task receives messages of CAF's, selectively, and answers requests") {
  std::vector<std::string> got;
  child kept;
  const auto r = run_and_see([&](nursery& n) -> task<> {
    auto work = []() -> task<> {
      for (;;) {
        auto m = co_await receive<caf_message>();
        if (const auto* x = m.as<int>(); x && *x >= 0) m.respond(caf::make_message(*x + 1));
        if (const auto* s = m.as<std::string>(); s && *s == "quit") co_return;
      }
    };
    auto c = kept = n.start(with_caf_mail(child_spec("worker", work)));
    auto asker = n.start(caf_child<caf_asker>("asker", actor_of(c), &got));
    caf::anon_send(actor_of(asker), 41);
    co_await sleep_for(1ms);
    caf::anon_send(actor_of(asker), -1); // not answered
    co_await sleep_for(1ms);
    CHECK(c.send(1) == send_result::queued); // one of ours, which waits
    caf::anon_send(actor_of(c), std::string("quit"));
    caf::anon_send(actor_of(asker), 7); // behind it
    co_await c.wait();
    co_await sleep_for(1ms);
    asker.cancel();
  });
  REQUIRE(got.size() == 3);
  CHECK(got[0] == "42");
  CHECK(got[1].find("no answer was given") != std::string::npos);
  CHECK(got[2].find("request_receiver_down") != std::string::npos);
  CHECK(kept.statistics().handled == 3);
  CHECK(r.ledger.balances());
}

TEST_CASE("X6: messages of CAF's count for the mailbox limit, and are unhandled without a wish") {
  std::vector<std::string> got;
  run_and_see([&](nursery& n) -> task<> {
    auto sleep = []() -> task<> { co_await sleep_for(1h); };
    auto full = n.start(with_caf_mail(child_spec("full", sleep).mailbox_limit(2)));
    auto deaf = n.start(child_spec("deaf", sleep));
    for (auto& c : {full, deaf}) {
      auto asker = n.start(caf_child<caf_asker>("asker", actor_of(c), &got));
      const auto before = system_ledger();
      for (int i = 0; i < 3; ++i) caf::anon_send(actor_of(asker), i);
      co_await sleep_for(1ms);
      const auto after = system_ledger();
      CHECK(after.shed - before.shed == (c.name() == "full" ? 1 : 0));
      CHECK(after.unhandled - before.unhandled == (c.name() == "full" ? 0 : 3));
    }
    CHECK(got.size() == 4); // the one over the limit, and the deaf one's
    full.cancel();
    deaf.cancel();
    co_await full.wait();
    co_await sleep_for(1ms);
    CHECK(got.size() == 6); // those that waited are told
    n.cancel("enough");
  });
}

TEST_CASE("X6: each fate of a message to a CAF actor is on the ledger") {
  counts c;
  const auto r = run_and_see([&](nursery& n) -> task<> {
    auto k = n.start(caf_child<caf_echo>("echo", &c).ignore_failure());
    const auto a = actor_of(k);
    co_await sleep_for(1ms);
    const auto before = system_ledger();
    CHECK(before.balances());
    caf::anon_send(a, ping::value, 1);
    caf::anon_send(a, std::string("what?"));
    caf::anon_send(a, fail::value);
    caf::anon_send(a, ping::value, 2); // it is dead by then
    CHECK(system_ledger().in_flight() == 4);
    co_await k.wait();
    caf::anon_send(a, ping::value, 3);
    const auto after = system_ledger();
    CHECK(after.balances());
    CHECK(after.failed - before.failed == 1);
    CHECK(after.unhandled - before.unhandled == 1);
    CHECK(after.undelivered - before.undelivered == 2);
    CHECK(c.pings == 1);
  });
  CHECK(r.ledger.balances());
}

TEST_CASE("X6, bad input: only a task can be given CAF's messages") {
  auto quiet_one = [](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; };
  CHECK_THROWS_WITH(static_cast<void>(with_caf_mail(caf_child("alien", quiet_one))),
                    "alien: with_caf_mail of a child that is no task; only a task receives "
                    "messages of CAF's as caf_message");
}
