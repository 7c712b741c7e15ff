// failures as values: chains, groups, texts, and what is too deep.
#include "runtime/task/failure.hpp"

#include "runtime/supervision/nursery.hpp"
#include "runtime/task/finally.hpp"
#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

template <class E> failure of(const char* what, const char* path) {
  return failure::from(std::make_exception_ptr(E(what)), path);
}
failure of(failure_group g, const char* path) {
  return failure::from(std::make_exception_ptr(std::move(g)), path);
}

} // namespace

TEST_CASE("pain 16: a group finds an exception however deep, and splits by type") {
  const failure_group inner({of<std::logic_error>("a", "app/x/a"), of<std::range_error>("b", "b")});
  const failure_group g({of(inner, "app/x"), of<std::range_error>("c", "app/c")});
  REQUIRE(g.find<std::logic_error>());
  CHECK(g.find<std::logic_error>()->what() == std::string("a"));
  CHECK(!g.find<std::bad_alloc>());

  const auto [logic, others] = g.split<std::logic_error>();
  REQUIRE(logic);
  REQUIRE(others);
  CHECK(logic->failures().size() == 1);
  CHECK(logic->failures()[0].path() == "app/x");
  CHECK(logic->failures()[0].causes().size() == 1);
  CHECK(logic->failures()[0].causes()[0].what() == "a");
  CHECK(others->failures().size() == 2);
  CHECK(!others->find<std::logic_error>());

  CHECK(!g.split<std::bad_alloc>().first);
  CHECK(!g.split<std::exception>().second);
}

TEST_CASE("pain 16: the first failure is reported at once, while a sibling hangs in its clean-up") {
  bool seen = false;
  const auto r = run_and_see([&](nursery&) -> task<> {
    auto body = [&](nursery& n) -> task<> {
      auto hangs = [&]() -> task<> {
        auto sleep = []() -> task<> { co_await sleep_for(1000h); };
        auto clean = [&]() -> task<> {
          co_await sleep_for(1s);
          seen = n.statistics().failed == 1; // the clean-up has an hour to go
          co_await sleep_for(1h);
        };
        co_await finally(sleep, clean, 2h);
      };
      n.start(hangs);
      n.start([]() -> task<> {
        co_await sleep_for(1s);
        throw std::runtime_error("the first");
      });
      co_await sleep_for(1000h);
    };
    co_await with_nursery(body);
  });
  CHECK(seen);
  REQUIRE(r.run.failures());
  CHECK(r.run.failures()->to_text().find("the first") != std::string::npos);
}

TEST_CASE("T5: a million causes, one inside the other, can be made, printed and freed") {
  failure f(errc::unknown, "the first", "app");
  for (int i = 0; i < 1'000'000; ++i)
    f = failure(errc::unknown, "because of that", "app").because(std::move(f));
  const auto text = f.to_text();
  CHECK(text.find("of more, which are not shown") != text.npos);
  CHECK(text.size() < 100'000);
  CHECK(f.to_json().find("not shown") != std::string::npos);

  auto e = std::make_exception_ptr(std::runtime_error("the innermost"));
  for (int i = 0; i < 100'000; ++i)
    e = std::make_exception_ptr(failure_group({failure::from(e, "app/nursery")}));
  const auto deep = failure::from(std::exchange(e, nullptr), "app");
  CHECK(deep.what() == "1 failure: app/nursery: the innermost");
  const failure_group all({deep});
  CHECK(all.find<std::runtime_error>());
  const auto [found, others] = all.split<std::runtime_error>();
  REQUIRE(found);
  CHECK(found->find<std::runtime_error>());
  CHECK(!others);
}

TEST_CASE("a text that is too long loses its middle") {
  const failure f(errc::unknown, std::string(5000, 'w') + "end", std::string(5000, 'p') + "end");
  CHECK(f.what().size() <= 1000);
  CHECK(f.path().size() <= 500);
  CHECK(f.what().substr(f.what().size() - 3) == "end");
  CHECK(f.path().find(" ... ") != f.path().npos);
}

TEST_CASE("T5: a nest of nurseries fails in memory that grows with its depth, not its square") {
  struct nest {
    static task<> of(int depth) {
      if (depth == 0) throw std::runtime_error("the innermost");
      co_await with_nursery([depth](nursery&) -> task<> { co_await of(depth - 1); });
    }
  };
  const auto r = run_and_see([](nursery&) -> task<> { co_await nest::of(2000); });
  REQUIRE(r.run.failures());
  CHECK(r.run.failures()->find<std::runtime_error>());
  CHECK(r.run.failures()->to_text().size() < 200'000);
}

TEST_CASE("T5: what is thrown and is no std::exception tells its type") {
  CHECK(failure::from(std::make_exception_ptr(42), "app").what() ==
        "an exception that is no std::exception: int");
}

TEST_CASE("T5: an exception that says nothing at all tells its type") {
  struct silent : std::exception {
    const char* what() const noexcept override { return nullptr; }
  };
  const std::string said(failure::from(std::make_exception_ptr(silent()), "app").what());
  CHECK(said.ends_with("silent without a text"));
}

TEST_CASE("bad input: no path and no text of a failure can end a line or speak to a terminal") {
  const failure f(errc::unknown, "a\nroot logged in\x1b[2J", "app/x\x1b]0;owned\a",
                  std::source_location());
  CHECK(f.to_text() == "app/x\\x1b]0;owned\\x07: a\\x0aroot logged in\\x1b[2J\n");
  struct theirs final : std::error_category {
    const char* name() const noexcept override { return "a\nb\x1b[2J"; }
    std::string message(int) const override { return "m"; }
  };
  static const theirs category;
  const failure coded(std::error_code(3, category), "text", "app", std::source_location());
  CHECK(coded.to_text() == "app: text [a\\x0ab\\x1b[2J:3]\n");
}
