#include "runtime/nursery_state.hpp"

#include "runtime/internal/nursery_command.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace creche {

using order = nursery_state::order;

constinit const nursery_state::seldom nursery_state::nothing_seldom;

nursery_state::nursery_state(const nursery_rules& rules, bool has_body, random_function random,
                             void* random_arg)
    : has_body_(has_body), body_live_(has_body), held_open_(!has_body), random_(random),
      random_arg_(random_arg), strategy_(rules.strategy), auto_shutdown_(rules.auto_shutdown) {
  const auto& [drain, cancel, kill] = rules.limits;
  const auto& usual = nothing_seldom.window.budget();
  if (rules.budget.restarts != usual.restarts || rules.budget.within != usual.within)
    had().window = restart_window(rules.budget);
  if (std::min({drain, cancel, kill}) != no_limit) had().limits = rules.limits;
}

// ---- events

std::optional<nursery_state::child_id> nursery_state::add(const child_rules& rules, time_point now,
                                                          commands& out,
                                                          std::span<const child_id> needs) {
  if (phase_ == phase::draining || phase_ == phase::finished) {
    ++had().counts.refused;
    return std::nullopt;
  }
  // while commands wait, one of them may be the last of who had the id
  auto id = out.empty() ? free_ : none;
  if (id == none) {
    id = static_cast<child_id>(rows_.size());
    rows_.emplace_back();
  } else {
    free_ = rows_[id].newer;
  }
  auto& r = rows_[id];
  r.rules = &rules;
  r.failures = 0;
  r.group = no_group;
  r.timed = r.grouped = r.leaves = r.in_turn = r.unready = r.late = r.needed = r.marked = false;
  r.fresh = true;
  if (++r.incarnation == 0) r.incarnation = 1; // 0 says "none" in queries
  r.born = r.incarnation;
  significant_ += rules.significant;
  r.older = newest_;
  r.newer = none;
  (newest_ == none ? oldest_ : rows_[newest_].newer) = id;
  newest_ = id;
  ++live_;
  ++added_;
  r.needs = !needs.empty();
  for (const auto n : needs) {
    had().needs.push_back({id, n});
    rows_[n].needed = true;
  }
  const auto ready = [this](child_id n) { return is_ready(n); };
  if (!std::all_of(needs.begin(), needs.end(), ready)) {
    wait_for_needs(id, r, out);
  } else {
    launch(id, r, now, out);
  }
  // Trio: a task that starts in a cancelled scope runs to its first checkpoint.
  if (phase_ == phase::cancelling) cancel_row(id, r, now, out);
  if (phase_ == phase::killing) kill_row(id, r, now, out);
  return id;
}

void nursery_state::ready(child_id child, std::uint32_t incarnation, time_point now,
                          commands& out) {
  auto* r = find(child);
  if (is_stale(!r || r->incarnation != incarnation || is_idle(r->phase) || !r->unready)) return;
  if (r->phase != child_phase::running) return; // it is to end
  r->unready = false;
  clear_timer(child, *r, out);
  r->at = now;
  if (r->needed && phase_ == phase::open) launch_who_waits(now, out);
}

