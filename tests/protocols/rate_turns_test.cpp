// Turns at a bucket: in order, together no faster than the rate, and nobody waits long.
#include "protocols/rate/turns.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

using namespace creche::rate;

namespace {

constexpr std::int64_t second = 1'000'000'000, mib = 1 << 20;
constexpr std::int64_t far_too_much = std::int64_t{1} << 40;

/// What all of them have passed in that time, and the longest that one has waited for a turn.
struct crowd {
  std::vector<std::int64_t> passed;
  std::int64_t longest = 0;

  std::int64_t all() const {
    std::int64_t sum = 0;
    for (const auto each : passed) sum += each;
    return sum;
  }
};

crowd play(turns& shared, std::size_t users, std::int64_t until) {
  crowd result{std::vector<std::int64_t>(users), 0};
  std::vector<grant> next(users);
  for (;;) {
    const auto first = std::min_element(
        next.begin(), next.end(), [](auto& left, auto& right) { return left.at_ns < right.at_ns; });
    const auto now = first->at_ns;
    if (now >= until) return result;
    auto& passed = result.passed[std::size_t(first - next.begin())];
    passed += first->bytes;
    *first = shared.ask(now, far_too_much, false);
    result.longest = std::max(result.longest, first->at_ns - now);
  }
}

} // namespace

TEST_CASE("L7: what is there passes at once, then parts of it in the time of the rate") {
  turns own(1000, 500);
  const auto burst = own.ask(0, 2000, false);
  CHECK(burst.bytes == 500);
  CHECK(burst.at_ns == 0);
  std::int64_t passed = 0, now = 0;
  while (now < 10 * second) {
    const auto next = own.ask(now, 2000, false);
    CHECK(next.bytes == 50); // 50 ms of it
    CHECK(next.at_ns == now + second / 20);
    now = next.at_ns;
    passed += next.bytes;
  }
  CHECK(passed == 10'000);
}

TEST_CASE("L7: a burst is never exceeded, and a small one is not lost to a late timer") {
  turns own(mib, 1000);
  CHECK(own.ask(0, mib, false).bytes == 1000);
  const auto next = own.ask(0, mib, false);
  CHECK(next.bytes == 500); // so 500 more may come while it is late
  const auto late = next.at_ns + 500 * second / mib + 1;
  CHECK(own.ask(late, mib, false).at_ns == late);
  CHECK(own.ask(100 * second, mib, false).bytes == 1000);
  turns least(1, 1);
  CHECK(least.ask(0, 9, false).bytes == 1);
  CHECK(least.ask(0, 9, false).at_ns == second);
}

TEST_CASE("L7: a whole passes whole, and is made up for") {
  turns own(1000, 100);
  CHECK(own.ask(0, 1000, true).bytes == 1000); // 900 too many
  const auto next = own.ask(0, 10, true);
  CHECK(next.bytes == 10);
  CHECK(next.at_ns == 910 * (second / 1000));
  const auto third = own.ask(0, 1000, true);
  CHECK(third.bytes == 1000);
  CHECK(third.at_ns >= next.at_ns);
  CHECK(own.ask(0, 1, true).at_ns == (900 + 10 + 1000 + 1) * (second / 1000));
}

TEST_CASE("L7: what was granted and has not passed is there again") {
  turns own(1000, 100);
  (void)own.ask(0, 100, false);
  const auto given = own.ask(0, 50, false);
  CHECK(given.at_ns > 0);
  own.put_back(given.bytes);
  CHECK(own.ask(0, 50, false).at_ns == given.at_ns);
}

TEST_CASE("L7: of one or a thousand with one rate, each has its share, and waits for it a moment") {
  for (const std::size_t users : {1u, 2u, 30u, 1000u}) {
    INFO(users << " users");
    turns shared(mib, mib / 10);
    const auto result = play(shared, users, 20 * second);
    const auto rate = result.all() / 20;
    CHECK(rate <= mib * 102 / 100);
    CHECK(rate >= mib * 98 / 100);
    const auto share = result.all() / std::int64_t(users);
    const auto [least, most] = std::minmax_element(result.passed.begin() + 1, result.passed.end());
    if (users == 1) continue;
    CHECK(*least > share / 2);
    CHECK(*most < share * 3); // the first ones had the burst, and large parts
    CHECK(result.longest < 4 * second);
  }
}

TEST_CASE("L7: turns are in the order in which they were asked for") {
  turns shared(mib, 64 << 10);
  (void)shared.ask(0, far_too_much, false);
  std::int64_t last = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto next = shared.ask(i, i % 7 + 1, i % 2 == 0);
    CHECK(next.at_ns >= last);
    last = next.at_ns;
  }
}

TEST_CASE("L7: turns refuse what a bucket refuses") {
  CHECK_THROWS_AS(turns(0, 1), std::invalid_argument);
  CHECK_THROWS_AS(turns(1, 0), std::invalid_argument);
  CHECK_THROWS_AS(turns(limits::per_second + 1, 1), std::invalid_argument);
  CHECK_THROWS_AS(turns(1, limits::burst + 1), std::invalid_argument);
}
