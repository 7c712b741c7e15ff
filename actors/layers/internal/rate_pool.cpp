#include "actors/layers/internal/rate_pool.hpp"

#include <algorithm>
#include <stdexcept>

namespace creche::internal {

namespace {

constexpr std::int64_t least_usual_burst = 1024;

std::optional<rate::turns> bucket_of(const byte_rate& limit) {
  if (!limit.per_second) {
    if (limit.burst) throw std::invalid_argument("rate_limit: a burst needs a rate");
    return {};
  }
  const auto usual = std::clamp(*limit.per_second / 10, least_usual_burst, rate::limits::burst);
  return rate::turns(*limit.per_second, limit.burst.value_or(usual));
}

} // namespace

rate_pool::rate_pool(const rate_limits& each, std::size_t most_keys, users who)
    : fresh_{bucket_of(each.in), bucket_of(each.out)}, one_user_(who == users::one),
      known_(most_keys) {
  if (!fresh_.in && !fresh_.out)
    throw std::invalid_argument("rate_limit needs a rate, like rate_limit({.in = {.per_second = "
                                "1 << 20}})");
}

rate::grant rate_pool::ask(key who, rate_way way, time_point now, std::int64_t bytes,
                           bool whole) const {
  const auto guard = locked();
  return known_.use(who, fresh_).of(way)->ask(now.time_since_epoch().count(), bytes, whole);
}

void rate_pool::put_back(key who, rate_way way, std::int64_t bytes) const noexcept {
  const auto guard = locked();
  if (auto* known = known_.find(who)) known->of(way)->put_back(bytes);
}

} // namespace creche::internal
