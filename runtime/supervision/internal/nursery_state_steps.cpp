// nursery_state, continued: what events do to one child, and to all.
#include "runtime/supervision/failure_domain.hpp"
#include "runtime/supervision/internal/nursery_command.hpp"

#include <limits>
#include <utility>

namespace creche {

using order = nursery_state::order;

// ---- timers

void nursery_state::set_timer(child_id child, child_row& row, time_point when, commands& out) {
  if (when == time_point::max()) return clear_timer(child, row, out);
  row.at = when;
  row.timed = true;
  say(out, order::wait_until, child, row.incarnation).when = when;
}

void nursery_state::clear_timer(child_id child, child_row& row, commands& out) {
  if (!row.timed) return;
  row.timed = false;
  if (row.grouped && row.phase == child_phase::waiting) {
    --rare_->groups[row.group].timers;
    rare_->touched.push_back(row.group);
  }
  say(out, order::forget_timer, child, row.incarnation);
}

void nursery_state::set_timer(clock_duration limit, time_point now, commands& out) {
  if (limit == no_limit) return clear_timer(out);
  rare().at = later(now, limit);
  timed_ = true;
  say(out, order::wait_until, none, 0).when = rare_or_none().at;
}

void nursery_state::clear_timer(commands& out) {
  if (std::exchange(timed_, false)) say(out, order::forget_timer, none, 0);
}

// ---- one child

void nursery_state::launch(child_id child, child_row& row, time_point now, commands& out) {
  if (!row.fresh && ++row.incarnation == 0) row.incarnation = 1;
  row.fresh = false;
  row.phase = child_phase::running;
  row.late = row.leaves = false;
  row.unready = row.rules->says_ready || row.rules->ready_within != no_limit;
  row.at = now;
  say(out, order::launch, child, row.incarnation);
  if (row.rules->ready_within != no_limit)
    set_timer(child, row, later(now, row.rules->ready_within), out);
}

// It waited.
void nursery_state::relaunch(child_id child, child_row& row, time_point now, commands& out) {
  --waiting_;
  if (!row.fresh) ++rare().counts.restarted;
  launch(child, row, now, out);
}

// Whether the child is to run again. The budget is judged as of its next launch, so that waiting
// burns none of it.
bool nursery_state::restart(child_id child, child_row& row, how end, time_point now,
                            commands& out) {
  const auto& wait = row.rules->backoff;
  // `at` says since when it is ready
  if (row.failures != 0 && !row.unready && now >= later(row.at, wait.reset_after)) row.failures = 0;
  if (row.failures != std::numeric_limits<std::uint16_t>::max()) ++row.failures;
  const auto random = random_ ? random_(random_arg_) : 0;
  auto next = later(now, wait.delay(row.failures, random));
  bool spends = true;
  if (auto* domain = row.rules->domain) {
    const auto again = domain->failed(now, random, &spends);
    if (!again) return false;
    next = *again;
  } else if (!rare().window.admit(next, now)) {
    return false;
  }
  const auto first = out.size();
  if (is_failure(end)) say_restarting(out, child, row, end, next);
  if (strategy_ != strategy::one_for_one || row.needed) {
    begin_group(child, row, next, now, out);
  } else if (next > now) {
    row.phase = child_phase::waiting;
    ++waiting_;
    set_timer(child, row, next, out);
  } else if (row.needs && !needs_are_met(child)) {
    wait_for_needs(child, row, out);
  } else {
    ++rare().counts.restarted;
    launch(child, row, now, out);
  }
  out[first].spends = spends;
  return true;
}

void nursery_state::say_restarting(commands& out, child_id child, const child_row& row, how end,
                                   time_point when) {
  auto& told = say(out, order::report, child, row.incarnation);
  told.ended = end;
  told.then = verdict::restarting;
  told.when = when;
}

void nursery_state::report(child_id child, const child_row* row, how end, verdict then,
                           bool over_budget, commands& out) {
  if (then == verdict::ignored)
    ++rare().counts.ignored;
  else
    failed_ = true;
  auto& told = say(out, order::report, child, row ? row->incarnation : 0);
  told.ended = end;
  told.then = then;
  told.over_budget = over_budget;
}

void nursery_state::stop_row(child_id child, child_row& row, time_point now, commands& out) {
  const auto limit = row.rules->stop_within;
  if (is_idle(row.phase) || limit <= clock_duration::zero())
    return cancel_row(child, row, now, out);
  if (row.phase != child_phase::running) return;
  clear_timer(child, row, out); // for ready
  row.phase = child_phase::draining;
  say(out, order::stop, child, row.incarnation);
  if (limit != no_limit) set_timer(child, row, later(now, limit), out);
}

void nursery_state::cancel_row(child_id child, child_row& row, time_point now, commands& out) {
  if (row.phase >= child_phase::cancelling) return;
  clear_timer(child, row, out);
  if (row.phase == child_phase::waiting) return forget(child, row, how::cancelled, out);
  if (row.phase == child_phase::done) return forget(child, row, how::completed, out);
  row.phase = child_phase::cancelling;
  say(out, order::cancel, child, row.incarnation);
  const auto limit = row.rules->cancel_within;
  if (limit == no_limit) return;
  if (limit > clock_duration::zero())
    set_timer(child, row, later(now, limit), out);
  else
    kill_row(child, row, now, out);
}

void nursery_state::kill_row(child_id child, child_row& row, time_point now, commands& out) {
  if (row.phase == child_phase::killing) return;
  const bool was_idle = is_idle(row.phase);
  cancel_row(child, row, now, out);
  if (was_idle || row.phase == child_phase::killing) return;
  clear_timer(child, row, out);
  row.phase = child_phase::killing;
  ++rare().counts.killed;
  say(out, order::kill, child, row.incarnation);
  if (row.rules->owns_all && !row.awaited && limits().kill != no_limit)
    set_timer(child, row, later(now, limits().kill), out);
}

// It completed, and runs again if its group does.
void nursery_state::rest(child_id child, child_row& row, commands& out) {
  row.phase = child_phase::done;
  ++done_;
  significant_ -= row.rules->significant;
  say(out, order::rest, child, row.incarnation);
}

void nursery_state::forget(child_id child, child_row& row, how end, commands& out) {
  leave_group(row);
  if (row.phase == child_phase::waiting) --waiting_;
  if (row.phase == child_phase::done)
    --done_;
  else
    significant_ -= row.rules->significant;
  completed_ += end == how::completed;
  cancelled_ += end == how::cancelled;
  if (row.needs || row.needed) forget_needs(child, row);
  (row.older == none ? oldest_ : rows_[row.older].newer) = row.newer;
  (row.newer == none ? newest_ : rows_[row.newer].older) = row.older;
  row.phase = child_phase::gone;
  row.newer = free_;
  free_ = child;
  --live_;
  say(out, order::forget, child, row.incarnation).ended = end;
}

bool nursery_state::is_last_significant() const noexcept {
  switch (auto_shutdown_) {
  case auto_shutdown::never: return false;
  case auto_shutdown::any: return true;
  case auto_shutdown::all: return significant_ == 1;
  }
  return false;
}

// ---- the nursery

void nursery_state::cancel_body(commands& out) {
  if (!body_live_ || body_told_) return;
  body_told_ = true;
  say(out, order::cancel_body, none, 0);
}

void nursery_state::cancel_all(time_point now, commands& out) {
  if (phase_ >= phase::cancelling) return; // all were told
  phase_ = phase::cancelling;
  set_timer(limits().cancel, now, out);
  cancel_body(out);
  for (auto next = newest_; next != none;) {
    auto& row = rows_[next];
    const auto id = std::exchange(next, row.older); // the row may be forgotten
    cancel_row(id, row, now, out);
  }
}

void nursery_state::kill_all(time_point now, commands& out) {
  cancel_all(now, out);
  if (phase_ >= phase::killing) return;
  phase_ = phase::killing;
  clear_timer(out);
  if (body_live_) say(out, order::kill_body, none, 0);
  for (auto next = newest_; next != none;) {
    auto& row = rows_[next];
    const auto id = std::exchange(next, row.older);
    kill_row(id, row, now, out);
  }
}

void nursery_state::begin_stop(time_point now, commands& out) {
  phase_ = phase::draining;
  set_timer(limits().drain, now, out);
  forget_idle(now, out);
  cancel_body(out);
  stop_newest(now, out);
}

// The orderly stop goes on when the body, or the one before, has ended.
void nursery_state::stop_newest(time_point now, commands& out) {
  if (!body_live_ && newest_ != none) stop_row(newest_, rows_[newest_], now, out);
}

void nursery_state::finish_if_done(time_point now, commands& out) {
  if (phase_ == phase::finished || body_live_ || live_ != done_) return;
  forget_idle(now, out);
  clear_timer(out);
  phase_ = phase::finished;
  auto end = how::completed;
  if (was_cancelled_ && saw_cancelled_) end = how::cancelled;
  if (failed_) end = how::failed;
  say(out, order::finish, none, 0).ended = end;
}

} // namespace creche
