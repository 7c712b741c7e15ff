#include "runtime/supervision/internal/nursery_state.hpp"

#include "runtime/supervision/internal/nursery_command.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace creche {

using order = nursery_state::order;

constinit const nursery_state::rare_parts nursery_state::no_rare_parts;

nursery_state::nursery_state(const nursery_rules& rules, random_function random, void* random_arg)
    : random_(random), random_arg_(random_arg), strategy_(rules.strategy),
      auto_shutdown_(rules.auto_shutdown) {
  const auto& [drain, cancel, kill] = rules.limits;
  const auto& usual = no_rare_parts.window.budget();
  if (rules.budget.restarts != usual.restarts || rules.budget.within != usual.within)
    rare().window = restart_window(rules.budget);
  if (std::min({drain, cancel, kill}) != no_limit) rare().limits = rules.limits;
}

// ---- events

std::optional<nursery_state::child_id> nursery_state::add(const child_rules& rules, time_point now,
                                                          commands& out,
                                                          std::span<const child_id> needs,
                                                          bool awaited) {
  if (phase_ == phase::draining || phase_ == phase::finished) {
    ++rare().counts.refused;
    return std::nullopt;
  }
  // while commands wait, one of them may be the last for the child that had the id
  auto id = out.empty() ? free_ : none;
  if (id == none) {
    id = static_cast<child_id>(rows_.size());
    rows_.emplace_back();
  } else {
    free_ = rows_[id].newer;
  }
  auto& row = rows_[id];
  row.rules = &rules;
  row.failures = 0;
  row.group = no_group;
  row.timed = row.grouped = row.leaves = row.in_turn = row.unready = row.late = row.needed =
      row.marked = row.disowned = false;
  row.fresh = true;
  row.awaited = awaited;
  if (++row.incarnation == 0) row.incarnation = 1; // 0 says "none" in queries
  row.ordinal = static_cast<std::uint32_t>(added_);
  significant_ += rules.significant;
  row.older = newest_;
  row.newer = none;
  (newest_ == none ? oldest_ : rows_[newest_].newer) = id;
  newest_ = id;
  ++live_;
  ++added_;
  row.needs = !needs.empty();
  for (const auto of : needs) add_need(id, of);
  if (row.needs && !needs_are_met(id))
    wait_for_needs(id, row, out);
  else
    launch(id, row, now, out);
  // Trio: a task that starts in a cancelled scope runs to its first checkpoint.
  if (phase_ == phase::cancelling) cancel_row(id, row, now, out);
  if (phase_ == phase::killing) kill_row(id, row, now, out);
  return id;
}

bool nursery_state::ready(child_id child, std::uint32_t incarnation, time_point now,
                          commands& out) {
  auto* found = find(child);
  if (is_stale(!found || found->incarnation != incarnation || is_idle(found->phase) ||
               !found->unready))
    return false;
  if (found->late || found->disowned) return false; // its end will be told
  found->awaited = false;
  if (found->phase != child_phase::running) return true; // it is to end all the same
  found->unready = false;
  clear_timer(child, *found, out);
  found->at = now;
  if (found->needed && phase_ == phase::open) launch_dependents(child, now, out);
  return true;
}

how nursery_state::judge(child_row& row, ending& end) {
  if (end.refused && phase_ != phase::open) end.kind = how::cancelled;
  if (row.late) end.kind = how::failed;
  row.late = false;
  const auto told = end.kind;
  if (row.awaited) { // its starter is told, and nothing else comes of it
    row.awaited = false;
    end.kind = how::cancelled;
    leave_group(row);
  }
  if (is_failure(end.kind)) ++rare().counts.failed;
  if (end.kind == how::cancelled && was_cancelled_) saw_cancelled_ = true;
  return told;
}

