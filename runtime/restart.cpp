#include "runtime/restart.hpp"

#include "runtime/internal/spin.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace creche {

std::string span_text(clock_duration d) {
  struct unit {
    std::int64_t nanoseconds;
    const char* name;
  };
  constexpr unit units[] = {
      {3'600'000'000'000, " h"}, {60'000'000'000, " min"}, {1'000'000'000, " s"},
      {1'000'000, " ms"},        {1'000, " us"},           {1, " ns"}};
  const auto n = d.count();
  if (n == 0) return "0 s";
  for (const auto& u : units)
    if (n % u.nanoseconds == 0) return std::to_string(n / u.nanoseconds) + u.name;
  return {}; // not reached: everything is a whole number of nanoseconds
}

namespace {

bool within_0_and_1(double x) noexcept { return x >= 0 && x <= 1; } // false for NaN

} // namespace

std::string_view to_text(restart policy) noexcept {
  switch (policy) {
  case restart::permanent: return "permanent";
  case restart::transient: return "transient";
  case restart::temporary: return "temporary";
  }
  return "unknown";
}

clock_duration backoff::delay(unsigned failures_in_a_row, double random) const noexcept {
  if (first <= clock_duration::zero() || most <= clock_duration::zero() || failures_in_a_row == 0)
    return clock_duration::zero();
  const auto top = static_cast<double>(most.count());
  const double grown = static_cast<double>(first.count()) *
                       std::pow(std::max(factor, 1.0), static_cast<double>(failures_in_a_row - 1));
  const bool capped = !(grown < top); // infinity and NaN as well
  if (!within_0_and_1(random)) random = 0;
  const double left = within_0_and_1(jitter) ? 1 - jitter * random : 1;
  if (left == 1) return capped ? most : clock_duration(static_cast<std::int64_t>(grown));
  // Below `top` by a factor under 1, so the conversion cannot overflow.
  const double cut = (capped ? top : grown) * left;
  return cut < top ? clock_duration(static_cast<std::int64_t>(cut)) : most;
}

std::string exhausted_text(const budget& b) {
  return "restart budget exhausted: " + std::to_string(b.restarts) + " in " + span_text(b.within);
}

std::string_view complaint(const backoff& b) noexcept {
  if (b.first < clock_duration::zero()) return "backoff.first must not be negative";
  if (b.most < b.first) return "backoff.most must not be less than backoff.first";
  if (!(b.factor >= 1) || b.factor == std::numeric_limits<double>::infinity())
    return "backoff.factor must be a number of 1 or more";
  if (!within_0_and_1(b.jitter)) return "backoff.jitter must lie between 0 and 1";
  if (b.reset_after < clock_duration::zero()) return "backoff.reset_after must not be negative";
  return {};
}

std::string_view complaint(const budget& b) noexcept {
  if (b.within <= clock_duration::zero()) return "budget.within must be more than nothing";
  return {};
}

failure_domain::failure_domain(const budget& limit, const backoff& wait)
    : wait_(wait), window_(limit) {
  auto wrong = complaint(limit);
  if (wrong.empty()) wrong = complaint(wait);
  if (!wrong.empty()) throw std::invalid_argument("failure_domain: " + std::string(wrong));
}

std::optional<time_point> failure_domain::failed(time_point now, double random) {
  const internal::spin_guard held(held_);
  ++counts_.failures;
  if (next_ && now < *next_) return next_; // of the same outage
  if (next_ && now >= later(*next_, wait_.reset_after)) in_a_row_ = 0;
  if (in_a_row_ != std::numeric_limits<unsigned>::max()) ++in_a_row_;
  const auto next = later(now, wait_.delay(in_a_row_, random));
  if (!window_.admit(next, now)) {
    ++counts_.refused;
    return std::nullopt;
  }
  ++counts_.outages;
  return next_ = next;
}

std::optional<time_point> failure_domain::closed_until(time_point now) const {
  const internal::spin_guard held(held_);
  return next_ && now < *next_ ? next_ : std::nullopt;
}

failure_domain::statistics failure_domain::counts() const {
  const internal::spin_guard held(held_);
  return counts_;
}

bool restart_window::admit(time_point launch_time, time_point now) {
  const auto past = [&](time_point t) { return later(t, budget_.within) < now; };
  const auto keep = std::find_if_not(launches_.begin(), launches_.end(), past);
  launches_.erase(launches_.begin(), keep);

  // With the new one in its place: do any restarts + 1 neighbours, it among them, lie too close?
  const auto place = std::upper_bound(launches_.begin(), launches_.end(), launch_time);
  const auto before = static_cast<std::size_t>(place - launches_.begin());
  const auto at = [&](std::size_t i) {
    return i < before ? launches_[i] : i == before ? launch_time : launches_[i - 1];
  };
  const std::size_t most = budget_.restarts;
  for (auto i = before > most ? before - most : 0; i <= before; ++i) {
    if (i + most > launches_.size()) break;
    if (at(i + most) <= later(at(i), budget_.within)) return false;
  }
  launches_.insert(place, launch_time);
  return true;
}

} // namespace creche
