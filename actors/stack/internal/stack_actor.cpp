#include "actors/stack/internal/stack_actor.hpp"

#include "actors/stack/internal/live_edit.hpp"
#include "runtime/supervision/internal/task_actor.hpp"

#include <algorithm>

namespace creche::internal {

namespace {
const child_rules layer_rules{.significant = true};
const child_rules task_rules{};
} // namespace

stack_actor::stack_actor(caf::actor_config& cfg, child_record* record)
    : nursery_actor(cfg, record, nursery_rules{}) {}

void stack_actor::on_start() {
  try {
    build();                    // all are made and joined before the first one starts
    expect(layers_.size() + 1); // and one task
  } catch (...) {               // a layer's constructor, or no memory
    live_edit::discard(layers_);
    layers_.clear();
    throw;
  }
  for (std::size_t i = 0; i < layers_.size(); ++i) start_layer(*layers_[i]);
}

void stack_actor::start_layer(layer_actor& layer) { add(layer.record(), &layer, layer_rules); }

creche::facts& stack_actor::own_facts() {
  if (!facts_) facts_ = std::make_shared<creche::facts>();
  return *facts_;
}

endpoint stack_actor::peer() const {
  if (const auto* known = find_fact<addresses>()) return known->peer;
  return ends_.peer.unpacked();
}
endpoint stack_actor::local() const {
  if (const auto* known = find_fact<addresses>()) return known->local;
  return ends_.local.unpacked();
}

bool stack_actor::can_finish_below(const layer_actor& layer) const noexcept {
  for (const auto* x : layers_) {
    if (x == &layer) break;
    if (x && !x->can_finish()) return false;
  }
  return true;
}

bool stack_actor::sends_files_below(const layer_actor& layer) const noexcept {
  const auto at = std::find(layers_.begin(), layers_.end(), &layer);
  return at != layers_.end() && at != layers_.begin() && at[-1] && at[-1]->sends_files();
}

void stack_actor::edit_from(layer_actor&, edit_kind, any_stack) {
  throw std::logic_error("only a stack that was opened from a value can be changed");
}

void stack_actor::on_stop() {
  tell_children_of_stop();
  hurry(haste::is_stopped);
  if (layers_.empty()) return stop_all();
  if (auto* lowest = layers_.front()) lowest->send(*new message(verb::drain));
}

void stack_actor::on_forget(child_record& record) {
  for (auto& l : layers_) {
    if (!l || l->record() != &record) continue;
    l = nullptr;
    return;
  }
  // a task that was cancelled owes an answer to the layer that asked for it
  if (record.end.load() != how::completed && phase() == nursery_state::phase::open) cancel_all();
}

void stack_actor::run_task(const char* label, const child_rules* rules, const detail::call_ops& ops,
                           void* call) {
  if (phase() != nursery_state::phase::open) return; // its requester is about to end as well
  detail::counted_ptr<child_record> record(make_record());
  record->label = label;
  auto* task = make_task(home_, record.get(), ops, call);
  add(record.detach(), task, rules ? *rules : task_rules);
  if (rules) task->look_for_stop();
}

} // namespace creche::internal