how nursery_state::ended(child_id child, std::uint32_t incarnation, ending end, time_point now,
                         commands& out) {
  auto* found = find(child);
  if (is_stale(!found || found->incarnation != incarnation || is_idle(found->phase)))
    return end.kind;
  auto& row = *found;
  if (row.in_turn) end_turn(row);
  const bool asked = row.grouped || (row.phase != child_phase::running && !row.late);
  const bool open = phase_ == phase::open;
  clear_timer(child, row, out);
  const auto told = judge(row, end);

  if (row.grouped && open) {
    if (row.rules->restart != restart::temporary && !row.leaves) {
      if (is_failure(end.kind)) say_restarting(out, child, row, end.kind, now);
      leave_group(row);
      join_group(row.group, child, row, out);
      go_on_with_group(row.group, now, out);
      return told;
    }
    leave_group(row);
  }
  const bool wanted = open && !asked && restarts_after(row.rules->restart, end.kind);
  if (wanted && restart(child, row, end.kind, now, out)) return told;

  const bool ignored = end.observed || row.rules->ignore_failure;
  const bool escalates = open && (is_failure(end.kind) || wanted) && !ignored;
  if (is_failure(end.kind) || wanted)
    report(child, &row, end.kind,
           ignored ? verdict::ignored
           : open  ? verdict::escalated
                   : verdict::collected,
           wanted, out);
  const bool stops =
      open && !escalates && row.rules->significant && !asked && is_last_significant();
  const bool needed = open && !escalates && !stops && row.needed;
  if (open && strategy_ != strategy::one_for_one && end.kind == how::completed &&
      row.rules->restart == restart::transient && !asked && !stops) {
    rest(child, row, out);
    if (needed) launch_dependents(child, now, out);
    finish_if_done(now, out);
    return told;
  }
  std::vector<child_id> freed; // it has completed for good, and may be the last that they needed
  if (needed && end.kind == how::completed)
    add_dependents(child, freed);
  else if (needed)
    stop_dependents(child, now, out);
  forget(child, row, told, out);
  if (escalates) {
    cancel_all(now, out);
  } else if (stops) {
    begin_stop(now, out);
  } else if (open) {
    go_on_with_groups(now, out);
    if (!freed.empty()) launch_waiting(std::move(freed), now, out);
  } else if (phase_ == phase::draining) {
    stop_newest(now, out);
  }
  finish_if_done(now, out);
  return told;
}

