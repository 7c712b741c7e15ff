// Children that need each other, for real: start_all, .after, what is refused, and what the tree
// says meanwhile.
#include "runtime/supervision/internal/start_order.hpp"
#include "runtime/supervision/nursery.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/sync/event.hpp"
#include "runtime/testing/probe.hpp"
#include "runtime/testing/wait_all_blocked.hpp"
#include "tests/runtime/clean_run.hpp"

#include <algorithm>
#include <cctype>
#include <ctime>
#include <string>
#include <thread>

using namespace creche;
using namespace creche::testing;

namespace {

using diary = std::string;

std::string taken(diary& l) { return std::exchange(l, {}); }

/// Needs a second to be ready, and says when it begins and ends: "db", "DB".
child_spec service(diary& said, std::string name, restart r = restart::permanent) {
  auto f = [&said, name](ready<void> is_ready) -> task<> {
    struct stay {
      diary& l;
      std::string n;
      ~stay() {
        std::transform(n.begin(), n.end(), n.begin(), [](char c) { return char(std::toupper(c)); });
        l += n + " ";
      }
    } here{said, name};
    said += name + " ";
    co_await sleep_for(1s);
    is_ready();
    co_await sleep_for(1000h);
  };
  return child_spec(name, f).restart(r).backoff(no_backoff);
}

const tree_node* find(const tree_node& t, std::string_view name) {
  if (t.name == name) return &t;
  for (const auto& c : t.children)
    if (auto* hit = find(c, name)) return hit;
  return nullptr;
}

template <class F> std::string complaint_of(F f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "none";
}

} // namespace

TEST_CASE("S6: start_all starts in an order that suits, and returns children as they were given") {
  diary said;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto [web, cache, db] = n.start_all(service(said, "web").after("cache", "db"),
                                          service(said, "cache").after("db"), service(said, "db"));
      CHECK(web.name() == "web");
      CHECK(db.name() == "db");
      co_await sleep_for(500ms);
      CHECK(taken(said) == "db ");
      const auto t = tree();
      REQUIRE(find(t, "web"));
      CHECK(find(t, "web")->state == "waiting for a sibling");
      CHECK(find(t, "web")->waits_for == "cache");
      CHECK(find(t, "cache")->waits_for == "db");
      CHECK(find(t, "db")->state == "starting");
      CHECK(find(t, "db")->policy == "permanent");
      CHECK(t.to_text().find("waiting for a sibling (cache)") != std::string::npos);
      co_await sleep_for(1s);
      CHECK(taken(said) == "cache ");
      CHECK(find(tree(), "web")->waits_for == "cache");
      co_await sleep_for(2s);
      CHECK(taken(said) == "web ");
      CHECK(find(tree(), "web")->state == "running");
      CHECK(web.restarts() == 0);

      crash(db); // all restart, and wait for each other again
      co_await sleep_for(500ms);
      CHECK(taken(said) == "DB WEB CACHE db ");
      co_await sleep_for(3s);
      CHECK(taken(said) == "cache web ");
      CHECK(web.restarts() == 1);

      crash(web);
      co_await sleep_for(500ms);
      CHECK(taken(said) == "WEB web ");
      n.stop();
    };
    co_await with_nursery(body);
  });
  CHECK(said == "WEB CACHE DB ");
}

TEST_CASE("S6: stop of one child ends those who need it first, and nobody else") {
  diary said;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto db = n.start(service(said, "db"));
      auto web = n.start(service(said, "web").after("db"));
      auto other = n.start(service(said, "other"));
      co_await sleep_for(10s);
      taken(said);
      db.stop();
      db.stop();
      co_await db.wait();
      CHECK(taken(said) == "WEB DB ");
      CHECK(web.ended());
      CHECK(web.result()->kind == how::cancelled);
      CHECK(!other.ended());
      other.stop();
    };
    co_await with_nursery(body);
  });
}

TEST_CASE("S6: a oneshot that has completed lets those go who are after it") {
  diary said;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto migrate = [](ready<void>) -> task<> { co_await sleep_for(3s); };
      n.start(child_spec("migrate", migrate).restart(restart::transient));
      auto web = n.start(service(said, "web").after("migrate"));
      co_await sleep_for(2s);
      CHECK(said == "");
      co_await sleep_for(2s);
      CHECK(said == "web ");
      web.stop();
    };
    co_await with_nursery(body);
  });
}

TEST_CASE("S6: who still waits when the nursery ends was never run, and ends as cancelled") {
  run_clean([&](nursery&) -> task<> {
    diary said;
    std::string heard;
    auto body = [&](nursery& n) -> task<> {
      n.start(service(said, "db"));
      auto web = n.start(service(said, "web").after("db"));
      auto waits = [&]() -> task<> {
        auto spec = service(said, "late").after("db");
        auto begin = [&]() -> task<> { co_await n.start_ready<void>(spec); };
        heard = co_await error_of(begin);
      };
      auto starter = n.start(waits);
      co_await sleep_for(100ms);
      n.stop();
      co_await web.wait();
      CHECK(web.result()->kind == how::cancelled);
    };
    co_await with_nursery(body);
    CHECK(said == "db DB ");
  });
}

