// Every allocation of these programs fails once, each in a process of its own: something comes of
// it, never a crash, a hang or a leak (SQLite's way).
#include "actors/creche.hpp"
#include "runtime/supervision/failure_domain.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/sync/unbounded_mailbox.hpp"
#include "tests/sweep/judged_run.hpp"

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

// Owns memory, and is missed when it is not destroyed.
struct owner {
  std::string text = "a text that is too long to fit in place";
  owner() = default;
  explicit owner(std::string said) : text(std::move(said)) {}
};

constexpr backoff at_once{.first = 0s, .most = 0s};

} // namespace

TEST_CASE("R1: children that start, fail, restart and are cancelled") {
  check_sweep([](nursery& n) -> task<> {
    bool failed = false;
    auto body = [&](nursery& pool) -> task<> {
      pool.keep(owner());
      auto sleeper = pool.start([kept = owner()]() -> task<> { co_await sleep_for(1h); });
      auto worker = pool.start(child_spec(
                                   "worker",
                                   [&](owner) -> task<> {
                                     co_await sleep_for(1s);
                                     if (!std::exchange(failed, true))
                                       throw std::runtime_error("once, in so many words");
                                   },
                                   owner())
                                   .restart(restart::transient));
      (void)co_await pool.monitor(worker);
      (void)tree().to_text();
      sleeper.cancel("a reason that is too long to fit in place");
      (void)co_await sleeper.cancel_and_wait("another reason that is too long for that");
      (void)sleeper.result();
    };
    co_await with_nursery({.name = "pool"}, body);
    n.stop();
  });
}

TEST_CASE("R1: scopes, deadlines, clean-ups and values of a task") {
  check_sweep([](nursery& n) -> task<> {
    static task_local<std::string> tag;
    auto long_work = [](cancel_scope& scope) -> task<> {
      owner local;
      auto remote = scope.remote();
      co_await sleep_for(1h);
    };
    (void)co_await move_on_after(1s, long_work);
    auto work = []() -> task<std::string> {
      co_await sleep_for(1s);
      co_return tag.get() + owner().text;
    };
    auto bound = [&]() -> task<> { (void)co_await tag.with(owner().text, work); };
    auto clean = []() -> task<> { co_await sleep_for(1s); };
    co_await creche::finally(bound, clean);
    try {
      co_await fail_after(500ms, bound);
    } catch (const too_slow&) {
    }
    cancel_scope::handle remote;
    auto waits = [&](cancel_scope& scope) -> task<> {
      remote = scope.remote();
      co_await sleep_for(1h);
    };
    n.start([&]() -> task<> {
      co_await sleep_for(1s);
      const auto keep = remote;
      (void)co_await keep.cancel_and_wait("a reason that is too long to fit in place");
    });
    (void)co_await move_on_after(no_limit, waits);
  });
}

TEST_CASE("R1: messages, requests and mailboxes") {
  check_sweep([](nursery& n) -> task<> {
    auto shop = n.start(child_spec("shop", []() -> task<> {
                          for (int i = 0; i < 3; ++i) {
                            auto question = co_await receive<asked<owner, std::string>>();
                            question.answer(question.message().text);
                          }
                        }).mailbox_limit(2));
    (void)co_await ask<std::string>(shop, owner(), 1s);
    (void)co_await ask<std::string>(shop, owner(), 1s);
    auto reader = n.start(child_spec("reader",
                                     []() -> task<> {
                                       auto next = []() -> task<owner> {
                                         co_return co_await receive<owner>();
                                       };
                                       auto nap = []() -> task<> { co_await sleep_for(10s); };
                                       (void)co_await when_any(next(), nap());
                                       (void)co_await when_all(next(), nap());
                                     })
                              .mailbox_limit(1)
                              .on_restart(restart_mail::return_to_sender));
    reader.send(owner());
    (void)co_await reader.send_when_room(owner());
    (void)co_await reader.send_when_room(owner());
    shop.cancel();
  });
}

TEST_CASE("R1: events and channels, on one loop and between two") {
  check_sweep(
      [](nursery&) -> task<> {
        event ready;
        channel<owner> items(1);
        unbounded_mailbox<owner> box;
        shared_channel<owner> far(1);
        shared_event done;
        auto body = [&](nursery& n) -> task<> {
          n.start([&]() -> task<> {
            co_await ready.wait();
            while (auto item = co_await items.receive()) box.put(std::move(*item));
          });
          n.start(child_spec("far", [far, done]() -> task<> {
                    while (auto item = co_await far.receive()) {
                    }
                    done.set();
                  }).on(placement::any_loop));
          ready.set();
          for (int i = 0; i < 3; ++i) {
            owner item;
            co_await items.send_from(item);
            owner other;
            co_await far.send_from(other);
          }
          items.close();
          far.close();
          co_await done.wait();
          (void)co_await box.get_all();
        };
        co_await with_nursery(body);
      },
      {.loops = 2});
}

TEST_CASE("R1: groups, needs, domains, and starts from elsewhere") {
  check_sweep([](nursery& n) -> task<> {
    failure_domain upstream({.restarts = 2, .within = 5s}, at_once);
    int db_lives = 0;
    auto body = [&](nursery& group) -> task<> {
      auto waits = []() -> task<> { co_await sleep_for(1h); };
      auto all = group.start_all(child_spec("web", waits).after("cache"),
                                 child_spec("db",
                                            [&]() -> task<> {
                                              co_await sleep_for(1s);
                                              if (++db_lives < 3) throw std::runtime_error("down");
                                            })
                                     .restart(restart::transient)
                                     .domain(upstream),
                                 child_spec("cache", waits).after("db"));
      auto spec = child_spec("ready", [](ready<owner> say) -> task<> {
        say(owner());
        co_await sleep_for(1h);
      });
      auto up = co_await group.start_ready<owner>(spec);
      auto handle = group.remote();
      handle.start([kept = owner()]() -> task<> { co_await sleep_for(1s); });
      co_await sleep_for(10s);
      (void)all;
      handle.cancel("a reason that is too long to fit in place");
      co_await sleep_for(1h);
    };
    co_await with_nursery({.name = "group", .strategy = strategy::rest_for_one}, body);
    (void)n;
  });
}

TEST_CASE("R1: failures of failures, told as text and as data") {
  check_sweep([](nursery&) -> task<> {
    auto fails = [](nursery& inner) -> task<> {
      inner.start(
          []() -> task<> { throw std::runtime_error("one, in so many words as it takes"); });
      auto deeper = [](nursery&) -> task<> {
        throw std::runtime_error("two, in so many words as it takes");
        co_return;
      };
      co_await with_nursery({.name = "deeper"}, deeper);
    };
    try {
      co_await with_nursery({.name = "outer"}, fails);
    } catch (const failure_group& group) {
      (void)group.to_text();
      (void)group.to_json();
    }
  });
}