void nursery_state::due(child_id child, std::uint32_t incarnation, time_point now, commands& out) {
  if (child == none) { // the nursery's own
    if (is_stale(!timed_)) return;
    if (now < rare_or_none().at) {
      say(out, order::wait_until, none, 0).when = rare_or_none().at;
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
  auto* found = find(child);
  if (is_stale(!found || found->incarnation != incarnation || !found->timed)) return;
  if (now < found->at) {
    say(out, order::wait_until, child, incarnation).when = found->at;
    return;
  }
  found->timed = false;
  switch (found->phase) {
  case child_phase::waiting: // only in an open nursery
    if (found->grouped) {
      --rare_->groups[found->group].timers;
      return go_on_with_group(found->group, now, out);
    }
    if (!found->needs || needs_are_met(child)) return launch_waiting({child}, now, out);
    say(out, order::wait, child, incarnation);
    return;
  case child_phase::running: // and not ready
    found->late = true;
    return cancel_row(child, *found, now, out);
  case child_phase::draining: return cancel_row(child, *found, now, out);
  case child_phase::cancelling: return kill_row(child, *found, now, out);
  case child_phase::killing:
    ++rare().counts.abandoned;
    say(out, order::abandon, child, incarnation);
    found->leaves = true;
    found->late = false;
    ended(child, incarnation, how::killed, now, out);
    return;
  case child_phase::gone:
  case child_phase::done: return;
  }
}

void nursery_state::stop_child(child_id child, time_point now, commands& out) {
  auto* found = find(child);
  if (is_stale(!found)) return;
  auto& row = *found;
  row.late = false;
  const auto others =
      phase_ == phase::open && row.needed ? stop_dependents(child, now, out) : no_group;
  if (others != no_group && !is_idle(row.phase)) {
    if (row.grouped && row.group != others) merge_groups(others, row.group);
    stop_with_group(others, child, row); // it is the oldest of them
    row.leaves = true;
  } else {
    leave_group(row);
    stop_row(child, row, now, out);
  }
  go_on_with_groups(now, out);
  finish_if_done(now, out);
}

void nursery_state::cancel_child(child_id child, time_point now, commands& out) {
  auto* found = find(child);
  if (is_stale(!found)) return;
  if (found->needed)
    for (const auto id : dependents_of(child)) {
      leave_group(rows_[id]);
      cancel_row(id, rows_[id], now, out);
    }
  found->late = false;
  leave_group(*found);
  cancel_row(child, *found, now, out);
  go_on_with_groups(now, out);
  finish_if_done(now, out);
}

void nursery_state::starter_left(child_id child, time_point now, commands& out) {
  auto* found = find(child);
  if (is_stale(!found || !found->awaited)) return;
  found->disowned = true;
  cancel_child(child, now, out);
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

how nursery_state::body_ended(ending end, time_point now, commands& out) {
  if (is_stale(!body_live_)) return end.kind;
  body_live_ = false;
  const bool was_open = phase_ == phase::open;
  if (end.refused && !was_open) end.kind = how::cancelled;
  if (is_failure(end.kind)) {
    ++rare().counts.failed;
    report(none, nullptr, end.kind, was_open ? verdict::escalated : verdict::collected, false, out);
  }
  if (end.kind == how::cancelled && (was_open || was_cancelled_))
    was_cancelled_ = saw_cancelled_ = true;
  // Trio: what leaves the body, cancels
  if (was_open && end.kind != how::completed) cancel_all(now, out);
  if (phase_ == phase::draining) stop_newest(now, out);
  finish_if_done(now, out);
  return end.kind;
}

// ---- queries

nursery_state::counters nursery_state::counts() const noexcept {
  auto all = rare_or_none().counts;
  all.added = added_;
  all.completed = completed_;
  all.cancelled = cancelled_;
  return all;
}

nursery_state::child_row* nursery_state::find(child_id child) noexcept {
  return child < rows_.size() && rows_[child].phase != child_phase::gone ? &rows_[child] : nullptr;
}

const nursery_state::child_row* nursery_state::find(child_id child) const noexcept {
  return const_cast<nursery_state*>(this)->find(child);
}

bool nursery_state::is_stale(bool stale) {
  if (stale) ++rare().counts.stale;
  return stale;
}

nursery_state::child_phase nursery_state::phase_of(child_id child) const noexcept {
  const auto* found = find(child);
  return found ? found->phase : child_phase::gone;
}

std::uint32_t nursery_state::incarnation(child_id child) const noexcept {
  const auto* found = find(child);
  return found ? found->incarnation : 0;
}

std::uint32_t nursery_state::failures_in_a_row(child_id child) const noexcept {
  const auto* found = find(child);
  return found ? found->failures : 0;
}

std::optional<time_point> nursery_state::next_launch(child_id child) const noexcept {
  const auto* found = find(child);
  if (!found || found->phase != child_phase::waiting || !found->timed) return std::nullopt;
  return found->at;
}

bool nursery_state::is_late(child_id child) const noexcept {
  const auto* found = find(child);
  return found && found->late;
}

nursery_state::child_id nursery_state::waits_for(child_id child) const noexcept {
  const auto* found = find(child);
  if (!found || found->phase != child_phase::waiting || found->timed) return none;
  if (!found->needs) return none;
  const auto first = rare_->lists[child].needs;
  auto index = first;
  do {
    const auto& looked_at = rare_->needs[index];
    if (!is_ready(looked_at.of)) return looked_at.of;
    index = looked_at.next;
  } while (index != first);
  return none;
}

std::optional<time_point> nursery_state::phase_ends(child_id child) const noexcept {
  if (child == none) return timed_ ? std::optional(rare_or_none().at) : std::nullopt;
  const auto* found = find(child);
  if (!found || !found->timed || found->phase < child_phase::draining) return std::nullopt;
  return found->at;
}

nursery_state::child_id nursery_state::next(child_id child) const noexcept {
  const auto* found = find(child);
  return found ? found->newer : none;
}

} // namespace creche
