// rate_pool.hpp: the buckets of a rate limit: one of each direction for every key. All that have
// the limit together look into the same pool; what they do there is a few steps under a lock.
// Any thread.
#pragma once

#include "actors/layers/rate_limit.hpp"
#include "protocols/rate/recent_keys.hpp"
#include "protocols/rate/turns.hpp"
#include "runtime/time/clock.hpp"

#include <mutex>
#include <optional>

namespace creche::internal {

enum class rate_way : std::uint8_t { in, out };

class rate_pool {
public:
  using key = std::uint64_t;

  enum class users : std::uint8_t { one, many };

  /// Throws std::invalid_argument, with a sentence. One layer's own needs no lock.
  explicit rate_pool(const rate_limits& each, std::size_t most_keys = 1, users who = users::many);

  bool limits(rate_way way) const noexcept { return bool(fresh_.of(way)); }
  /// See rate::turns. REQUIRES: that way is limited.
  rate::grant ask(key who, rate_way way, time_point now, std::int64_t bytes, bool whole) const;
  void put_back(key who, rate_way way, std::int64_t bytes) const noexcept;

private:
  struct buckets {
    std::optional<rate::turns> in, out;
    const std::optional<rate::turns>& of(rate_way way) const noexcept {
      return way == rate_way::in ? in : out;
    }
    std::optional<rate::turns>& of(rate_way way) noexcept { return way == rate_way::in ? in : out; }
  };

  std::unique_lock<std::mutex> locked() const {
    return one_user_ ? std::unique_lock(lock_, std::defer_lock) : std::unique_lock(lock_);
  }

  const buckets fresh_;
  const bool one_user_;
  mutable std::mutex lock_;
  mutable rate::recent_keys<buckets> known_;
};

} // namespace creche::internal
