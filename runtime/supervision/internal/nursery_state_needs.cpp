// nursery_state, continued: children that need each other.
#include "runtime/supervision/internal/nursery_command.hpp"

#include <algorithm>
#include <utility>

namespace creche {

using order = nursery_state::order;

namespace {

constexpr std::uint32_t nil = nursery_state::none; // of the lists

} // namespace

bool nursery_state::is_ready(child_id child) const noexcept {
  const auto& row = rows_[child];
  return row.phase == child_phase::done ||
         (row.phase == child_phase::running && !row.unready && !row.grouped); // or its stop is near
}

// Turns the ring to the first need that is not ready, so that those that are are not looked at
// again and again.
bool nursery_state::needs_are_met(child_id child) noexcept {
  auto& first = rare_->lists[child].needs;
  if (first == nil) return true;
  auto index = first;
  do {
    if (!is_ready(rare_->needs[index].of)) {
      first = index;
      return false;
    }
    index = rare_->needs[index].next;
  } while (index != first);
  return true;
}

void nursery_state::wait_for_needs(child_id child, child_row& row, commands& out) {
  row.phase = child_phase::waiting;
  ++waiting_;
  say(out, order::wait, child, row.incarnation);
}

void nursery_state::launch_dependents(child_id child, time_point now, commands& out) {
  std::vector<child_id> candidates;
  add_dependents(child, candidates);
  launch_waiting(std::move(candidates), now, out);
}

// Launches those that wait for nothing any more, and then those that need them; the oldest first.
void nursery_state::launch_waiting(std::vector<child_id> candidates, time_point now,
                                   commands& out) {
  const auto younger = [this](child_id one, child_id other) { return is_older(other, one); };
  std::make_heap(candidates.begin(), candidates.end(), younger);
  while (!candidates.empty()) {
    std::pop_heap(candidates.begin(), candidates.end(), younger);
    const auto id = candidates.back();
    candidates.pop_back();
    auto& row = rows_[id];
    if (row.phase != child_phase::waiting || row.timed || row.grouped) continue;
    if (row.needs && !needs_are_met(id)) continue;
    relaunch(id, row, now, out);
    if (!row.needed || !is_ready(id)) continue;
    const auto before = candidates.size();
    add_dependents(id, candidates);
    for (auto end = before + 1; end <= candidates.size(); ++end)
      std::push_heap(candidates.begin(), candidates.begin() + std::ptrdiff_t(end), younger);
  }
}

void nursery_state::add_dependents(child_id child, std::vector<child_id>& to) const {
  for (auto at = rare_->lists[child].dependents; at != nil; at = rare_->needs[at].next_dependent)
    to.push_back(rare_->needs[at].child);
}

std::vector<nursery_state::child_id> nursery_state::dependents_of(child_id child) {
  std::vector<child_id> found;
  if (!rows_[child].needed) return found;
  const auto collect = [&](child_id of) {
    for (auto at = rare_->lists[of].dependents; at != nil; at = rare_->needs[at].next_dependent) {
      const auto id = rare_->needs[at].child;
      if (rows_[id].marked) continue;
      rows_[id].marked = true;
      found.push_back(id);
    }
  };
  collect(child);
  for (std::size_t i = 0; i < found.size(); ++i)
    if (rows_[found[i]].needed) collect(found[i]);
  for (const auto id : found) rows_[id].marked = false;
  std::sort(found.begin(), found.end(),
            [this](child_id one, child_id other) { return is_older(other, one); });
  return found;
}

// Returns their group, if one of them is to be waited for. Those that do not run are forgotten.
std::uint32_t nursery_state::stop_dependents(child_id child, time_point now, commands& out) {
  auto index = no_group;
  for (const auto id : dependents_of(child)) {
    auto& row = rows_[id];
    if (is_idle(row.phase)) {
      leave_group(row);
      cancel_row(id, row, now, out);
      continue;
    }
    if (index == no_group) index = row.grouped ? row.group : new_group();
    if (row.grouped && row.group != index) merge_groups(index, row.group);
    stop_with_group(index, id, row);
    row.leaves = true;
    row.late = false;
  }
  return index;
}

// ---- the lists

void nursery_state::add_need(child_id child, child_id of) {
  auto& all = rare();
  if (all.lists.size() < rows_.size()) all.lists.resize(rows_.size(), {nil, nil, nil});
  auto index = all.free_need;
  if (index == nil) {
    index = static_cast<std::uint32_t>(all.needs.size());
    all.needs.emplace_back();
  } else {
    all.free_need = all.needs[index].next;
  }
  auto& added = all.needs[index];
  added = {child, of, index, index, nil, nil};
  auto& mine = all.lists[child];
  if (mine.needs == nil) {
    mine.needs = index;
  } else { // the last of the ring
    auto& first = all.needs[mine.needs];
    added.next = mine.needs;
    added.previous = first.previous;
    all.needs[first.previous].next = index;
    first.previous = index;
  }
  auto& its = all.lists[of];
  added.previous_dependent = its.last_dependent;
  (its.last_dependent == nil ? its.dependents : all.needs[its.last_dependent].next_dependent) =
      index;
  its.last_dependent = index;
  rows_[of].needed = true;
}

void nursery_state::unlink(std::uint32_t index) {
  auto& all = *rare_;
  const auto gone = all.needs[index];
  auto& mine = all.lists[gone.child];
  all.needs[gone.previous].next = gone.next;
  all.needs[gone.next].previous = gone.previous;
  if (mine.needs == index) mine.needs = gone.next == index ? nil : gone.next;
  rows_[gone.child].needs = mine.needs != nil;
  auto& its = all.lists[gone.of];
  (gone.previous_dependent == nil ? its.dependents
                                  : all.needs[gone.previous_dependent].next_dependent) =
      gone.next_dependent;
  (gone.next_dependent == nil ? its.last_dependent
                              : all.needs[gone.next_dependent].previous_dependent) =
      gone.previous_dependent;
  rows_[gone.of].needed = its.dependents != nil;
  all.needs[index].next = all.free_need;
  all.free_need = index;
}

void nursery_state::forget_needs(child_id child, child_row& row) {
  while (row.needs) unlink(rare_->lists[child].needs);
  while (row.needed) unlink(rare_->lists[child].dependents);
}

} // namespace creche
