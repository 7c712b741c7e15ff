// dice.hpp: chance that repeats: splitmix64, the same numbers for the same seed everywhere.
//
// Not thread safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace creche::internal {

/// What splitmix64 makes of one state.
constexpr std::uint64_t mix(std::uint64_t bits) noexcept {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
  return bits ^ (bits >> 31);
}
inline constexpr std::uint64_t mix_step = 0x9e3779b97f4a7c15;

class dice {
public:
  explicit dice(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept { return mix(state_ += mix_step); }
  /// In [0, n). REQUIRES: n > 0.
  std::size_t below(std::size_t n) noexcept { return std::size_t(next() % n); }
  /// Any order, each as likely (Fisher and Yates).
  template <class List> void shuffle(List& list) noexcept {
    for (auto n = list.size(); n > 1; --n) std::swap(list[n - 1], list[below(n)]);
  }

private:
  std::uint64_t state_;
};

} // namespace creche::internal
