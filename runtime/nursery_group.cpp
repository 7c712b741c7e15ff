// nursery_state, continued: children that restart together, and those who need each other.
#include "runtime/internal/nursery_command.hpp"

#include <algorithm>
#include <utility>

namespace creche {

using order = nursery_state::order;

// ---- the group that restarts

// With one_for_all and rest_for_one there is one, for all groups have somebody in common, or
// somebody between them.
std::uint32_t nursery_state::new_group() {
  auto& groups = had().groups;
  if (strategy_ != strategy::one_for_one && !groups.empty()) return 0;
  for (std::uint32_t g = 0; g < groups.size(); ++g)
    if (groups[g].idle()) return g;
  groups.emplace_back();
  return std::uint32_t(groups.size() - 1);
}

void nursery_state::merge_groups(std::uint32_t to, std::uint32_t from) noexcept {
  auto& a = seldom_->groups[to];
  auto& b = seldom_->groups[from];
  for (auto c = oldest_; c != none; c = rows_[c].newer)
    if (auto& r = rows_[c]; (r.grouped || r.in_turn) && r.group == from) r.group = to;
  a.ends += b.ends;
  a.waits += b.waits;
  a.timers += b.timers;
  a.turns += b.turns;
  a.next = newest_;
  b = {};
}

void nursery_state::begin_group(child_id child, row& r, time_point next, time_point now,
                                commands& out) {
  const auto g = new_group();
  join_group(g, child, r, out);
  if (next > now) {
    ++seldom_->groups[g].timers;
    set_timer(child, r, next, out);
  }
  const bool who_needs_it = strategy_ == strategy::one_for_one;
  if (who_needs_it) mark_who_needs(child);
  for (auto c = strategy_ == strategy::one_for_all ? oldest_ : r.newer; c != none;
       c = rows_[c].newer) {
    auto& other = rows_[c];
    if (who_needs_it && !other.marked) continue;
    other.marked = false;
    if (other.grouped) {
      if (other.group != g) merge_groups(g, other.group);
    } else if (other.phase == child_phase::done) {
      join_group(g, c, other, out);
    } else if (other.phase == child_phase::running || other.late) {
      stop_with_group(g, other);
    }
  }
  seldom_->groups[g].next = newest_;
  go_on_with_group(g, now, out);
}

// It runs, and is to end in its turn.
void nursery_state::stop_with_group(std::uint32_t g, row& r) noexcept {
  if (r.grouped) return;
  if (r.in_turn && r.group != g) merge_groups(g, r.group); // its end is waited for already
  r.grouped = true;
  r.group = g;
  ++seldom_->groups[g].ends;
}

// It has ended, and is launched with the others.
void nursery_state::join_group(std::uint32_t g, child_id child, row& r, commands& out) {
  if (r.phase == child_phase::done) {
    --done_;
    significant_ += r.rules->significant;
  }
  r.phase = child_phase::waiting;
  r.grouped = true;
  r.group = g;
  ++waiting_;
  ++seldom_->groups[g].waits;
  say(out, order::wait, child, r.incarnation);
}

void nursery_state::leave_group(row& r) noexcept {
  if (!r.grouped) return;
  r.grouped = false;
  auto& g = seldom_->groups[r.group];
  if (r.phase == child_phase::waiting) {
    --g.waits;
    g.timers -= r.timed;
  } else {
    --g.ends;
  }
}

void nursery_state::go_on_with_group(std::uint32_t at, time_point now, commands& out) {
  if (phase_ != phase::open) return;
  if (seldom_->groups[at].ends != 0) {
    while (seldom_->groups[at].turns == 0 &&
           seldom_->groups[at].next != none) { // the newest that is left
      const auto c = seldom_->groups[at].next;
      auto& r = rows_[c];
      seldom_->groups[at].next = r.older;
      if (!r.grouped || r.group != at || is_idle(r.phase)) continue;
      r.in_turn = true;
      ++seldom_->groups[at].turns;
      if (r.phase == child_phase::running) stop_row(c, r, now, out); // or it is on its way already
    }
  } else if (seldom_->groups[at].waits != 0 && seldom_->groups[at].timers == 0) {
    seldom_->groups[at].waits = 0;
    for (auto c = oldest_; c != none; c = rows_[c].newer)
      if (rows_[c].group == at) rows_[c].grouped = false;
    launch_who_waits(now, out);
  }
}

void nursery_state::go_on_with_groups(time_point now, commands& out) {
  for (std::uint32_t g = 0; g < seen().groups.size(); ++g) go_on_with_group(g, now, out);
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
  return std::all_of(seen().needs.begin(), seen().needs.end(),
                     [&](const need& n) { return n.child != child || is_ready(n.of); });
}

void nursery_state::wait_for_needs(child_id child, row& r, commands& out) {
  r.phase = child_phase::waiting;
  ++waiting_;
  say(out, order::wait, child, r.incarnation);
}

// Oldest first: whoever becomes ready by that is older than those who need it.
void nursery_state::launch_who_waits(time_point now, commands& out) {
  const auto& needs = seen().needs;
  auto n = needs.begin();
  for (auto c = oldest_; c != none; c = rows_[c].newer) {
    auto& r = rows_[c];
    bool all_ready = true;
    for (; n != needs.end() && n->child == c; ++n) all_ready &= is_ready(n->of);
    if (all_ready && r.phase == child_phase::waiting && !r.timed && !r.grouped)
      relaunch(c, r, now, out);
  }
}

// Those who need it, and those who need them.
void nursery_state::mark_who_needs(child_id child) noexcept {
  for (const auto& n : seen().needs) // who is needed is older
    if (n.of == child || rows_[n.of].marked) rows_[n.child].marked = true;
}

// Their group, if there is anybody to wait for. Those who do not run are forgotten.
std::uint32_t nursery_state::stop_who_needs(child_id child, time_point now, commands& out) {
  mark_who_needs(child);
  auto g = no_group;
  for (auto c = newest_; c != child;) {
    auto& r = rows_[c];
    const auto id = std::exchange(c, r.older);
    if (!r.marked) continue;
    r.marked = false;
    if (is_idle(r.phase)) {
      leave_group(r);
      cancel_row(id, r, now, out);
      continue;
    }
    if (g == no_group) g = r.grouped ? r.group : new_group();
    if (r.grouped && r.group != g) merge_groups(g, r.group);
    stop_with_group(g, r);
    r.leaves = true;
    r.late = false;
  }
  if (g != no_group) seldom_->groups[g].next = newest_;
  return g;
}

void nursery_state::forget_needs(child_id child, const row& r) {
  auto& needs = seldom_->needs;
  if (r.needed) std::erase_if(needs, [&](const need& n) { return n.of == child; });
  if (!r.needs) return;
  const auto is_mine = [&](const need& n) { return n.child == child; };
  const auto last = std::find_if(needs.rbegin(), needs.rend(), is_mine).base();
  auto first = last;
  while (first != needs.begin() && is_mine(*std::prev(first))) --first;
  needs.erase(first, last);
}

} // namespace creche
