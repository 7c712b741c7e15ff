// A failure domain: one budget and one backoff for many children.
#include "runtime/supervision/failure_domain.hpp"

#include "tests/runtime/nursery_script.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

constexpr backoff steady{.first = 1s, .jitter = 0, .reset_after = 10s};
constexpr time_point start{24h};

} // namespace

TEST_CASE("X9: who fails before the next launch belongs to the same outage, and costs nothing") {
  failure_domain d({.restarts = 1, .within = 60s}, steady);
  CHECK(!d.closed_until(start));
  CHECK(d.failed(start, 0) == start + 1s);
  CHECK(d.failed(start, 0) == start + 1s);
  CHECK(d.failed(start + 999ms, 0) == start + 1s);
  CHECK(d.closed_until(start + 999ms) == start + 1s);
  CHECK(!d.closed_until(start + 1s));
  CHECK(d.failed(start + 1s - 1ns, 0) == start + 1s); // the last instant of it
  CHECK(d.counts().outages == 1);
  CHECK(d.counts().failures == 4);
  CHECK(!d.failed(start + 1s, 0)); // one past it: the next outage, and no budget for it
  CHECK(d.counts().refused == 1);
}

TEST_CASE("X9: without a backoff every failure is an outage of its own, also in one instant") {
  failure_domain d({.restarts = 2, .within = 5s}, no_backoff);
  CHECK(d.failed(start, 0) == start);
  CHECK(d.failed(start, 0) == start);
  CHECK(!d.failed(start, 0));
}

TEST_CASE("X9: outages wait longer each time, and a time without failures forgives the past") {
  failure_domain d({.restarts = 100, .within = 1s}, steady);
  CHECK(d.failed(start, 0) == start + 1s);
  CHECK(d.failed(start + 2s, 0) == start + 4s);
  CHECK(d.failed(start + 14s - 1ns, 0) == start + 18s - 1ns); // 10 s but one tick: not healthy
  CHECK(d.failed(start + 28s - 1ns, 0) == start + 29s - 1ns); // 10 s: healthy
}

TEST_CASE("X9: the budget is a sliding window, as a nursery's") {
  failure_domain d({.restarts = 2, .within = 5s}, {.first = 0s});
  CHECK(d.failed(start, 0) == start);
  CHECK(d.failed(start + 1s, 0) == start + 1s);
  CHECK(!d.failed(start + 5s, 0));
  CHECK(d.failed(start + 5s + 1ns, 0) == start + 5s + 1ns);
}

TEST_CASE("X9: a domain that makes no sense is refused with a sentence") {
  const auto refused = [](const budget& b, const backoff& w) -> std::string {
    try {
      failure_domain d(b, w);
    } catch (const std::invalid_argument& e) {
      return e.what();
    }
    return "";
  };
  CHECK(refused({1, 1ns}, {}) == "");
  CHECK(refused({1, 0s}, {}) == "failure_domain: budget.within must be more than nothing");
  CHECK(refused({}, {.first = -1s}) == "failure_domain: backoff.first must not be negative");
}

TEST_CASE("X9: members in several nurseries wait for one time, and spend no nursery's budget") {
  failure_domain d({.restarts = 1, .within = 60s}, steady);
  const child_rules member{.restart = restart::permanent, .domain = &d};
  const child_rules other{.restart = restart::permanent, .backoff = {.first = 0s}};
  script a(quick_body, {{0, 5s}}), b(quick_body, {{1, 5s}});
  a.add(member);
  b.add(member);
  b.add(other);
  CHECK(a.ended(0, how::failed) == "report 0 failed restarting, wait_until 0 +1000ms");
  b.now += 400ms;
  CHECK(b.ended(0, how::failed) == "report 0 failed restarting, wait_until 0 +600ms");
  CHECK(b.ended(1, how::failed) == "report 1 failed restarting, launch 1"); // its own matter
  CHECK(a.due_after(1s, 0) == "launch 0");
  a.now += 1s;
  CHECK(a.ended(0, how::failed) ==
        "report 0 failed escalated over budget, forget 0, finish failed");
}

TEST_CASE("X9: with one_for_all a member's siblings wait for the domain's time") {
  failure_domain d({.restarts = 1, .within = 60s}, steady);
  const child_rules member{.restart = restart::permanent, .stop_within = no_limit, .domain = &d};
  script s(quick_body, {{0, 5s}, strategy::one_for_all});
  s.add(member);
  s.add(member);
  CHECK(s.ended(1, how::failed) ==
        "report 1 failed restarting, wait 1, wait_until 1 +1000ms, stop 0");
  CHECK(s.ended(0, how::cancelled) == "wait 0");
  CHECK(s.due_after(1s, 1) == "launch 0, launch 1");
}

TEST_CASE("X9: a domain may be asked by many threads") {
  failure_domain d({.restarts = 1, .within = 60s}, steady);
  std::atomic<int> same{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i)
        if (d.failed(start, 0) == start + 1s) ++same;
    });
  for (auto& t : threads) t.join();
  CHECK(same == 4000);
  CHECK(d.counts().outages == 1);
  CHECK(d.counts().failures == 4000);
}
