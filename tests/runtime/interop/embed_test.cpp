// A17: trees of creche's inside programs that own their main loop: an actor system of CAF's, an
// io_context of asio's. Real threads and the real clock; nothing here waits for a time.
#include "runtime/interop/asio.hpp"
#include "runtime/interop/caf.hpp"
#include "runtime/messages/receive.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/task/finally.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

#include <asio/post.hpp>
#include <caf/all.hpp>

#include <csignal>
#include <filesystem>
#include <thread>

using namespace creche;
using namespace creche::testing;
using creche::internal::loop;

namespace {

run_options named(std::string_view name, unsigned loops = 0) { return quiet(loops, name); }

std::size_t threads_now() {
  std::size_t n = 0;
  for ([[maybe_unused]] auto& e : std::filesystem::directory_iterator("/proc/self/task")) ++n;
  return n;
}

caf::actor_system_config& one_worker(caf::actor_system_config& c) {
  c.set("scheduler.max-threads", 1);
  return c;
}

// What a program must find as it left it.
struct signal_state {
  sigset_t mask{};
  struct sigaction pipe{}, usr1{}, term{};
  signal_state() {
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    sigaction(SIGPIPE, nullptr, &pipe);
    sigaction(SIGUSR1, nullptr, &usr1);
    sigaction(SIGTERM, nullptr, &term);
  }
  bool operator==(const signal_state& o) const {
    for (int s : {SIGINT, SIGTERM, SIGUSR1, SIGPIPE})
      if (sigismember(&mask, s) != sigismember(&o.mask, s)) return false;
    return pipe.sa_handler == o.pipe.sa_handler && usr1.sa_handler == o.usr1.sa_handler &&
           term.sa_handler == o.term.sa_handler;
  }
};

task<> for_ever() { co_await sleep_for(24h); }

} // namespace

// ---- on an io_context

TEST_CASE("A17: on a user's io_context a tree lives between his handlers, and then lets it go") {
  asio::io_context io;
  const auto me = std::this_thread::get_id();
  std::atomic<int> away{0}, ran{0};
  std::optional<run_result> end;
  const signal_state before;
  auto e = embed(
      io, named("guest"),
      [&](nursery& n) -> task<> {
        CHECK(signal_state() == before);
        for (int i = 0; i < 1000; ++i)
          n.start(
              [&](int k) -> task<> {
                co_await sleep_for(k * 1us);
                if (std::this_thread::get_id() != me) ++away;
                ++ran;
              },
              i);
        CHECK(tree().name == "guest");
        co_return;
      },
      [&](const run_result& r) {
        CHECK(std::this_thread::get_id() == me);
        end = r;
      });
  CHECK(loop::current() == nullptr); // nothing begins before it is run
  CHECK(ran == 0);
  CHECK(io.run() > 0); // runs out of work by itself
  CHECK(ran == 1000);
  CHECK(away == 0);
  REQUIRE(end);
  CHECK(end->how() == run_result::kind::completed);
  CHECK(end->ledger().balances());
  CHECK(e.ended());
  CHECK(e.wait().how() == run_result::kind::completed);
  CHECK(loop::current() == nullptr); // the thread is his again
  bool his = false;
  io.restart();
  asio::post(io, [&] { his = true; });
  io.run();
  CHECK(his);
}

TEST_CASE("A17: a tree that is never at rest leaves the io_context's other handlers their turns") {
  asio::io_context io;
  std::uint64_t turns = 0;
  std::uint64_t seen[3] = {};
  auto e = embed(io, named("busy"), [&](nursery&) -> task<> {
    for (;; ++turns) co_await checkpoint();
  });
  std::function<void(int)> his = [&](int k) {
    if (turns) seen[k++] = turns; // not before the tree has begun
    if (k < 3) return asio::post(io, [&, k] { his(k); });
    e.cancel();
  };
  asio::post(io, [&] { his(0); });
  io.run();
  CHECK(e.ended());
  // one burst of the tree between two of his: bounded by 256 turns of at most 64 awaits
  for (int k : {1, 2}) {
    CHECK(seen[k] > seen[k - 1]);
    CHECK(seen[k] - seen[k - 1] <= loop::turns_per_poll * 65);
  }
}

