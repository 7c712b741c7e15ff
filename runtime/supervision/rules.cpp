#include "runtime/supervision/rules.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace creche {

namespace {

bool within_0_and_1(double share) noexcept { return share >= 0 && share <= 1; } // false for NaN

} // namespace

clock_duration backoff::delay(unsigned failures_in_a_row, double random) const noexcept {
  if (first <= clock_duration::zero() || most <= clock_duration::zero() || failures_in_a_row == 0)
    return clock_duration::zero();
  const auto top = static_cast<double>(most.count());
  const double grown = static_cast<double>(first.count()) *
                       std::pow(std::max(factor, 1.0), static_cast<double>(failures_in_a_row - 1));
  const bool capped = !(grown < top); // infinity and NaN as well
  if (!within_0_and_1(random)) random = 0;
  const double left = within_0_and_1(jitter) ? 1 - jitter * random : 1;
  if (left == 1)
    return capped ? clock_duration(most) : clock_duration(static_cast<std::int64_t>(grown));
  // Below `top` by a factor under 1, so the conversion cannot overflow.
  const double cut = (capped ? top : grown) * left;
  return cut < top ? clock_duration(static_cast<std::int64_t>(cut)) : clock_duration(most);
}

// ---- what makes no sense

std::string_view complaint(const backoff& wait) noexcept {
  if (wait.first < clock_duration::zero()) return "backoff.first must not be negative";
  if (wait.most < wait.first) return "backoff.most must not be less than backoff.first";
  if (!(wait.factor >= 1) || wait.factor == std::numeric_limits<double>::infinity())
    return "backoff.factor must be a number of 1 or more";
  if (!within_0_and_1(wait.jitter)) return "backoff.jitter must lie between 0 and 1";
  if (wait.reset_after < clock_duration::zero()) return "backoff.reset_after must not be negative";
  return {};
}

std::string_view complaint(const budget& limit) noexcept {
  if (limit.within <= clock_duration::zero()) return "budget.within must be more than nothing";
  return {};
}

std::string_view complaint(const stop_limits& limits) noexcept {
  for (auto limit : {limits.drain, limits.cancel, limits.kill})
    if (limit < clock_duration::zero()) return "a limit of its stop is negative";
  return {};
}

std::string_view complaint(const child_rules& rules) noexcept {
  if (auto text = complaint(rules.backoff); !text.empty()) return text;
  if (rules.stop_within < clock_duration::zero()) return "stop_within is negative";
  if (rules.cancel_within < clock_duration::zero()) return "cancel_within is negative";
  if (rules.ready_within <= clock_duration::zero()) return "ready_within must be more than nothing";
  if (rules.significant && rules.restart == restart::permanent)
    return "it is significant, and permanent: it never ends for good";
  return {};
}

// ---- as text

std::string_view to_text(restart policy) noexcept {
  switch (policy) {
  case restart::permanent: return "permanent";
  case restart::transient: return "transient";
  case restart::temporary: return "temporary";
  }
  return "unknown";
}

std::string_view to_text(strategy choice) noexcept {
  switch (choice) {
  case strategy::one_for_one: return "one_for_one";
  case strategy::one_for_all: return "one_for_all";
  case strategy::rest_for_one: return "rest_for_one";
  }
  return "unknown";
}

std::string_view to_text(auto_shutdown choice) noexcept {
  switch (choice) {
  case auto_shutdown::never: return "never";
  case auto_shutdown::any: return "any";
  case auto_shutdown::all: return "all";
  }
  return "unknown";
}

std::string span_text(clock_duration span) {
  struct unit {
    std::int64_t nanoseconds;
    const char* name;
  };
  constexpr unit units[] = {
      {3'600'000'000'000, " h"}, {60'000'000'000, " min"}, {1'000'000'000, " s"},
      {1'000'000, " ms"},        {1'000, " us"},           {1, " ns"}};
  const auto count = span.count();
  if (count == 0) return "0 s";
  for (const auto& unit : units)
    if (count % unit.nanoseconds == 0) return std::to_string(count / unit.nanoseconds) + unit.name;
  return {}; // not reached: everything is a whole number of nanoseconds
}

std::string exhausted_text(const budget& limit) {
  return "restart budget exhausted: " + std::to_string(limit.restarts) + " in " +
         span_text(limit.within);
}

} // namespace creche
