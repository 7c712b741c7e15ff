#include "runtime/nursery_state.hpp"

#include <limits>

namespace creche {

using order = nursery_state::order;

namespace {

// Written where it lies: to copy a command in is slow, for it is stored in bytes and loaded in
// words.
nursery_state::command& say(nursery_state::commands& out, order what, nursery_state::child_id child,
                            std::uint32_t incarnation) {
  auto& c = out.emplace_back();
  c.what = what;
  c.child = child;
  c.incarnation = incarnation;
  return c;
}

bool is_idle(nursery_state::child_phase p) noexcept {
  return p == nursery_state::child_phase::waiting || p == nursery_state::child_phase::done;
}

} // namespace

nursery_state::nursery_state(const nursery_rules& rules, bool has_body, random_function random,
                             void* random_arg)
    : has_body_(has_body), body_live_(has_body), held_open_(!has_body), random_(random),
      random_arg_(random_arg), window_(rules.budget), strategy_(rules.strategy),
      auto_shutdown_(rules.auto_shutdown) {}

// ---- events

std::optional<nursery_state::child_id> nursery_state::add(const child_rules& rules, commands& out) {
  if (phase_ == phase::stopping || phase_ == phase::finished) {
    ++counts_.refused;
    return std::nullopt;
  }
  auto id = free_;
  if (id == none) {
    id = static_cast<child_id>(rows_.size());
    rows_.emplace_back();
  } else {
    free_ = rows_[id].newer;
  }
  auto& r = rows_[id];
  r.rules = &rules;
  r.at = {}; // not looked at: a first failure has no past to forgive
  r.failures = 0;
  r.grouped = r.timed = false;
  significant_ += rules.significant;
  r.older = newest_;
  r.newer = none;
  (newest_ == none ? oldest_ : rows_[newest_].newer) = id;
  newest_ = id;
  ++live_;
  ++counts_.added;
  launch(id, r, out);
  r.born = r.incarnation;
  // Trio: a task that starts in a cancelled scope runs to its first checkpoint.
  if (phase_ == phase::cancelling) cancel_row(id, r, out);
  return id;
}

void nursery_state::ended(child_id child, std::uint32_t incarnation, how h, time_point now,
                          commands& out, bool observed) {
  auto* r = find(child);
  if (is_stale(!r || r->incarnation != incarnation || r->phase == child_phase::waiting ||
               r->phase == child_phase::done))
    return;
  if (child == group_stops_) group_stops_ = none;
  const bool asked = r->phase != child_phase::running || r->grouped;
  if (r->phase == child_phase::stopping && r->at != time_point::max())
    say(out, order::forget_timer, child, incarnation);
  if (is_failure(h)) ++counts_.failed;
  if (h == how::cancelled && was_cancelled_) saw_cancelled_ = true;

  if (r->grouped && phase_ == phase::open) {
    if (r->rules->restart != restart::temporary) {
      if (is_failure(h)) say_restarting(out, child, *r, h, now);
      leave_group(*r);
      join_group(child, *r, out);
      return go_on_with_group(now, out);
    }
    leave_group(*r);
  }
  const bool wanted = phase_ == phase::open && !asked && restarts_after(r->rules->restart, h);
  if (wanted && restart(child, *r, h, now, out)) return;

  const bool ignored = observed || r->rules->ignore_failure;
  const bool escalates = (is_failure(h) || wanted) && !ignored;
  if (is_failure(h) || wanted)
    report(child, r, h,
           ignored                 ? verdict::ignored
           : phase_ == phase::open ? verdict::escalated
                                   : verdict::collected,
           wanted, out);
  const bool stops = r->rules->significant && !asked && is_last_significant();
  if (phase_ == phase::open && strategy_ != strategy::one_for_one && h == how::completed &&
      r->rules->restart == restart::transient && !asked && !stops) {
    r->phase = child_phase::done;
    ++done_;
    significant_ -= r->rules->significant;
    say(out, order::rest, child, incarnation);
    return finish_if_done(out);
  }
  forget(child, *r, out);
  if (phase_ == phase::open) {
    if (escalates)
      cancel_all(out);
    else if (stops)
      begin_stop(now, out);
    else
      go_on_with_group(now, out);
  } else if (phase_ == phase::stopping) {
    stop_newest(now, out);
  }
  finish_if_done(out);
}

void nursery_state::due(child_id child, std::uint32_t incarnation, time_point now, commands& out) {
  auto* r = find(child);
  const bool waits = r && r->incarnation == incarnation &&
                     ((r->phase == child_phase::waiting && r->timed) ||
                      (r->phase == child_phase::stopping && r->at != time_point::max()));
  if (is_stale(!waits)) return;
  if (now < r->at) {
    say(out, order::wait_until, child, incarnation).when = r->at;
  } else if (r->phase == child_phase::waiting) { // only in an open nursery
    r->timed = false;
    if (r->grouped) {
      --group_timers_;
      return go_on_with_group(now, out);
    }
    --waiting_;
    ++counts_.restarted;
    r->at = now;
    launch(child, *r, out);
  } else {
    r->phase = child_phase::cancelling;
    say(out, order::cancel, child, incarnation);
  }
}

void nursery_state::stop_child(child_id child, time_point now, commands& out) {
  auto* r = find(child);
  if (is_stale(!r)) return;
  leave_group(*r);
  stop_row(child, *r, now, out);
  go_on_with_group(now, out);
  finish_if_done(out);
}

void nursery_state::cancel_child(child_id child, time_point now, commands& out) {
  auto* r = find(child);
  if (is_stale(!r)) return;
  leave_group(*r);
  cancel_row(child, *r, out);
  go_on_with_group(now, out);
  finish_if_done(out);
}

void nursery_state::stop(time_point now, commands& out) {
  if (phase_ != phase::open) return;
  begin_stop(now, out);
  finish_if_done(out);
}

void nursery_state::cancel(commands& out) {
  if (phase_ == phase::finished) return;
  was_cancelled_ = true;
  cancel_all(out);
  finish_if_done(out);
}

void nursery_state::body_ended(how h, time_point now, commands& out) {
  if (is_stale(!body_live_)) return;
  body_live_ = false;
  const bool was_open = phase_ == phase::open;
  if (is_failure(h)) {
    ++counts_.failed;
    report(none, nullptr, h, was_open ? verdict::escalated : verdict::collected, false, out);
  }
  if (h == how::cancelled && (was_open || was_cancelled_)) was_cancelled_ = saw_cancelled_ = true;
  if (was_open && h != how::completed) cancel_all(out); // Trio: whatever leaves the body, cancels
  if (phase_ == phase::stopping) stop_newest(now, out);
  finish_if_done(out);
}

void nursery_state::close_when_empty(commands& out) {
  held_open_ = false;
  finish_if_done(out);
}

// ---- one child

void nursery_state::launch(child_id child, row& r, commands& out) {
  if (++r.incarnation == 0) r.incarnation = 1; // 0 says "none" in queries
  r.phase = child_phase::running;
  say(out, order::launch, child, r.incarnation);
}

// Whether the child is to run again. The budget is judged as of its next launch, so that waiting
// burns none of it.
bool nursery_state::restart(child_id child, row& r, how h, time_point now, commands& out) {
  const auto& b = r.rules->backoff;
  if (r.failures != 0 && now >= later(r.at, b.reset_after)) r.failures = 0;
  if (r.failures != std::numeric_limits<std::uint32_t>::max()) ++r.failures;
  const auto next = later(now, b.delay(r.failures, random_ ? random_(random_arg_) : 0));
  if (!window_.admit(next, now)) return false;
  if (is_failure(h)) say_restarting(out, child, r, h, next);
  if (strategy_ != strategy::one_for_one) {
    begin_group(child, r, next, now, out);
    return true;
  }
  r.at = next;
  if (next > now) {
    r.phase = child_phase::waiting;
    r.timed = true;
    ++waiting_;
    say(out, order::wait_until, child, r.incarnation).when = next;
  } else {
    ++counts_.restarted;
    launch(child, r, out);
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
    ++counts_.ignored;
  else
    failed_ = true;
  auto& c = say(out, order::report, child, r ? r->incarnation : 0);
  c.ended = h;
  c.then = then;
  c.over_budget = over_budget;
}

void nursery_state::stop_row(child_id child, row& r, time_point now, commands& out) {
  const auto limit = r.rules->stop_within;
  if (is_idle(r.phase) || limit <= clock_duration::zero()) return cancel_row(child, r, out);
  if (r.phase != child_phase::running) return;
  r.phase = child_phase::stopping;
  r.at = limit == no_limit ? time_point::max() : later(now, limit);
  say(out, order::stop, child, r.incarnation);
  if (r.at != time_point::max()) say(out, order::wait_until, child, r.incarnation).when = r.at;
}

void nursery_state::cancel_row(child_id child, row& r, commands& out) {
  if (r.phase == child_phase::waiting
          ? r.timed
          : r.phase == child_phase::stopping && r.at != time_point::max())
    say(out, order::forget_timer, child, r.incarnation);
  if (is_idle(r.phase)) return forget(child, r, out);
  if (r.phase == child_phase::cancelling) return;
  r.phase = child_phase::cancelling;
  say(out, order::cancel, child, r.incarnation);
}

void nursery_state::forget(child_id child, row& r, commands& out) {
  leave_group(r);
  if (r.phase == child_phase::waiting) --waiting_;
  if (r.phase == child_phase::done)
    --done_;
  else
    significant_ -= r.rules->significant;
  if (group_next_ == child) group_next_ = r.older;
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

// ---- the group that restarts

void nursery_state::begin_group(child_id child, row& r, time_point next, time_point now,
                                commands& out) {
  join_group(child, r, out);
  r.at = next;
  r.timed = next > now;
  if (r.timed) {
    ++group_timers_;
    say(out, order::wait_until, child, r.incarnation).when = next;
  }
  for (auto c = strategy_ == strategy::one_for_all ? oldest_ : r.newer; c != none;
       c = rows_[c].newer) {
    auto& other = rows_[c];
    if (other.grouped) continue;
    if (other.phase == child_phase::done) {
      join_group(c, other, out);
    } else if (other.phase == child_phase::running) {
      other.grouped = true;
      ++group_ends_;
    }
  }
  group_next_ = newest_;
  go_on_with_group(now, out);
}

// It has ended, and is launched with the others.
void nursery_state::join_group(child_id child, row& r, commands& out) {
  if (r.phase == child_phase::done) {
    --done_;
    significant_ += r.rules->significant;
  }
  r.phase = child_phase::waiting;
  r.grouped = true;
  r.timed = false;
  ++waiting_;
  ++group_waits_;
  say(out, order::wait, child, r.incarnation);
}

void nursery_state::leave_group(row& r) noexcept {
  if (!r.grouped) return;
  r.grouped = false;
  if (r.phase == child_phase::waiting) {
    --group_waits_;
    group_timers_ -= r.timed;
  } else {
    --group_ends_;
  }
}

void nursery_state::go_on_with_group(time_point now, commands& out) {
  if (phase_ != phase::open) return;
  if (group_ends_ != 0) {
    while (group_stops_ == none && group_next_ != none) { // the newest that is left
      const auto c = group_next_;
      auto& r = rows_[c];
      group_next_ = r.older;
      if (!r.grouped || r.phase != child_phase::running) continue;
      group_stops_ = c;
      stop_row(c, r, now, out);
    }
  } else if (group_waits_ != 0 && group_timers_ == 0) {
    group_waits_ = 0;
    for (auto c = oldest_; c != none; c = rows_[c].newer) {
      auto& r = rows_[c];
      if (!r.grouped) continue;
      r.grouped = false;
      r.at = now;
      --waiting_;
      ++counts_.restarted;
      launch(c, r, out);
    }
  }
}

// Who does not run will not run again.
void nursery_state::forget_idle(commands& out) {
  for (auto c = newest_; waiting_ + done_ != 0 && c != none;) {
    auto& r = rows_[c];
    const auto older = r.older;
    if (is_idle(r.phase)) cancel_row(c, r, out);
    c = older;
  }
}

// ---- the nursery

void nursery_state::cancel_body(commands& out) {
  if (!body_live_ || body_told_) return;
  body_told_ = true;
  say(out, order::cancel_body, none, 0);
}

void nursery_state::cancel_all(commands& out) {
  if (phase_ == phase::cancelling) return; // everybody was told
  phase_ = phase::cancelling;
  cancel_body(out);
  for (auto c = newest_; c != none;) {
    auto& r = rows_[c];
    const auto older = r.older; // the row may be forgotten
    cancel_row(c, r, out);
    c = older;
  }
}

void nursery_state::begin_stop(time_point now, commands& out) {
  phase_ = phase::stopping;
  forget_idle(out);
  cancel_body(out);
  stop_newest(now, out);
}

// The orderly stop goes on when the body, or the one before, has ended.
void nursery_state::stop_newest(time_point now, commands& out) {
  if (!body_live_ && newest_ != none) stop_row(newest_, rows_[newest_], now, out);
}

void nursery_state::finish_if_done(commands& out) {
  if (phase_ == phase::finished || body_live_ || live_ != done_) return;
  if (phase_ == phase::open && held_open_) return;
  forget_idle(out);
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

bool nursery_state::is_stale(bool stale) noexcept {
  if (stale) ++counts_.stale;
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

nursery_state::child_id nursery_state::next(child_id child) const noexcept {
  const auto* r = find(child);
  return r ? r->newer : none;
}

std::string_view to_text(strategy s) noexcept {
  switch (s) {
  case strategy::one_for_one: return "one_for_one";
  case strategy::one_for_all: return "one_for_all";
  case strategy::rest_for_one: return "rest_for_one";
  }
  return "unknown";
}

std::string_view to_text(auto_shutdown a) noexcept {
  switch (a) {
  case auto_shutdown::never: return "never";
  case auto_shutdown::any: return "any";
  case auto_shutdown::all: return "all";
  }
  return "unknown";
}

std::string_view to_text(nursery_state::order o) noexcept {
  switch (o) {
  case order::launch: return "launch";
  case order::stop: return "stop";
  case order::cancel: return "cancel";
  case order::wait_until: return "wait_until";
  case order::forget_timer: return "forget_timer";
  case order::wait: return "wait";
  case order::rest: return "rest";
  case order::forget: return "forget";
  case order::report: return "report";
  case order::cancel_body: return "cancel_body";
  case order::finish: return "finish";
  }
  return "unknown";
}

std::string_view to_text(nursery_state::verdict v) noexcept {
  switch (v) {
  case nursery_state::verdict::restarting: return "restarting";
  case nursery_state::verdict::ignored: return "ignored";
  case nursery_state::verdict::escalated: return "escalated";
  case nursery_state::verdict::collected: return "collected";
  }
  return "unknown";
}

std::string_view to_text(nursery_state::phase p) noexcept {
  switch (p) {
  case nursery_state::phase::open: return "open";
  case nursery_state::phase::stopping: return "stopping";
  case nursery_state::phase::cancelling: return "cancelling";
  case nursery_state::phase::finished: return "finished";
  }
  return "unknown";
}

std::string_view to_text(nursery_state::child_phase p) noexcept {
  switch (p) {
  case nursery_state::child_phase::gone: return "gone";
  case nursery_state::child_phase::running: return "running";
  case nursery_state::child_phase::waiting: return "waiting";
  case nursery_state::child_phase::done: return "done";
  case nursery_state::child_phase::stopping: return "stopping";
  case nursery_state::child_phase::cancelling: return "cancelling";
  }
  return "unknown";
}

} // namespace creche
