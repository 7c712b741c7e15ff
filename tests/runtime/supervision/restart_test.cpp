#include "runtime/supervision/detail/restart_window.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <type_traits>

using namespace creche;
using namespace std::chrono_literals;

static_assert(std::is_trivially_copyable_v<backoff>);
static_assert(std::is_trivially_copyable_v<budget>);

namespace {
time_point at(clock_duration d) { return time_point(24h) + d; }
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
} // namespace

TEST_CASE("O.permanent/transient/temporary x normal/shutdown/abnormal: the table of policies") {
  struct line {
    restart policy;
    bool completed, cancelled, failed, killed;
  };
  const line table[] = {
      {restart::permanent, true, false, true, true},
      {restart::transient, false, false, true, true},
      {restart::temporary, false, false, false, false},
  };
  for (const auto& l : table) {
    CAPTURE(to_text(l.policy));
    CHECK(restarts_after(l.policy, how::completed) == l.completed);
    CHECK(restarts_after(l.policy, how::cancelled) == l.cancelled);
    CHECK(restarts_after(l.policy, how::failed) == l.failed);
    CHECK(restarts_after(l.policy, how::killed) == l.killed);
  }
}

TEST_CASE("S2: the backoff doubles from 100 ms to 30 s") {
  const backoff b;
  CHECK(b.delay(1, 0) == 100ms);
  CHECK(b.delay(2, 0) == 200ms);
  CHECK(b.delay(3, 0) == 400ms);
  CHECK(b.delay(9, 0) == 25'600ms);
  CHECK(b.delay(10, 0) == 30s);
  CHECK(b.delay(std::numeric_limits<unsigned>::max(), 0) == 30s);
}

TEST_CASE("S2: jitter takes away up to its share and never adds") {
  const backoff b;
  CHECK(b.delay(1, 1) == 80ms);
  CHECK(b.delay(1, 0.5) == 90ms);
  CHECK(b.delay(20, 1) == 24s);
  CHECK(b.delay(20, 0.5) == 27s);
  CHECK(backoff{.jitter = 1}.delay(1, 1) == 0s);
  CHECK(backoff{.jitter = 0}.delay(1, 1) == 100ms);
}

TEST_CASE("S2: a first delay of 0 restarts at once for ever") {
  const backoff b{.first = 0s};
  for (const unsigned n : {0u, 1u, 2u, 1000u, ~0u}) CHECK(b.delay(n, 0.7) == 0s);
}

TEST_CASE("S2: a factor of 1 waits the same time always") {
  const backoff b{.first = 5s, .factor = 1};
  CHECK(b.delay(1, 0) == 5s);
  CHECK(b.delay(1'000'000, 0) == 5s);
}

TEST_CASE("S2: whatever the values, a delay lies between zero and the most") {
  const clock_duration spans[] = {
      clock_duration::min(), -1s,     -1ns, 0ns, 1ns, 1s, 24h * 3650, no_limit / 2,
      no_limit - 1ns,        no_limit};
  const double numbers[] = {not_a_number, -infinity, -1,    0,       0.2, 0.999999, 1,
                            1.5,          2,         1e300, infinity};
  const double chances[] = {not_a_number, -1, 0, 0.5, 1, 2};
  const unsigned counts[] = {0, 1, 2, 64, ~0u};
  for (const auto first : spans)
    for (const auto most : spans)
      for (const auto factor : numbers)
        for (const auto jitter : numbers)
          for (const auto random : chances)
            for (const auto n : counts) {
              const backoff b{.first = first, .most = most, .factor = factor, .jitter = jitter};
              const auto d = b.delay(n, random);
              if (d < 0ns || d > std::max(most, clock_duration(0))) {
                FAIL_CHECK("delay " << d.count() << " for most " << most.count());
              }
            }
  CHECK(backoff{.first = no_limit, .most = no_limit}.delay(5, 0) == no_limit);
}

TEST_CASE("O.multiple_restarts: one restart in 1 s, every 2.1 s, lives for ever") {
  restart_window w({.restarts = 1, .within = 1s});
  for (int i = 0; i < 10'000; ++i) REQUIRE(w.admit(at(i * 2100ms)));
  CHECK(w.size() <= 2);
}

TEST_CASE("S2: the window admits as many as the budget says, both ends included") {
  restart_window w({.restarts = 3, .within = 5s});
  CHECK(w.admit(at(0s)));
  CHECK(w.admit(at(1s)));
  CHECK(w.admit(at(2s)));
  CHECK_FALSE(w.admit(at(2s)));
  CHECK_FALSE(w.admit(at(5s))); // 0 to 5 is still within 5 s, as in OTP
  CHECK(w.admit(at(5s + 1ns)));
  CHECK_FALSE(w.admit(at(6s)));
}

TEST_CASE("S2: a budget of nothing admits nothing") {
  restart_window w({.restarts = 0, .within = 5s});
  CHECK_FALSE(w.admit(at(0s)));
  CHECK_FALSE(w.admit(at(1h)));
}

TEST_CASE("S2: launches ahead count where they lie, not when they were decided") {
  restart_window w({.restarts = 1, .within = 5s});
  CHECK(w.admit(at(30s), at(0s)));        // a child in a long backoff
  CHECK(w.admit(at(1s), at(1s)));         // another one restarts meanwhile: 29 s apart
  CHECK_FALSE(w.admit(at(26s), at(26s))); // too close before it
  CHECK_FALSE(w.admit(at(34s), at(27s))); // too close after it
  CHECK(w.admit(at(24s), at(24s)));
  CHECK(w.admit(at(36s), at(28s)));
}

TEST_CASE("S2: the list of a window is bounded") {
  restart_window w({.restarts = 3, .within = 5s});
  for (int i = 0; i < 100'000; ++i) {
    const auto now = at(i * 10ms);
    (void)w.admit(now + (i % 31) * 1s, now);
    REQUIRE(w.size() <= 3 * (2 + 30 / 5));
  }
}

TEST_CASE("S2: an exhausted budget says which") {
  CHECK(exhausted_text({}) == "restart budget exhausted: 3 in 5 s");
  CHECK(exhausted_text({.restarts = 10, .within = 1500ms}) ==
        "restart budget exhausted: 10 in 1500 ms");
  CHECK(exhausted_text({.restarts = 1, .within = 2min}) == "restart budget exhausted: 1 in 2 min");
  CHECK(exhausted_text({.restarts = 1, .within = 1h}) == "restart budget exhausted: 1 in 1 h");
  CHECK(exhausted_text({.restarts = 1, .within = 7ns}) == "restart budget exhausted: 1 in 7 ns");
}

TEST_CASE("O.sup_flags / child_specs: bad values are named") {
  CHECK(complaint(backoff{}) == "");
  CHECK(complaint(backoff{.first = 0s, .factor = 1, .jitter = 0, .reset_after = 0s}) == "");
  CHECK(complaint(backoff{.jitter = 1}) == "");
  CHECK(complaint(backoff{.first = -1s}) == "backoff.first must not be negative");
  CHECK(complaint(backoff{.first = 2s, .most = 1s}) ==
        "backoff.most must not be less than backoff.first");
  for (const double bad : {0.99, -1.0, not_a_number, infinity})
    CHECK(complaint(backoff{.factor = bad}) == "backoff.factor must be a number of 1 or more");
  for (const double bad : {-0.1, 1.1, not_a_number})
    CHECK(complaint(backoff{.jitter = bad}) == "backoff.jitter must lie between 0 and 1");
  CHECK(complaint(backoff{.reset_after = -1s}) == "backoff.reset_after must not be negative");
  CHECK(complaint(budget{}) == "");
  CHECK(complaint(budget{.restarts = 0}) == "");
  CHECK(complaint(budget{.within = 0s}) == "budget.within must be more than nothing");
  CHECK(complaint(budget{.within = -1s}) == "budget.within must be more than nothing");
}
