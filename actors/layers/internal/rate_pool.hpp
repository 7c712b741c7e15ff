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

  /// Throws std::invalid_argument, with a sentence.
  explicit rate_pool(const rate_limits& each, std::size_t most_keys = 1);

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

  const buckets fresh_;
  mutable std::mutex lock_;
  mutable rate::recent_keys<buckets> known_;
};

} // namespace creche::internal