void nursery_state::ended(child_id child, std::uint32_t incarnation, how h, time_point now,
                          commands& out, bool observed) {
  auto* r = find(child);
  if (is_stale(!r || r->incarnation != incarnation || is_idle(r->phase))) return;
  if (r->in_turn) {
    r->in_turn = false;
    --seldom_->groups[r->group].turns;
  }
  const bool asked = r->grouped || (r->phase != child_phase::running && !r->late);
  clear_timer(child, *r, out);
  if (r->late) h = how::failed;
  r->late = false;
  if (is_failure(h)) ++had().counts.failed;
  if (h == how::cancelled && was_cancelled_) saw_cancelled_ = true;

  const bool open = phase_ == phase::open;
  if (r->grouped && open) {
    if (r->rules->restart != restart::temporary && !r->leaves) {
      if (is_failure(h)) say_restarting(out, child, *r, h, now);
      leave_group(*r);
      join_group(r->group, child, *r, out);
      return go_on_with_group(r->group, now, out);
    }
    leave_group(*r);
  }
  const bool wanted = open && !asked && restarts_after(r->rules->restart, h);
  if (wanted && restart(child, *r, h, now, out)) return;

  const bool ignored = observed || r->rules->ignore_failure;
  const bool escalates = open && (is_failure(h) || wanted) && !ignored;
  if (is_failure(h) || wanted)
    report(child, r, h,
           ignored ? verdict::ignored
           : open  ? verdict::escalated
                   : verdict::collected,
           wanted, out);
  const bool stops = open && !escalates && r->rules->significant && !asked && is_last_significant();
  const bool needed = open && !escalates && !stops && r->needed;
  if (open && strategy_ != strategy::one_for_one && h == how::completed &&
      r->rules->restart == restart::transient && !asked && !stops) {
    r->phase = child_phase::done;
    ++done_;
    significant_ -= r->rules->significant;
    say(out, order::rest, child, incarnation);
    if (needed) launch_who_waits(now, out);
    return finish_if_done(now, out);
  }
  if (needed && h != how::completed) stop_who_needs(child, now, out);
  forget(child, *r, out);
  if (escalates) {
    cancel_all(now, out);
  } else if (stops) {
    begin_stop(now, out);
  } else if (open) {
    go_on_with_groups(now, out);
    if (needed) launch_who_waits(now, out);
  } else if (phase_ == phase::draining) {
    stop_newest(now, out);
  }
  finish_if_done(now, out);
}

void nursery_state::due(child_id child, std::uint32_t incarnation, time_point now, commands& out) {
  if (child == none) { // the nursery's own
    if (is_stale(!timed_)) return;
    if (now < seen().at) {
      say(out, order::wait_until, none, 0).when = seen().at;
      return;
    }
    timed_ = false;
    overran_ |= phase_ == phase::draining;
    if (phase_ == phase::draining)
      cancel_all(now, out);
    else
      kill_all(now, out);
    return finish_if_done(now, out);
  }
  auto* r = find(child);
  if (is_stale(!r || r->incarnation != incarnation || !r->timed)) return;
  if (now < r->at) {
    say(out, order::wait_until, child, incarnation).when = r->at;
    return;
  }
  r->timed = false;
  switch (r->phase) {
  case child_phase::waiting: // only in an open nursery
    if (r->grouped) {
      --seldom_->groups[r->group].timers;
      return go_on_with_group(r->group, now, out);
    }
    if (!r->needs || has_its_needs(child)) return relaunch(child, *r, now, out);
    say(out, order::wait, child, incarnation);
    return;
  case child_phase::running: // and not ready
    r->late = true;
    return cancel_row(child, *r, now, out);
  case child_phase::draining: return cancel_row(child, *r, now, out);
  case child_phase::cancelling: return kill_row(child, *r, now, out);
  case child_phase::killing:
    ++had().counts.abandoned;
    say(out, order::abandon, child, incarnation);
    r->leaves = true;
    r->late = false;
    return ended(child, incarnation, how::killed, now, out);
  case child_phase::gone:
  case child_phase::done: return;
  }
}

void nursery_state::stop_child(child_id child, time_point now, commands& out) {
  auto* r = find(child);
  if (is_stale(!r)) return;
  r->late = false;
  const auto others =
      phase_ == phase::open && r->needed ? stop_who_needs(child, now, out) : no_group;
  if (others != no_group && !is_idle(r->phase)) {
    if (r->grouped && r->group != others) merge_groups(others, r->group);
    stop_with_group(others, *r); // it is the oldest of them
    r->leaves = true;
  } else {
    leave_group(*r);
    stop_row(child, *r, now, out);
  }
  go_on_with_groups(now, out);
  finish_if_done(now, out);
}

