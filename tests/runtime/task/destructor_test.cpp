// Destructors that throw while a stop takes frames down: the failure of the body that was stopped,
// and everything else is taken down all the same.
#include "runtime/supervision/nursery.hpp"
#include "runtime/task/finally.hpp"
#include "tests/runtime/clean_run.hpp"

#include <memory>

using namespace creche;
using namespace creche::testing;

namespace {

struct throws {
  const char* text;
  explicit throws(const char* what) : text(what) {}
  throws(const throws&) = delete;
  ~throws() noexcept(false) { throw std::runtime_error(text); }
};

task<> sleeper(std::string& trace, const char* text = "flush failed") {
  mark outermost(trace, 'a');
  throws last(text);
  mark innermost(trace, 'b');
  co_await sleep_for(no_limit);
}
task<> caller(std::string& trace) {
  mark left(trace, 'c');
  co_await sleeper(trace);
}

} // namespace

TEST_CASE("T34: a destructor that throws during a stop fails the child, and the rest unwinds") {
  std::string trace;
  auto r = run_and_see([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> {
      mark left(trace, 'd');
      co_await caller(trace);
    });
    co_await sleep_for(1s);
    c.cancel();
    co_await sleep_for(1h);
  });
  CHECK(trace == "bacd");
  CHECK(r.run.exit_code() == 1);
  CHECK(r.elapsed == 1s);
  REQUIRE(r.run.failures());
  CHECK(r.run.failures()->to_text().find("flush failed") != std::string::npos);
}

TEST_CASE("T34: several destructors in several frames are told together") {
  auto r = run_and_see([](nursery& n) -> task<> {
    auto c = n.start([]() -> task<> {
      throws outer("outer");
      auto middle = []() -> task<> {
        throws also("middle");
        std::string unused;
        co_await sleeper(unused, "inner");
      };
      co_await middle();
    });
    co_await sleep_for(1s);
    c.cancel();
  });
  REQUIRE(r.run.failures());
  const auto text = r.run.failures()->to_text();
  for (const char* each : {"inner", "middle", "outer"}) CHECK(text.find(each) != text.npos);
}

TEST_CASE("T34: a scope throws what its body's frames threw when the deadline took them") {
  run_clean([](nursery&) -> task<> {
    std::string trace;
    auto body = [&] { return caller(trace); };
    auto scopes = [&]() -> task<bool> { co_return co_await move_on_after(1s, body); };
    CHECK(co_await error_of(scopes) == "flush failed");
    CHECK(trace == "bac");
    auto must = [&]() -> task<> { co_await fail_after(1s, body); };
    CHECK(co_await error_of(must) == "flush failed");
    auto quiet = []() -> task<> { co_await sleep_for(1h); };
    CHECK(!co_await move_on_after(1s, quiet)); // nothing is left of it
  });
}

TEST_CASE("T34: a clean-up runs after such a body, and both failures are told") {
  run_clean([](nursery&) -> task<> {
    std::string trace;
    bool cleaned = false, fails = false;
    auto body = [&] { return sleeper(trace); };
    auto clean = [&]() -> task<> {
      cleaned = true;
      co_await sleep_for(1s);
      if (fails) throw std::runtime_error("clean-up failed");
    };
    auto both = [&]() -> task<> { co_await creche::finally(body, clean); };
    auto stopped = [&]() -> task<> { (void)co_await move_on_after(1s, both); };
    CHECK(co_await error_of(stopped) == "flush failed");
    CHECK(cleaned);
    fails = true;
    const auto text = co_await error_of(stopped);
    CHECK(text.find("clean-up failed") != text.npos);
  });
}

TEST_CASE("T34: a clean-up that is stopped may throw from a destructor, too") {
  run_clean([](nursery&) -> task<> {
    std::string trace;
    auto body = []() -> task<> { co_return; };
    auto clean = [&] { return sleeper(trace); };
    auto both = [&]() -> task<> { co_await creche::finally(body, clean, 1s); };
    CHECK(co_await error_of(both) == "flush failed");
  });
}

TEST_CASE("T34: a nursery takes it as the failure of its body, and waits for its children") {
  run_clean([](nursery&) -> task<> {
    bool child_ended = false;
    std::string trace;
    auto body = [&](nursery& inner) -> task<> {
      inner.start([&]() -> task<> {
        auto last = [&]() -> task<> { co_await sleep_for(3s); };
        (void)co_await shielded(no_limit, last);
        child_ended = true;
      });
      co_await sleeper(trace);
    };
    auto opened = [&]() -> task<> { co_await with_nursery({.name = "inner"}, body); };
    auto stopped = [&]() -> task<> { (void)co_await move_on_after(1s, opened); };
    const auto text = co_await error_of(stopped);
    CHECK(text.find("flush failed") != text.npos);
    CHECK(child_ended);
  });
}

TEST_CASE("T34: a handler that catches it runs, and its next await stops the task again") {
  std::string caught;
  bool went_on = false, awaited = false;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> {
      try {
        throws last("flush failed");
        co_await sleep_for(no_limit);
      } catch (const std::exception& error) {
        caught = error.what();
      }
      went_on = true;
      co_await sleep_for(1s);
      awaited = true;
    });
    co_await sleep_for(1s);
    c.cancel();
    co_await c.wait();
    CHECK(c.result()->kind == how::cancelled);
  });
  CHECK(caught == "flush failed");
  CHECK(went_on);
  CHECK(!awaited);
}

TEST_CASE("T34: a handler may make tasks and open scopes; none of them runs") {
  bool ran = false;
  run_clean([&](nursery& n) -> task<> {
    auto c = n.start([&]() -> task<> {
      auto body = [&]() -> task<> {
        ran = true;
        co_return;
      };
      try {
        throws last("flush failed");
        co_await sleep_for(no_limit);
      } catch (const std::exception&) {
      }
      try {
        (void)co_await move_on_after(1s, body);
      } catch (...) { // the stop, again
      }
      co_await body();
    });
    co_await sleep_for(1s);
    c.cancel();
    co_await c.wait();
    CHECK(c.result()->kind == how::cancelled);
  });
  CHECK(!ran);
}

TEST_CASE("T34: a destructor that throws while nothing is stopped is an exception as any other") {
  run_clean([](nursery&) -> task<> {
    auto body = []() -> task<> {
      throws last("flush failed");
      co_await checkpoint();
    };
    CHECK(co_await error_of(body) == "flush failed");
  });
}
