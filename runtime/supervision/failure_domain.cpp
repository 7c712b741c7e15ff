#include "runtime/supervision/failure_domain.hpp"

#include "runtime/supervision/internal/spenders.hpp"

#include <limits>
#include <stdexcept>
#include <string>

namespace creche {

failure_domain::failure_domain(const budget& limit, const backoff& wait)
    : wait_(wait), window_(limit) {
  auto wrong = complaint(limit);
  if (wrong.empty()) wrong = complaint(wait);
  if (!wrong.empty()) throw std::invalid_argument("failure_domain: " + std::string(wrong));
}

std::optional<time_point> failure_domain::failed(time_point now, double random, bool* begins) {
  const internal::spin_guard held(held_);
  if (begins) *begins = false;
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
  if (begins) *begins = true;
  return next_ = next;
}

void failure_domain::note_spender(std::string name) {
  const internal::spin_guard held(held_);
  internal::keep_last(spenders_, std::move(name), window_.budget().restarts);
}

std::vector<std::string> failure_domain::spenders() const {
  const internal::spin_guard held(held_);
  return spenders_;
}

std::optional<time_point> failure_domain::closed_until(time_point now) const {
  const internal::spin_guard held(held_);
  return next_ && now < *next_ ? next_ : std::nullopt;
}

failure_domain::statistics failure_domain::counts() const {
  const internal::spin_guard held(held_);
  return counts_;
}

} // namespace creche