void nursery_state::cancel_child(child_id child, time_point now, commands& out) {
  auto* r = find(child);
  if (is_stale(!r)) return;
  if (r->needed) {
    mark_who_needs(child);
    for (auto c = newest_; c != child;) {
      auto& other = rows_[c];
      const auto id = std::exchange(c, other.older);
      if (!other.marked) continue;
      other.marked = false;
      leave_group(other);
      cancel_row(id, other, now, out);
    }
  }
  r->late = false;
  leave_group(*r);
  cancel_row(child, *r, now, out);
  go_on_with_groups(now, out);
  finish_if_done(now, out);
}

void nursery_state::stop(time_point now, commands& out) {
  if (phase_ != phase::open) return;
  begin_stop(now, out);
  finish_if_done(now, out);
}

void nursery_state::cancel(time_point now, commands& out) {
  if (phase_ == phase::finished) return;
  was_cancelled_ = true;
  cancel_all(now, out);
  finish_if_done(now, out);
}

void nursery_state::kill(time_point now, commands& out) {
  if (phase_ == phase::finished) return;
  was_cancelled_ = true;
  kill_all(now, out);
  finish_if_done(now, out);
}

void nursery_state::body_ended(how h, time_point now, commands& out) {
  if (is_stale(!body_live_)) return;
  body_live_ = false;
  const bool was_open = phase_ == phase::open;
  if (is_failure(h)) {
    ++had().counts.failed;
    report(none, nullptr, h, was_open ? verdict::escalated : verdict::collected, false, out);
  }
  if (h == how::cancelled && (was_open || was_cancelled_)) was_cancelled_ = saw_cancelled_ = true;
  if (was_open && h != how::completed) cancel_all(now, out); // Trio: what leaves the body, cancels
  if (phase_ == phase::draining) stop_newest(now, out);
  finish_if_done(now, out);
}

void nursery_state::close_when_empty(time_point now, commands& out) {
  held_open_ = false;
  finish_if_done(now, out);
}

// ---- timers

void nursery_state::set_timer(child_id child, row& r, time_point when, commands& out) {
  if (when == time_point::max()) return clear_timer(child, r, out);
  r.at = when;
  r.timed = true;
  say(out, order::wait_until, child, r.incarnation).when = when;
}

void nursery_state::clear_timer(child_id child, row& r, commands& out) {
  if (!r.timed) return;
  r.timed = false;
  if (r.grouped && r.phase == child_phase::waiting) --seldom_->groups[r.group].timers;
  say(out, order::forget_timer, child, r.incarnation);
}

void nursery_state::set_timer(clock_duration limit, time_point now, commands& out) {
  if (limit == no_limit) return clear_timer(out);
  had().at = later(now, limit);
  timed_ = true;
  say(out, order::wait_until, none, 0).when = seen().at;
}

void nursery_state::clear_timer(commands& out) {
  if (std::exchange(timed_, false)) say(out, order::forget_timer, none, 0);
}

// ---- one child

void nursery_state::launch(child_id child, row& r, time_point now, commands& out) {
  if (!r.fresh && ++r.incarnation == 0) r.incarnation = 1;
  r.fresh = false;
  r.phase = child_phase::running;
  r.late = r.leaves = false;
  r.unready = r.rules->says_ready || r.rules->ready_within != no_limit;
  r.at = now;
  say(out, order::launch, child, r.incarnation);
  if (r.rules->ready_within != no_limit)
    set_timer(child, r, later(now, r.rules->ready_within), out);
}

// It waited.
void nursery_state::relaunch(child_id child, row& r, time_point now, commands& out) {
  --waiting_;
  if (!r.fresh) ++had().counts.restarted;
  launch(child, r, now, out);
}

