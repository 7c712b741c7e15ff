#include "actors/internal/stack_actor.hpp"

#include "actors/internal/live_edit.hpp"
#include "runtime/internal/task_actor.hpp"

namespace creche::internal {

namespace {
const child_rules layer_rules{.significant = true};
const child_rules task_rules{};
} // namespace

stack_actor::stack_actor(caf::actor_config& cfg, child_record* r)
    : nursery_actor(cfg, r, nursery_rules{}) {}

void stack_actor::on_start() {
  try {
    build();      // all are made and joined before the first one starts
  } catch (...) { // a layer's constructor
    live_edit::discard(layers_);
    layers_.clear();
    throw;
  }
  expect(layers_.size() + 1); // and one task
  for (std::size_t i = 0; i < layers_.size(); ++i) start_layer(*layers_[i]);
}

void stack_actor::start_layer(layer_actor& l) { add(l.record(), &l, layer_rules); }

bool stack_actor::can_finish_below(const layer_actor& l) const noexcept {
  for (const auto* x : layers_) {
    if (x == &l) break;
    if (x && !x->can_finish()) return false;
  }
  return true;
}

void stack_actor::edit_from(layer_actor&, edit_kind, any_stack) {
  throw std::logic_error("only a stack that was opened from a value can be changed");
}

void stack_actor::on_stop() {
  if (layers_.empty()) return stop_all();
  if (auto* lowest = layers_.front()) lowest->send(*new message(verb::drain));
}

void stack_actor::on_forget(child_record& r) {
  for (auto& l : layers_) {
    if (!l || l->record() != &r) continue;
    l = nullptr;
    return;
  }
  // a task that was cancelled owes an answer to the layer that asked for it
  if (r.end.load() != how::completed && phase() == nursery_state::phase::open) cancel_all();
}

void stack_actor::run_task(const char* label, const detail::call_ops& ops, void* call) {
  if (phase() != nursery_state::phase::open) return; // its requester is about to end as well
  auto* r = make_record();
  r->label = label;
  add(r, make_task(home_, r, ops, call), task_rules);
}

} // namespace creche::internal
