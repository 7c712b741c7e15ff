#include "actors/stack/internal/live_edit.hpp"

#include "actors/stack/internal/stack_actor.hpp"

namespace creche::internal {

void live_edit::make(const std::vector<layer_actor*>& fresh) {
  handover left;
  if (upper_)
    upper_->hand_over(left, gone_ ? edit_role::above_one_that_goes : edit_role::above_the_place,
                      ticket_);
  if (gone_) gone_->hand_over(left, edit_role::goes, ticket_);
  wire(fresh, left);
  if (fresh.empty()) return upper_->take_over(left, edit_role::above_the_gap);
  fresh.front()->take_over(left, edit_role::lowest_new);
  fresh.back()->take_over(left, edit_role::highest_new);
  if (upper_) upper_->take_over(left, edit_role::above_what_is_new);
}

// The links of the neighbours that stay are kept: so are their gauges.
void live_edit::wire(const std::vector<layer_actor*>& fresh, const handover& left) {
  std::lock_guard hold(lower_.home().tree()); // the links' counters are looked at
  const auto lowest = lower_.link_above();
  if (fresh.empty()) {
    // what its neighbours had under way is under way on the one link that is left
    lowest->up.add(std::uint32_t(left.upper_link->up.in_flight()));
    return lower_.join(*upper_, lowest);
  }
  lower_.join(*fresh.front(), lowest);
  if (!upper_) return;
  const auto& link = left.upper_link; // if there was one
  const std::uint32_t cost_before = link ? link->per_frame : 0u;
  fresh.back()->join(*upper_, link);
  if (!link) return;
  const auto orders =
      count_of(verb::write, left.orders.letters()) + count_of(verb::write, left.unopened_orders);
  link->down.count_anew(orders, cost_before, link->per_frame, link->marks);
}

void live_edit::discard(const std::vector<layer_actor*>& fresh) noexcept {
  for (auto* layer : fresh) layer->discard();
  for (auto* layer : fresh) {
    auto* record = layer->record();
    caf::intrusive_ptr_release(layer->ctrl());
    record->release();
  }
}

} // namespace creche::internal