TEST_CASE("A17: the user's handlers are at home in the tree on their thread: messages, timers, new "
          "children") {
  asio::io_context io;
  std::string trace;
  child listens;
  nursery* inside = nullptr;
  embedded* it = nullptr;
  auto e = embed(io, named("guest"), [&](nursery& n) -> task<> {
    inside = &n;
    listens = n.start([&]() -> task<> { trace += co_await receive<std::string>(); });
    asio::post(io, [&] {
      CHECK(loop::current() != nullptr);
      CHECK_THROWS_WITH(it->wait(), doctest::Contains("a thread that the tree lives on"));
      CHECK(listens.send(std::string("a")) == send_result::queued);
      inside->start([&]() -> task<> { // nothing else wakes the loop
        co_await sleep_for(1ms);
        trace += "b";
        asio::post(io, [&] { it->stop(); });
      });
    });
    co_await sleep_for(24h);
  });
  it = &e;
  io.run();
  CHECK(trace == "ab");
  CHECK(e.wait().how() == run_result::kind::completed);
}

TEST_CASE("A17: foreign threads reach a tree on an io_context, and wait for it") {
  asio::io_context io;
  nursery::handle door;
  std::atomic<bool> up{false};
  std::atomic<int> came{0};
  auto e = embed(io, named("guest"), [&](nursery& n) -> task<> {
    door = n.remote();
    set(up, true);
    co_await sleep_for(24h);
  });
  std::thread his([&] { io.run(); });
  await(up, true);
  std::vector<child> kids;
  for (int i = 0; i < 100; ++i)
    kids.push_back(door.start([&]() -> task<> {
      if (++came == 100) came.notify_all();
      co_await sleep_for(24h);
    }));
  await(came, 100);
  e.stop();
  CHECK(e.wait().how() == run_result::kind::completed);
  CHECK(e.wait().ledger().balances());
  his.join();
  for (auto& k : kids) CHECK(k.ended());
  CHECK(kids[0].send(1) == send_result::undelivered);
}

TEST_CASE("A17: a second thread that runs the tree's handlers is told so, and the tree is well") {
  asio::io_context io;
  std::atomic<bool> up{false}, left{false}, told{false};
  std::string what;
  nursery::handle door;
  auto e = embed(io, named("guest"), [&](nursery& n) -> task<> {
    door = n.remote();
    set(up, true);
    co_await sleep_for(24h);
  });
  std::thread first([&] {
    while (!up) io.run_one();
    set(left, true); // or the same burst would take the child that comes now
    await(told, true);
    io.run();
  });
  await(left, true);
  child late = door.start([]() -> task<> { co_return; }); // a handler that only the second can run
  try {
    io.run();
  } catch (const std::logic_error& x) {
    what = x.what();
  }
  CHECK(what.find("another thread than the loop's") != what.npos);
  CHECK(what.find("by one thread only") != what.npos);
  e.stop();
  set(told, true);
  first.join();
  CHECK(late.ended());
  CHECK(e.wait().how() == run_result::kind::completed);
}

TEST_CASE("A17: a thread that is a loop already refuses to be another one") {
  asio::io_context one, two;
  auto first = embed(one, named("one"), [](nursery&) { return for_ever(); });
  auto second = embed(two, named("two"), [](nursery&) { return for_ever(); });
  one.run_one();
  std::string what;
  try {
    two.run_one();
  } catch (const std::logic_error& x) {
    what = x.what();
  }
  CHECK(what.find("is a loop already") != what.npos);
  first.cancel();
  one.run();
  second.cancel();
  two.run(); // now it is free
  CHECK(first.ended());
  CHECK(second.ended());
}

