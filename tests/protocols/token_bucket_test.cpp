// A bucket of tokens: exact, whatever the clock does, at every rate.
#include "protocols/rate/token_bucket.hpp"

#include "protocols/rate/recent_keys.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <stdexcept>

using namespace creche::rate;

namespace {

constexpr std::int64_t second = 1'000'000'000, year = 365 * 86'400 * second;
constexpr std::int64_t kib = 1 << 10, gib = 1 << 30;
constexpr auto end_of_time = std::numeric_limits<std::int64_t>::max();

} // namespace

TEST_CASE("L7: a bucket is full at first, fills with its rate, and no more than its burst") {
  token_bucket bucket(1000, 500);
  CHECK(bucket.available(7 * year) == 500);
  bucket.take(7 * year, 500);
  CHECK(bucket.available(7 * year) == 0);
  CHECK(bucket.available(7 * year + second / 10) == 100);
  CHECK(bucket.available(7 * year + second / 2) == 500);
  CHECK(bucket.available(7 * year + second) == 500);
  CHECK(bucket.available(107 * year) == 500);
}

TEST_CASE("L7: a debt is filled first, and what was not used can be put back") {
  token_bucket bucket(1000, 500);
  bucket.take(0, 1500);
  CHECK(bucket.available(0) == -1000);
  CHECK(bucket.available(second) == 0);
  CHECK(bucket.available(2 * second) == 500);
  bucket.take(2 * second, 700);
  bucket.put_back(300);
  CHECK(bucket.available(2 * second) == 100);
  bucket.put_back(401); // past the burst
  CHECK(bucket.available(2 * second) == 500);
  bucket.put_back(end_of_time);
  CHECK(bucket.available(2 * second) == 500);
}

TEST_CASE("L7: what is ready at a time is there then, and not a nanosecond before") {
  const auto seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const auto up_to = [&](std::int64_t most) {
    return std::int64_t(random() % std::uint64_t(most)) + 1;
  };
  for (int i = 0; i < 10'000; ++i) {
    token_bucket bucket(up_to(i % 2 ? limits::per_second : 100), up_to(i % 3 ? gib : 100));
    const auto now = up_to(year);
    const auto taken = bucket.burst() + up_to(i % 5 ? gib : kib);
    bucket.take(now, taken);
    const auto wanted = up_to(bucket.burst());
    const auto at = bucket.ready_at(now, wanted);
    auto before = bucket, then = bucket;
    REQUIRE(at > now);
    REQUIRE(before.available(at - 1) < wanted);
    REQUIRE(then.available(at) >= wanted);
    REQUIRE(then.ready_at(at, wanted) == at);
  }
}

TEST_CASE("L7: nothing is lost or won however often a bucket is looked at") {
  for (const std::int64_t per_second :
       {std::int64_t{1}, std::int64_t{3}, std::int64_t{999'999'937}, limits::per_second}) {
    token_bucket often(per_second, gib), once(per_second, gib);
    often.take(0, limits::debt / 2);
    once.take(0, limits::debt / 2);
    std::int64_t now = 0;
    for (int i = 0; i < 100'000; ++i) (void)often.available(now += 1 + i * 7 % 1001);
    CHECK(often.available(now) == once.available(now));
  }
}

TEST_CASE("L7: years of silence, and the ends of time, overflow nothing") {
  for (const std::int64_t per_second : {std::int64_t{1}, limits::per_second}) {
    token_bucket bucket(per_second, gib);
    constexpr auto beginning = std::numeric_limits<std::int64_t>::min();
    CHECK(bucket.available(beginning) == gib);
    bucket.take(beginning, gib);
    CHECK(bucket.available(end_of_time) == gib);
    bucket.take(end_of_time, gib + 1);
    CHECK(bucket.available(end_of_time) == -1);
    CHECK(bucket.ready_at(end_of_time, 1) == end_of_time);
    for (int i = 0; i < 3; ++i) bucket.take(end_of_time, end_of_time);
    CHECK(bucket.available(end_of_time) == -limits::debt);
  }
  token_bucket slow(1, 1);
  slow.take(0, limits::debt);
  CHECK(slow.ready_at(0, 1) == end_of_time);
  CHECK(slow.available(year) == 1 - limits::debt + 365 * 86'400);
}

TEST_CASE("L7: a clock that stands still or goes back gives nothing, and takes nothing") {
  token_bucket bucket(1000, 500);
  bucket.take(10 * second, 500);
  for (int i = 0; i < 1000; ++i) CHECK(bucket.available(10 * second) == 0);
  CHECK(bucket.available(9 * second) == 0);                     // read a moment ago
  CHECK(bucket.available(10 * second + second / 10) == 100);    // not counted twice
  CHECK(bucket.available(9 * second + second / 10 - 1) == 100); // another clock
  CHECK(bucket.available(9 * second + second / 5) == 200);
  CHECK(bucket.ready_at(9 * second + second / 5, 500) == 9 * second + second / 2 - 1);
  CHECK(bucket.available(-year) == 200);
  CHECK(bucket.available(year) == 500);
}

TEST_CASE("L7: of more than the burst, the burst is waited for") {
  token_bucket bucket(1000, 500);
  CHECK(bucket.ready_at(0, 501) == 0);
  CHECK(bucket.ready_at(0, end_of_time) == 0);
  bucket.take(0, 500);
  CHECK(bucket.ready_at(0, 500) == second / 2);
  CHECK(bucket.ready_at(0, 501) == second / 2);
}

TEST_CASE("L7: a rate or a burst out of bounds is refused with a sentence") {
  for (const std::int64_t rate : {std::int64_t{0}, std::int64_t{-1}, limits::per_second + 1})
    CHECK_THROWS_WITH_AS(token_bucket(rate, 1), "a rate is 1 byte to 100 GiB a second",
                         std::invalid_argument);
  for (const std::int64_t burst : {std::int64_t{0}, std::int64_t{-1}, gib + 1, end_of_time})
    CHECK_THROWS_WITH_AS(token_bucket(1, burst), "a burst is 1 byte to 1 GiB",
                         std::invalid_argument);
  CHECK_NOTHROW(token_bucket(1, 1));
  CHECK_NOTHROW(token_bucket(limits::per_second, gib));
}

TEST_CASE("L7: of the keys that were used, the last ones are known") {
  recent_keys<int> keys(2);
  keys.use(1, 0) = 10;
  keys.use(2, 0) = 20;
  CHECK(keys.use(1, 0) == 10);
  CHECK(keys.use(3, 7) == 7); // 2 goes
  CHECK(keys.size() == 2);
  REQUIRE(keys.find(1));
  CHECK(*keys.find(1) == 10); // which is no use of it
  CHECK_FALSE(keys.find(2));
  CHECK(keys.use(2, 0) == 0); // 1 goes
  CHECK_FALSE(keys.find(1));
  CHECK(keys.find(3));
  CHECK_THROWS_AS(recent_keys<int>(0), std::invalid_argument);
  recent_keys<int> one(1);
  for (int i = 0; i < 1000; ++i) one.use(std::uint64_t(i), i);
  CHECK(one.size() == 1);
  CHECK(one.use(999, 0) == 999);
}