// Whether the child is to run again. The budget is judged as of its next launch, so that waiting
// burns none of it.
bool nursery_state::restart(child_id child, row& r, how h, time_point now, commands& out) {
  const auto& b = r.rules->backoff;
  // `at` says since when it is ready
  if (r.failures != 0 && !r.unready && now >= later(r.at, b.reset_after)) r.failures = 0;
  if (r.failures != std::numeric_limits<std::uint16_t>::max()) ++r.failures;
  const auto random = random_ ? random_(random_arg_) : 0;
  auto next = later(now, b.delay(r.failures, random));
  if (auto* domain = r.rules->domain) {
    const auto again = domain->failed(now, random);
    if (!again) return false;
    next = *again;
  } else if (!had().window.admit(next, now)) {
    return false;
  }
  if (is_failure(h)) say_restarting(out, child, r, h, next);
  if (strategy_ != strategy::one_for_one || r.needed) {
    begin_group(child, r, next, now, out);
  } else if (next > now) {
    r.phase = child_phase::waiting;
    ++waiting_;
    set_timer(child, r, next, out);
  } else if (r.needs && !has_its_needs(child)) {
    wait_for_needs(child, r, out);
  } else {
    ++had().counts.restarted;
    launch(child, r, now, out);
  }
  return true;
}

void nursery_state::say_restarting(commands& out, child_id child, const row& r, how h,
                                   time_point when) {
  auto& c = say(out, order::report, child, r.incarnation);
  c.ended = h;
  c.then = verdict::restarting;
  c.when = when;
}

void nursery_state::report(child_id child, const row* r, how h, verdict then, bool over_budget,
                           commands& out) {
  if (then == verdict::ignored)
    ++had().counts.ignored;
  else
    failed_ = true;
  auto& c = say(out, order::report, child, r ? r->incarnation : 0);
  c.ended = h;
  c.then = then;
  c.over_budget = over_budget;
}

void nursery_state::stop_row(child_id child, row& r, time_point now, commands& out) {
  const auto limit = r.rules->stop_within;
  if (is_idle(r.phase) || limit <= clock_duration::zero()) return cancel_row(child, r, now, out);
  if (r.phase != child_phase::running) return;
  clear_timer(child, r, out); // for ready
  r.phase = child_phase::draining;
  say(out, order::stop, child, r.incarnation);
  if (limit != no_limit) set_timer(child, r, later(now, limit), out);
}

void nursery_state::cancel_row(child_id child, row& r, time_point now, commands& out) {
  if (r.phase >= child_phase::cancelling) return;
  clear_timer(child, r, out);
  if (is_idle(r.phase)) return forget(child, r, out);
  r.phase = child_phase::cancelling;
  say(out, order::cancel, child, r.incarnation);
  const auto limit = r.rules->cancel_within;
  if (limit == no_limit) return;
  if (limit > clock_duration::zero())
    set_timer(child, r, later(now, limit), out);
  else
    kill_row(child, r, now, out);
}

void nursery_state::kill_row(child_id child, row& r, time_point now, commands& out) {
  if (r.phase == child_phase::killing) return;
  const bool was_idle = is_idle(r.phase);
  cancel_row(child, r, now, out);
  if (was_idle || r.phase == child_phase::killing) return;
  clear_timer(child, r, out);
  r.phase = child_phase::killing;
  ++had().counts.killed;
  say(out, order::kill, child, r.incarnation);
  if (r.rules->owns_all && limits().kill != no_limit)
    set_timer(child, r, later(now, limits().kill), out);
}