TEST_CASE("A17: what owns a tree ends it, on an io_context that ran, was stopped, or never ran") {
  for (int ran : {0, 1, 2}) {
    asio::io_context io;
    bool cleaned = false, ended = false;
    {
      auto e = embed(
          io, named("guest"),
          [&](nursery& n) -> task<> {
            n.start([&]() -> task<> {
              auto body = []() -> task<> { co_await sleep_for(24h); };
              auto clean = [&]() -> task<> {
                co_await sleep_for(1ms);
                cleaned = true;
              };
              co_await finally(body, clean);
            });
            co_await sleep_for(24h);
          },
          [&](const run_result& r) { ended = r.how() == run_result::kind::completed; });
      for (int i = 0; ran && i < 3; ++i) io.poll_one();
      if (ran == 2) io.stop();
    }
    CHECK(ended);
    CHECK((cleaned || ran == 0)); // cancelled before its first turn it may not come to its finally
    CHECK(loop::current() == nullptr);
  }
}

TEST_CASE("A17: failures of a tree on an io_context are in its result; nonsense is refused") {
  asio::io_context io;
  auto e = embed(io, named("guest"), [](nursery& n) -> task<> {
    n.start(child_spec("bad", []() -> task<> {
      throw std::runtime_error("no good");
      co_return;
    }));
    co_await sleep_for(24h);
  });
  io.run();
  auto& r = e.wait();
  CHECK(r.how() == run_result::kind::failed);
  REQUIRE(r.failures());
  CHECK(r.failures()->to_text().find("guest/bad: no good") != std::string::npos);
  CHECK(r.exit_code() == 1);
  auto nothing = [](nursery&) -> task<> { co_return; };
  CHECK_THROWS_AS(embed(io, named("guest", 2), nothing), std::invalid_argument);
  CHECK_THROWS_AS(embed(io, named(""), nothing), std::invalid_argument);
  CHECK_THROWS_WITH(embed(io, named("a/b"), nothing),
                    "embed: the name must not be empty nor hold a '/'");
}

// ---- in an actor system

TEST_CASE("A17: in a user's actor system CAF's actors and a tree's children write to each other") {
  caf::actor_system_config cfg;
  caf::actor_system system(one_worker(cfg));
  const auto his = threads_now();
  const signal_state before;
  std::atomic<int> sum{0};
  caf::actor kept;
  // asks the child, and passes on what it says
  auto plain = system.spawn([&](caf::event_based_actor* self) -> caf::behavior {
    return {[&, self](const caf::actor& child, int x) {
              self->request(child, caf::infinite, x).then([&](int y) {
                sum += y;
                sum.notify_all();
              });
            },
            [](int x) { return 2 * x; }};
  });
  {
    auto e = embed(system, named("guest", 2), [&](nursery& n) -> task<> {
      CHECK(threads_now() <= his + 4); // two loops and the watch: no scheduler
      CHECK(&loop::current()->system() == &system);
      auto serve = [plain]() -> task<> {
        for (;;) {
          auto m = co_await receive<caf_message>();
          if (auto* x = m.as<int>()) m.respond(caf::make_message(*x + 1));
        }
      };
      auto c = n.start(with_caf_mail(child_spec("serves", serve).on(placement::any_loop)));
      auto stock = n.start(caf_child<caf::event_based_actor>("stock"));
      kept = actor_of(c);
      for (int i = 0; i < 100; ++i) caf::anon_send(plain, kept, i);
      co_await sleep_for(24h);
    });
    await(sum, 100 * 99 / 2 + 100);
    CHECK(signal_state() == before);
    e.stop();
    CHECK(e.wait().how() == run_result::kind::completed);
    CHECK(e.wait().ledger().balances());
  }
  while (threads_now() > his) std::this_thread::yield(); // one that was joined may be listed still
  // the system goes on; who holds a child's handle may still write to it
  caf::scoped_actor self{system};
  self->request(plain, caf::infinite, 21)
      .receive([](int x) { CHECK(x == 42); }, [](const caf::error&) { CHECK(false); });
  self->request(kept, caf::infinite, 1)
      .receive([](int) { CHECK(false); },
               [](const caf::error& e) { CHECK(e == caf::sec::request_receiver_down); });
  self->send(kept, 1);
  caf::anon_send_exit(plain, caf::exit_reason::user_shutdown);
  kept = nullptr;
}

namespace {
struct echo : caf::event_based_actor {
  using event_based_actor::event_based_actor;
  caf::behavior make_behavior() override {
    return {[](int x) { return x; }};
  }
};
} // namespace

