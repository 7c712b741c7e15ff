// nursery_state, continued: children that restart together.
#include "runtime/supervision/internal/nursery_command.hpp"

#include <algorithm>
#include <utility>

namespace creche {

using order = nursery_state::order;

// With one_for_all and rest_for_one there is one, for all groups have a child in common, or one
// between them.
std::uint32_t nursery_state::new_group() {
  auto& all = rare();
  if (strategy_ != strategy::one_for_one && !all.groups.empty()) return 0;
  if (all.free_groups.empty()) {
    all.groups.emplace_back();
    return std::uint32_t(all.groups.size() - 1);
  }
  const auto index = all.free_groups.back();
  all.free_groups.pop_back();
  all.groups[index] = {};
  return index;
}

void nursery_state::merge_groups(std::uint32_t to, std::uint32_t from) {
  auto& kept = rare_->groups[to];
  auto& merged = rare_->groups[from];
  for (const auto* ids : {&merged.untold, &merged.told, &merged.waiting})
    for (const auto id : *ids) {
      auto& row = rows_[id];
      if (!(row.grouped || row.in_turn) || row.group != from) continue; // it has left, or moved
      row.group = to;
      (row.phase == child_phase::waiting ? kept.waiting
       : row.in_turn                     ? kept.told
                                         : kept.untold)
          .push_back(id);
    }
  kept.sorted = false;
  kept.ends += merged.ends;
  kept.waits += merged.waits;
  kept.timers += merged.timers;
  kept.turns += merged.turns;
  merged = {};
  rare_->touched.push_back(to);
  rare_->touched.push_back(from);
}

void nursery_state::begin_group(child_id child, child_row& row, time_point next, time_point now,
                                commands& out) {
  const auto index = new_group();
  join_group(index, child, row, out);
  if (next > now) {
    ++rare_->groups[index].timers;
    set_timer(child, row, next, out);
  }
  const auto take_along = [&](child_id id) {
    auto& other = rows_[id];
    if (other.grouped) {
      if (other.group != index) merge_groups(index, other.group);
    } else if (other.phase == child_phase::done) {
      join_group(index, id, other, out);
    } else if (other.phase == child_phase::running || other.late) {
      stop_with_group(index, id, other);
    }
  };
  if (strategy_ == strategy::one_for_one) {
    const auto dependents = dependents_of(child);
    std::for_each(dependents.rbegin(), dependents.rend(), take_along);
  } else {
    auto id = strategy_ == strategy::one_for_all ? oldest_ : row.newer;
    for (; id != none; id = rows_[id].newer) take_along(id);
  }
  go_on_with_group(index, now, out);
}

// It runs, and is to end in its turn.
void nursery_state::stop_with_group(std::uint32_t index, child_id child, child_row& row) {
  if (row.grouped) return;
  if (row.in_turn && row.group != index)
    merge_groups(index, row.group); // its end is waited for already
  row.grouped = true;
  row.group = index;
  auto& group = rare_->groups[index];
  ++group.ends;
  group.untold.push_back(child);
  group.sorted = false;
  rare_->touched.push_back(index);
}

// It has ended, and is launched with the others.
void nursery_state::join_group(std::uint32_t index, child_id child, child_row& row, commands& out) {
  if (row.phase == child_phase::done) {
    --done_;
    significant_ += row.rules->significant;
  }
  row.phase = child_phase::waiting;
  row.grouped = true;
  row.group = index;
  ++waiting_;
  auto& group = rare_->groups[index];
  ++group.waits;
  group.waiting.push_back(child);
  say(out, order::wait, child, row.incarnation);
}

void nursery_state::leave_group(child_row& row) {
  if (!row.grouped) return;
  row.grouped = false;
  auto& group = rare_->groups[row.group];
  if (row.phase == child_phase::waiting) {
    --group.waits;
    group.timers -= row.timed;
  } else {
    --group.ends;
  }
  rare_->touched.push_back(row.group);
}

// The next member may be told to end.
void nursery_state::end_turn(child_row& row) {
  row.in_turn = false;
  --rare_->groups[row.group].turns;
  rare_->touched.push_back(row.group);
}

void nursery_state::go_on_with_group(std::uint32_t index, time_point now, commands& out) {
  if (phase_ != phase::open) return;
  auto& group = rare_->groups[index];
  if (group.ends != 0)
    stop_next_of(index, now, out);
  else if (group.waits != 0 && group.timers == 0)
    launch_group(index, now, out);
  auto& settled = rare_->groups[index];
  if (!settled.idle() || std::exchange(settled.free, true)) return;
  if (strategy_ == strategy::one_for_one) rare_->free_groups.push_back(index);
}

// Tells the newest member that is left.
void nursery_state::stop_next_of(std::uint32_t index, time_point now, commands& out) {
  auto& group = rare_->groups[index];
  if (!std::exchange(group.sorted, true))
    std::sort(group.untold.begin(), group.untold.end(),
              [this](child_id one, child_id other) { return is_older(one, other); });
  while (group.turns == 0 && !group.untold.empty()) {
    const auto id = group.untold.back();
    group.untold.pop_back();
    auto& row = rows_[id];
    if (!row.grouped || row.group != index || is_idle(row.phase)) continue;
    row.in_turn = true;
    group.told.push_back(id);
    ++group.turns;
    if (row.phase == child_phase::running)
      stop_row(id, row, now, out); // or it is on its way already
  }
}

void nursery_state::launch_group(std::uint32_t index, time_point now, commands& out) {
  auto& group = rare_->groups[index];
  group.waits = 0;
  auto members = std::exchange(group.waiting, {});
  for (const auto id : members)
    if (auto& row = rows_[id]; row.grouped && row.group == index) row.grouped = false;
  launch_waiting(std::move(members), now, out);
}

void nursery_state::go_on_with_groups(time_point now, commands& out) {
  if (!rare_ || rare_->touched.empty()) return;
  const auto touched = std::exchange(rare_->touched, {});
  for (const auto index : touched) go_on_with_group(index, now, out);
}

// Children that do not run will not run again.
void nursery_state::forget_idle(time_point now, commands& out) {
  for (auto id = newest_; waiting_ + done_ != 0 && id != none;) {
    auto& row = rows_[id];
    const auto older = row.older;
    if (is_idle(row.phase)) cancel_row(id, row, now, out);
    id = older;
  }
}

} // namespace creche