void nursery_state::forget(child_id child, row& r, commands& out) {
  leave_group(r);
  if (r.phase == child_phase::waiting) --waiting_;
  if (r.phase == child_phase::done)
    --done_;
  else
    significant_ -= r.rules->significant;
  if (r.needs || r.needed) forget_needs(child, r);
  if (seldom_)
    for (auto& g : seldom_->groups)
      if (g.next == child) g.next = r.older;
  (r.older == none ? oldest_ : rows_[r.older].newer) = r.newer;
  (r.newer == none ? newest_ : rows_[r.newer].older) = r.older;
  r.phase = child_phase::gone;
  r.newer = free_;
  free_ = child;
  --live_;
  say(out, order::forget, child, r.incarnation);
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
  if (phase_ >= phase::cancelling) return; // everybody was told
  phase_ = phase::cancelling;
  set_timer(limits().cancel, now, out);
  cancel_body(out);
  for (auto c = newest_; c != none;) {
    auto& r = rows_[c];
    const auto id = std::exchange(c, r.older); // the row may be forgotten
    cancel_row(id, r, now, out);
  }
}

void nursery_state::kill_all(time_point now, commands& out) {
  cancel_all(now, out);
  if (phase_ >= phase::killing) return;
  phase_ = phase::killing;
  clear_timer(out);
  if (body_live_) say(out, order::kill_body, none, 0);
  for (auto c = newest_; c != none;) {
    auto& r = rows_[c];
    const auto id = std::exchange(c, r.older);
    kill_row(id, r, now, out);
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
  if (phase_ == phase::open && held_open_) return;
  forget_idle(now, out);
  clear_timer(out);
  phase_ = phase::finished;
  const bool cancelled = was_cancelled_ && (saw_cancelled_ || !has_body_);
  say(out, order::finish, none, 0).ended = failed_     ? how::failed
                                           : cancelled ? how::cancelled
                                                       : how::completed;
}

// ---- queries

nursery_state::row* nursery_state::find(child_id child) noexcept {
  return child < rows_.size() && rows_[child].phase != child_phase::gone ? &rows_[child] : nullptr;
}

const nursery_state::row* nursery_state::find(child_id child) const noexcept {
  return const_cast<nursery_state*>(this)->find(child);
}

bool nursery_state::is_stale(bool stale) {
  if (stale) ++had().counts.stale;
  return stale;
}

nursery_state::child_phase nursery_state::phase_of(child_id child) const noexcept {
  const auto* r = find(child);
  return r ? r->phase : child_phase::gone;
}

std::uint32_t nursery_state::incarnation(child_id child) const noexcept {
  const auto* r = find(child);
  return r ? r->incarnation : 0;
}

std::uint32_t nursery_state::first_incarnation(child_id child) const noexcept {
  const auto* r = find(child);
  return r ? r->born : 0;
}

std::uint32_t nursery_state::restarts(child_id child) const noexcept {
  const auto* r = find(child);
  return r ? r->incarnation - r->born : 0;
}

std::uint32_t nursery_state::failures_in_a_row(child_id child) const noexcept {
  const auto* r = find(child);
  return r ? r->failures : 0;
}

std::optional<time_point> nursery_state::next_launch(child_id child) const noexcept {
  const auto* r = find(child);
  if (!r || r->phase != child_phase::waiting || !r->timed) return std::nullopt;
  return r->at;
}

bool nursery_state::is_late(child_id child) const noexcept {
  const auto* r = find(child);
  return r && r->late;
}

nursery_state::child_id nursery_state::waits_for(child_id child) const noexcept {
  const auto* r = find(child);
  if (!r || r->phase != child_phase::waiting || r->timed) return none;
  for (const auto& n : seen().needs)
    if (n.child == child && !is_ready(n.of)) return n.of;
  return none;
}

std::optional<time_point> nursery_state::phase_ends(child_id child) const noexcept {
  if (child == none) return timed_ ? std::optional(seen().at) : std::nullopt;
  const auto* r = find(child);
  if (!r || !r->timed || r->phase < child_phase::draining) return std::nullopt;
  return r->at;
}

nursery_state::child_id nursery_state::next(child_id child) const noexcept {
  const auto* r = find(child);
  return r ? r->newer : none;
}

} // namespace creche