TEST_CASE("A17: CAF actors that flood children of a tree while it ends never touch what is gone") {
  caf::actor_system_config cfg;
  caf::actor_system system(one_worker(cfg));
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> up{false}, over{false};
    std::atomic<int> done{0};
    caf::actor kids[3];
    {
      auto e = embed(system, named("guest", 2), [&](nursery& n) -> task<> {
        kids[0] =
            actor_of(n.start(with_caf_mail(child_spec("task", for_ever).on(placement::any_loop))));
        kids[1] = actor_of(n.start(caf_child<echo>("here")));
        kids[2] = actor_of(n.start(caf_child<echo>("there").on(placement::any_loop)));
        set(up, true);
        co_await sleep_for(24h);
      });
      await(up, true);
      for (auto& k : kids)
        system.spawn([&, k](caf::event_based_actor*) {
          while (!over) caf::anon_send(k, 1);
          set(done, done + 1);
        });
      e.cancel();
    }
    set(over, true);
    await(done, 3);
  }
}

TEST_CASE("A17: two trees of one actor system each keep their own ledger, tree and end") {
  caf::actor_system_config cfg;
  caf::actor_system system(one_worker(cfg));
  child far;
  std::atomic<bool> up{false}, sent{false};
  auto left = embed(system, named("left", 1), [&](nursery& n) -> task<> {
    far = n.start([]() -> task<> {
      for (;;) co_await receive<int>();
    });
    set(up, true);
    co_await sleep_for(24h);
  });
  await(up, true);
  auto right = embed(system, named("right", 1), [&](nursery&) -> task<> {
    CHECK(tree().name == "right");
    for (int i = 0; i < 100; ++i) CHECK(far.send(i) == send_result::queued);
    set(sent, true);
    co_await sleep_for(24h);
  });
  await(sent, true);
  right.stop();
  CHECK(right.wait().ledger().balances());
  CHECK(!left.ended());
  left.cancel();
  CHECK(left.wait().ledger().balances());
  CHECK(left.wait().ledger().sent >= 100);
}

TEST_CASE("A17: what owns a tree in an actor system ends it, and on_end tells of it") {
  caf::actor_system_config cfg;
  caf::actor_system system(one_worker(cfg));
  std::optional<run_result> end;
  {
    auto e = embed(
        system, named("guest", 1),
        [&](nursery& n) -> task<> {
          n.start(for_ever);
          co_await sleep_for(24h);
        },
        [&](const run_result& r) { end = r; });
  }
  REQUIRE(end);
  CHECK(end->how() == run_result::kind::completed);
  CHECK_THROWS_AS(embed(system, named("", 1), [](nursery&) { return for_ever(); }),
                  std::invalid_argument);
}

TEST_CASE("A17: what on_end throws is printed, and the host goes on") {
  const auto before = unreceived_failures();
  const auto throws = [](const run_result&) { throw std::runtime_error("on_end, on purpose"); };
  auto nothing = [](nursery&) -> task<> { co_return; };
  {
    caf::actor_system_config cfg;
    caf::actor_system system(one_worker(cfg));
    auto e = embed(system, named("guest", 1), nothing, throws);
    CHECK(e.wait().exit_code() == 0);
  }
  asio::io_context io;
  auto e = embed(io, named("guest"), nothing, throws);
  io.run();
  CHECK(e.wait().exit_code() == 0);
  CHECK(unreceived_failures() == before + 2);
}

TEST_CASE("A17, bad input: no function, two trees on one io_context, and one that was moved from") {
  auto nothing = [](nursery&) -> task<> { co_return; };
  asio::io_context io;
  CHECK_THROWS_WITH(embed(io, named("guest"), {}), "embed: the function to run is empty");
  auto first = embed(io, named("first"), nothing);
  CHECK_THROWS_AS(embed(io, named("second"), nothing), std::logic_error);
  auto moved = std::move(first);
  CHECK(first.ended());
  first.stop();
  first.cancel();
  CHECK_THROWS_AS(first.wait(), std::logic_error);
  io.run();
  CHECK(moved.wait().exit_code() == 0);
  io.restart();
  auto second = embed(io, named("second"), nothing);
  io.run();
  CHECK(second.wait().exit_code() == 0);
}
