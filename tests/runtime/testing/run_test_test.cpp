// CRECHE_TEST, and, by the pieces behind it, that a test of its kind can fail.
#include "runtime/loop/internal/resident.hpp"
#include "runtime/testing/doctest.hpp"
#include "tests/runtime/clean_run.hpp"

#include <cstdlib>
#include <set>

using namespace creche;
using namespace creche::testing;

namespace {

template <class F> std::vector<std::string> complaints_of(F body, virtual_options o = {}) {
  return testing::detail::run_test(o, creche::detail::root_body_of(body),
                                   std::source_location::current())
      .complaints;
}
bool has(const std::vector<std::string>& list, std::string_view text) {
  for (auto& x : list)
    if (x.find(text) != x.npos) return true;
  return false;
}

} // namespace

CRECHE_TEST("T33: a body that co_returns at once passes") { co_return; }

CRECHE_TEST("T33: a seed of its own is fixed", .name = "own", .seed = 7) {
  CHECK(n.path() == "own");
  CHECK(repeat_command.find("CRECHE_SEED=7 ") == 0);
  co_return;
}

TEST_CASE("T33: a test that ends well has nothing to complain of, whatever the seed") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto body = [](nursery& n) -> task<> {
      for (int i = 0; i < 5; ++i) n.start([]() -> task<> { co_await sleep_for(1h); });
      co_await sleep_for(1min);
    };
    CHECK(complaints_of(body, {.seed = seed}).empty());
  }
}

TEST_CASE("T33: a failure of the run is a complaint, with its chain") {
  auto body = [](nursery& n) -> task<> {
    n.start(child_spec("worker", []() -> task<> {
      co_await checkpoint();
      throw std::runtime_error("no luck");
    }));
    co_await sleep_for(1h);
  };
  const auto list = complaints_of(body);
  REQUIRE(list.size() == 1);
  CHECK(has(list, "the test failed:\n"));
  CHECK(has(list, "no luck"));
  CHECK(has(list, "test/worker"));
}

TEST_CASE("T33: a deadlock is a complaint, with the tree") {
  auto body = [](nursery& n) -> task<> {
    n.start(child_spec("forever", []() -> task<> { co_await sleep_for(no_limit); }));
    co_return;
  };
  const auto list = complaints_of(body);
  REQUIRE(list.size() == 1);
  CHECK(has(list, "deadlock"));
  CHECK(has(list, "forever"));
  CHECK(has(list, "sleep"));
}

TEST_CASE("T33: actors and timers that are left are complaints") {
  // neither can be brought about with public means, so these are made inside
  struct stray : internal::resident {
    using resident::resident;
  };
  struct strays {
    stray* actor = nullptr;
    timer alarm;
  };
  static strays s; // nobody may free them once their loop is gone
  s.alarm.fire = [](timer&) {};
  auto body = [](nursery&) -> task<> {
    auto* home = internal::loop::current();
    s.actor = internal::make_resident<stray>(*home);
    home->arm(s.alarm, later(now(), 1h));
    co_return;
  };
  const auto list = complaints_of(body);
  CHECK(list.size() == 2);
  CHECK(has(list, "1 actors were left"));
  CHECK(has(list, "1 timers were left"));
}

TEST_CASE("T33: X6: a ledger that does not balance is a complaint") {
  auto body = [](nursery&) -> task<> {
    internal::loop::current()->count_here(internal::fate::sent); // a letter that never was
    co_return;
  };
  const auto list = complaints_of(body);
  CHECK(list.size() == 1);
  CHECK(has(list, "the ledger does not balance: "));
}

TEST_CASE("T33: what doctest has printed is not told again") {
  auto told = [](const std::exception_ptr& e) { return testing::detail::told_by_doctest(e); };
  auto report = [&](auto body) {
    return testing::detail::run_test({}, creche::detail::root_body_of(body),
                                     std::source_location::current(), told)
        .complaints;
  };
  auto fails = [] { throw doctest::detail::TestFailureException(); };
  CHECK(report([&](nursery& n) -> task<> { // at any depth
          auto inner = [&](nursery& m) -> task<> {
            m.start([&]() -> task<> {
              fails();
              co_return;
            });
            co_return;
          };
          n.start([&]() -> task<> { co_await with_nursery(inner); });
          co_await sleep_for(1h);
        })
            .empty());
  CHECK(report([&](nursery&) -> task<> {
          throw std::runtime_error("new");
          co_return;
        }).size() == 1);
}

TEST_CASE("T33: the command that repeats a run names seed, program and case") {
  const auto text = how_to_repeat("T1, T2: it's so", 42);
  CHECK(text.find("CRECHE_SEED=42 ") == 0);
  CHECK(text.find("runtime_test -tc='T1? T2: it?s so'") != text.npos);
}

TEST_CASE("T33: CRECHE_SEED gives the seed; without it every run draws another") {
  const char* set = std::getenv("CRECHE_SEED");
  const std::string before = set ? set : "";
  ::setenv("CRECHE_SEED", "4711", 1);
  CHECK(draw_seed() == 4711);
  ::setenv("CRECHE_SEED", "0", 1);
  CHECK(draw_seed() == 0);
  ::setenv("CRECHE_SEED", "many", 1);
  CHECK_THROWS_AS(draw_seed(), std::invalid_argument);
  ::unsetenv("CRECHE_SEED");
  std::set<std::uint64_t> drawn;
  for (int i = 0; i < 8; ++i) drawn.insert(draw_seed());
  CHECK(drawn.size() > 1);
  CHECK(!drawn.contains(0));
  if (set) ::setenv("CRECHE_SEED", before.c_str(), 1);
}
