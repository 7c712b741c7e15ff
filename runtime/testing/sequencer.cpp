#include "runtime/testing/sequencer.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace creche::testing {

void sequencer::claim(std::uint32_t n) {
  if (std::find(claimed_.begin(), claimed_.end(), n) != claimed_.end())
    throw std::logic_error("sequencer: turn " + std::to_string(n) + " is used twice");
  fail_if_broken();
  claimed_.push_back(n);
}

void sequencer::fail_if_broken() const {
  if (broken_by_)
    throw std::logic_error("sequencer: broken: the task that waited for turn " +
                           std::to_string(*broken_by_) + " was cancelled");
}

void sequencer::done(std::uint32_t n) noexcept {
  next_ = n + 1;
  for (auto* each = waiting_.first(); each; each = each->next())
    if (static_cast<at_awaiter*>(each)->n_ == next_) return each->wake();
}

void sequencer::break_by(std::uint32_t n) noexcept {
  if (!broken_by_) broken_by_ = n;
  waiting_.wake_all();
}

sequencer::at_awaiter::~at_awaiter() {
  if (claimed_) of_.break_by(n_);
}

bool sequencer::at_awaiter::await_ready() {
  of_.claim(n_);
  claimed_ = true;
  return of_.next_ == n_ && run().may_go_on();
}

void sequencer::at_awaiter::begin_wait() noexcept {
  if (of_.next_ == n_) return run().yield();
  wait_in(of_.waiting_);
}

sequencer::turn sequencer::at_awaiter::await_resume() {
  claimed_ = false;
  of_.fail_if_broken();
  return turn(of_, n_);
}

} // namespace creche::testing
