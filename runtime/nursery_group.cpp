// nursery_state, continued: children that restart together, and those who need each other.
#include "runtime/internal/nursery_command.hpp"

#include <algorithm>
#include <utility>

namespace creche {

using order = nursery_state::order;

// ---- the group that restarts

void nursery_state::begin_group(child_id child, row& r, time_point next, time_point now,
                                commands& out) {
  join_group(child, r, out);
  if (next > now) {
    ++group_timers_;
    set_timer(child, r, next, out);
  }
  const bool who_needs_it = strategy_ == strategy::one_for_one;
  if (who_needs_it) mark_who_needs(child);
  for (auto c = strategy_ == strategy::one_for_all ? oldest_ : r.newer; c != none;
       c = rows_[c].newer) {
    auto& other = rows_[c];
    if (who_needs_it && !std::exchange(other.marked, false)) continue;
    if (other.grouped) continue;
    if (other.phase == child_phase::done)
      join_group(c, other, out);
    else if (other.phase == child_phase::running || other.late)
      stop_with_group(other);
  }
  group_next_ = newest_;
  go_on_with_group(now, out);
}

// It runs, and is to end in its turn.
void nursery_state::stop_with_group(row& r) noexcept {
  if (r.grouped) return;
  r.grouped = true;
  ++group_ends_;
}

// It has ended, and is launched with the others.
void nursery_state::join_group(child_id child, row& r, commands& out) {
  if (r.phase == child_phase::done) {
    --done_;
    significant_ += r.rules->significant;
  }
  r.phase = child_phase::waiting;
  r.grouped = true;
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
      if (!r.grouped || is_idle(r.phase)) continue;
      group_stops_ = c; // it may be on its way already
      if (r.phase == child_phase::running) stop_row(c, r, now, out);
    }
  } else if (group_waits_ != 0 && group_timers_ == 0) {
    group_waits_ = 0;
    for (auto c = oldest_; c != none; c = rows_[c].newer) rows_[c].grouped = false;
    launch_who_waits(now, out);
  }
}

// Who does not run will not run again.
void nursery_state::forget_idle(time_point now, commands& out) {
  for (auto c = newest_; waiting_ + done_ != 0 && c != none;) {
    auto& r = rows_[c];
    const auto older = r.older;
    if (is_idle(r.phase)) cancel_row(c, r, now, out);
    c = older;
  }
}

// ---- who needs whom

bool nursery_state::is_ready(child_id child) const noexcept {
  const auto& r = rows_[child];
  return r.phase == child_phase::done ||
         (r.phase == child_phase::running && !r.unready && !r.grouped); // or its stop is near
}

bool nursery_state::has_its_needs(child_id child) const noexcept {
  return std::all_of(needs_.begin(), needs_.end(),
                     [&](const need& n) { return n.child != child || is_ready(n.of); });
}

// Oldest first: whoever becomes ready by that is older than those who need it.
void nursery_state::launch_who_waits(time_point now, commands& out) {
  auto n = needs_.begin();
  for (auto c = oldest_; c != none; c = rows_[c].newer) {
    auto& r = rows_[c];
    bool all_ready = true;
    for (; n != needs_.end() && n->child == c; ++n) all_ready &= is_ready(n->of);
    if (all_ready && r.phase == child_phase::waiting && !r.timed && !r.grouped)
      relaunch(c, r, now, out);
  }
}

// Those who need it, and those who need them.
void nursery_state::mark_who_needs(child_id child) noexcept {
  for (const auto& n : needs_) // who is needed is older
    if (n.of == child || rows_[n.of].marked) rows_[n.child].marked = true;
}

// Whether there is anybody to wait for. Those who do not run are forgotten.
bool nursery_state::stop_who_needs(child_id child, time_point now, commands& out) {
  mark_who_needs(child);
  bool any = false;
  for (auto c = newest_; c != child;) {
    auto& r = rows_[c];
    const auto id = std::exchange(c, r.older);
    if (!std::exchange(r.marked, false)) continue;
    if (is_idle(r.phase)) {
      leave_group(r);
      cancel_row(id, r, now, out);
      continue;
    }
    any = true;
    stop_with_group(r);
    r.leaves = true;
    r.late = false;
  }
  group_next_ = newest_;
  return any;
}

void nursery_state::forget_needs(child_id child, const row& r) {
  if (r.needed) std::erase_if(needs_, [&](const need& n) { return n.of == child; });
  if (!r.needs) return;
  const auto is_mine = [&](const need& n) { return n.child == child; };
  const auto last = std::find_if(needs_.rbegin(), needs_.rend(), is_mine).base();
  auto first = last;
  while (first != needs_.begin() && is_mine(*std::prev(first))) --first;
  needs_.erase(first, last);
}

} // namespace creche
