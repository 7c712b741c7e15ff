#include "runtime/supervision/internal/tree_sink.hpp"

#include "runtime/supervision/internal/task_actor.hpp"

#include <algorithm>

namespace creche::internal {

namespace {

double seconds_until(time_point due, const loop& of) {
  return std::max(0.0, std::chrono::duration<double>(due - of.now()).count());
}

// A child that waits, is stopped, or failed.
void tell_past(tree_node& node, const child_record& record, const child_past& past) {
  if (past.last_failure) node.failure = past.last_failure->what();
  const auto state = record.state.load(std::memory_order_relaxed);
  if (state == child_state::waiting && !past.waits_for.empty()) {
    node.state = "waiting for a sibling";
    node.waits_for = past.waits_for;
  } else if (state == child_state::waiting) {
    node.restart_in_s = seconds_until(past.next, *record.nursery_home);
  } else if (past.next != time_point::max() && state >= child_state::draining) {
    node.phase_ends_in_s = seconds_until(past.next, *record.nursery_home);
  }
}

// Of its own limit and those of all that encloses it the shortest wins.
void shorten(double& ends_in_s, double enclosing_s) noexcept {
  if (enclosing_s >= 0 && (ends_in_s < 0 || enclosing_s < ends_in_s)) ends_in_s = enclosing_s;
}

// In it and in all below; the tree may be deeper than the stack.
std::uint64_t bytes_below(const child_actor& top) {
  std::uint64_t sum = 0;
  std::vector<const child_actor*> left{&top};
  while (!left.empty()) {
    const auto* next = left.back();
    left.pop_back();
    sum += next->bytes_inside();
    next->look_below(left);
  }
  return sum;
}

void tell_letters(const tree_sink& out, const child_record& record) {
  if (record.actor) {
    out.add_number("mail", record.actor->load().messages());
    out.add_number("mail_bytes", record.actor->load().bytes());
  }
  const auto* counts = record.letters.load(std::memory_order_acquire);
  if (!counts) return;
  out.add_number("handled", counts->handled.load(std::memory_order_relaxed));
  out.add_number("failed", counts->failed.load(std::memory_order_relaxed));
  out.add_number("unhandled", counts->unhandled.load(std::memory_order_relaxed));
  out.add_number("undelivered", counts->undelivered.load(std::memory_order_relaxed));
}

} // namespace

void tell_stuck(tree_node& node, const child_actor& actor) {
  const auto& home = actor.home();
  if (home.running() != static_cast<const runnable*>(&actor) || !home.is_stuck()) return;
  node.stuck = true;
  node.stuck_for_s = std::chrono::duration<double>(home.now() - home.stuck_since()).count();
}

void tree_sink::detail(std::string_view text) const {
  if (!node.detail.empty()) node.detail += ", ";
  node.detail += text;
}
void tree_sink::add_number(std::string_view name, std::uint64_t value) const {
  node.numbers.push_back({std::string(name), value});
}
void tree_sink::add_state(std::string_view name, std::string_view value) const {
  node.states.push_back({std::string(name), std::string(value)});
}
void tree_sink::number(std::string_view name, std::uint64_t value) const {
  add_number(name, value);
  detail(std::to_string(value).append(" ").append(name));
}
void tree_sink::state(std::string_view name, std::string_view value) const {
  add_state(name, value);
  detail(std::string(name).append(": ").append(value));
}

tree_node* tree_sink::below() const {
  if (levels == 0 || bounds.most_nodes == 0) {
    ++node.hidden;
    return nullptr;
  }
  --bounds.most_nodes;
  return &node.children.emplace_back();
}

void tree_sink::nursery(const nursery_actor& opened) const {
  auto* added = below();
  if (!added) return;
  opened.introduce(*added);
  const bool drains = opened.phase() == nursery_state::phase::draining;
  if (drains) shorten(added->phase_ends_in_s, drains_for_s);
  opened.describe(
      tree_sink{*added, bounds, levels - 1, drains ? added->phase_ends_in_s : drains_for_s});
}

void tree_sink::child(const child_record& record) const {
  auto* added = below();
  if (!added) return;
  const auto state = record.state.load(std::memory_order_relaxed);
  added->name = record.name();
  added->state = to_text(state);
  added->restarts = record.restarts.load(std::memory_order_relaxed);
  if (record.plan && record.plan->rules.restart != restart::temporary)
    added->policy = to_text(record.plan->rules.restart);
  if (record.past) tell_past(*added, record, *record.past);
  if (state == child_state::draining) shorten(added->phase_ends_in_s, drains_for_s);
  const tree_sink out{*added, bounds, levels - 1,
                      state == child_state::draining ? added->phase_ends_in_s : drains_for_s};
  tell_letters(out, record);
  if (!record.actor) return;
  added->kind = record.actor->kind();
  out.add_number("loop", record.actor->home().index());
  tell_stuck(*added, *record.actor);
  if (const auto* opened = record.actor->as_nursery()) {
    if (opened->phase() != nursery_state::phase::open) added->state = to_text(opened->phase());
    if (added->policy.empty()) added->policy = opened->policy();
  }
  added->bytes = bytes_below(*record.actor);
  record.actor->describe(out);
}

void nursery_actor::introduce(tree_node& node) const {
  node.name = label();
  node.kind = kind();
  node.state = to_text(phase());
  node.policy = policy();
  const auto ends = stop_ends_.load(std::memory_order_relaxed);
  if (ends != 0) node.phase_ends_in_s = seconds_until(time_point(clock_duration(ends)), home_);
  node.bytes = bytes_below(*this);
}

} // namespace creche::internal