TEST_CASE("S6, bad input: a cycle is refused with its path, before anybody is started") {
  diary said;
  run_clean([&](nursery& n) -> task<> {
    CHECK(complaint_of([&] {
            (void)n.start_all(service(said, "a"), service(said, "b").after("d"),
                              service(said, "c").after("a", "b"), service(said, "d").after("c"));
          }) == "start_all: a cycle: b after d after c after b");
    CHECK(complaint_of([&] { (void)n.start_all(service(said, "me").after("me")); }) ==
          "start_all: a cycle: me after me");
    CHECK(n.live() == 0);
    co_await sleep_for(1s);
    CHECK(said == "");
  });
}

TEST_CASE("S6, bad input: names that nobody has, or two have") {
  diary said;
  run_clean([&](nursery& n) -> task<> {
    CHECK(complaint_of([&] { n.start(service(said, "web").after("bd")); }) ==
          "web is after bd, and test has no child of that name: start that one first, or both with "
          "start_all");
    CHECK(complaint_of(
              [&] { (void)n.start_all(service(said, "db"), service(said, "web").after("bd")); }) ==
          "web is after bd, and test has no child of that name: start that one first, or both "
          "with start_all");
    CHECK(complaint_of([&] { (void)n.start_all(service(said, "db"), service(said, "db")); }) ==
          "start_all: two children are called db");
    CHECK(n.live() == 0);
    auto one = n.start(service(said, "db"));
    auto two = n.start(service(said, "db")); // names may be used twice, until one is needed
    CHECK(complaint_of([&] { n.start(service(said, "web").after("db")); }) ==
          "web is after db, and test has more than one child of that name");
    CHECK(complaint_of([&] {
            (void)n.start_all(service(said, "web").after("db"), service(said, "db"));
          }) == "web is after db, and test has more than one child of that name");
    two.cancel();
    co_await two.wait();
    auto web = n.start(service(said, "web").after("db", "db"));
    co_await sleep_for(3s);
    CHECK(!web.ended());
    n.cancel();
  });
}

TEST_CASE("S6, bad input: start_all in a nursery that stops starts nobody") {
  diary said;
  run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      n.stop();
      CHECK_THROWS_AS((void)n.start_all(service(said, "db"), service(said, "web").after("db")),
                      nursery_closed);
      co_return;
    };
    co_await with_nursery(body);
  });
  CHECK(said == "");
}

TEST_CASE("S6: the order of a start keeps to the order given, and names a cycle by its members") {
  using list = std::vector<std::size_t>;
  const auto of = [](std::vector<list> needs) { return start_order_of(needs); };
  CHECK(of({}).order == list{});
  CHECK(of({{}, {}, {}}).order == list{0, 1, 2});
  CHECK(of({{2}, {}, {}}).order == list{1, 2, 0});
  CHECK(of({{1}, {2}, {3}, {}}).order == list{3, 2, 1, 0});
  CHECK(of({{1, 1}, {}}).order == list{1, 0});
  CHECK(of({{1}, {2}, {1}}).cycle == list{1, 2});
  CHECK(of({{1}, {2}, {1}}).order == list{});
  CHECK(of({{0}}).cycle == list{0});
  std::vector<list> chain(100'000);
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) chain[i].push_back(i + 1);
  CHECK(of(chain).order.front() == chain.size() - 1);
  chain.back().push_back(0);
  CHECK(of(chain).cycle.size() == chain.size());
}

TEST_CASE("S6: a chain of 40 000 children completes, the oldest first, in time that is linear") {
  constexpr int many = 40'000;
  std::clock_t took = 0;
  run_clean([&](nursery& n) -> task<> {
    event go;
    auto waits = [&go]() -> task<> { co_await go.wait(); };
    for (int i = 0; i < many; ++i) {
      child_spec link("c" + std::to_string(i), waits);
      if (i > 0) link = std::move(link).after("c" + std::to_string(i - 1));
      n.start(std::move(link));
    }
    co_await wait_all_blocked();
    const auto before = std::clock();
    go.set();
    while (n.live()) co_await checkpoint();
    took = std::clock() - before;
  });
  CHECK(took < 3 * CLOCKS_PER_SEC); // 0.04 s by now; 10 s when each looked at all behind it
}

TEST_CASE("S6, bad input: from another thread, a name that nobody has is the child's failure") {
  diary said;
  run_clean([&](nursery& n) -> task<> {
    auto h = n.remote();
    auto c = h.start(service(said, "web").after("bd"));
    co_await c.wait();
    REQUIRE(c.result());
    CHECK(c.result()->kind == how::failed);
    CHECK(c.result()->why->what().find("has no child of that name") != std::string_view::npos);
    CHECK(c.result()->why->path() == "test/web");
    std::thread t([&] { c = h.start(service(said, "web").after("bd")); });
    t.join();
    co_await c.wait();
    CHECK(c.result()->kind == how::failed);
    CHECK(n.live() == 0);
  });
}

TEST_CASE(
    "S6: 10^5 siblings of one name, and as many that need one, start and stop in linear time") {
  run_clean([&](nursery&) -> task<> {
    auto body = [](nursery& n) -> task<> {
      auto idle = []() -> task<> { co_await sleep_for(1000h); };
      n.start(child_spec("db", idle));
      n.start(child_spec("first", idle).after("db"));
      for (int i = 0; i < 100'000; ++i) n.start(child_spec("worker", idle));
      for (int i = 0; i < 100'000; ++i) n.start(child_spec("needy", idle).after("db"));
      co_await sleep_for(1s);
      n.stop();
    };
    co_await with_nursery(body);
  });
}
