#include "actors/stack/internal/layer_actor.hpp"

#include "actors/stack/internal/stack_actor.hpp"
#include "runtime/supervision/internal/tree_sink.hpp"
#include "runtime/task/internal/standard_error.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace creche::internal {

message::message(internal::verb what, slice&& given) noexcept
    : verb(what), bytes(std::move(given)) {
  kind = &letters;
}

message_ptr message::edit(std::uint32_t ticket) {
  auto m = std::make_unique<message>(internal::verb::edit);
  m->ticket = ticket;
  return m;
}

layer_actor::layer_actor(caf::actor_config& cfg, child_record* record, stack_actor& stack)
    : child_actor(cfg, record), stack_(stack) {}

layer_actor::~layer_actor() {
  if (below_) caf::intrusive_ptr_release(below_->ctrl());
  if (above_) caf::intrusive_ptr_release(above_->ctrl());
}

std::size_t layer_actor::turn(std::size_t budget) {
  if (marked_) look_at_marks();
  return child_actor::turn(budget);
}

void layer_actor::look_at_marks() {
  if (dead_ || cancel_asked()) return;
  marked_ = false;
  try {
    on_marks();
  } catch (...) {
    on_throw(std::current_exception());
  }
}

// The link above is counted by the layer that it leads to.
std::uint64_t layer_actor::bytes_inside() const noexcept {
  return down_ ? down_->up.looked_at() + down_->down.looked_at() : 0;
}

void layer_actor::describe(const tree_sink& out) const {
  if (const auto why = blame(); !why.empty()) out.state("held", why);
}

// The layers that wait for a hold stand in a list that is walked on this loop. A change by another
// thread would show some time later, and somewhere else.
void layer_actor::must_be_home(const char* why) const noexcept {
  if (dead_ || home_.at_home()) [[likely]]
    return;
  tell_operator("creche: the hold \"" + std::string(why) +
                    "\" was taken, moved or released on another thread than that of its layer's "
                    "loop; do it in a handler of that layer, or in a task of its stack\n",
                1000);
  std::abort();
}

// What was not shown yet is before it.
void layer_actor::lost_came() {
  lost_came_ = true;
  output_lost();
  show();
  if (!dead_ && stop_waits_ && !lost_is_due()) on_cancel();
}

// It has not come, or has to be told to who is above. The top keeps what it was not shown.
bool layer_actor::lost_is_due() const noexcept {
  const bool above = has_above() && !static_cast<layer_actor*>(above_)->dead();
  return above ? !lost_told_ : !lost_came_;
}

bool layer_actor::stop_waits() noexcept {
  return stop_waits_ = lost_is_due() && stack_.lost_was_told();
}

void layer_actor::tell_lost() {
  lost_came_ = lost_told_ = true;
  if (stack_.tell_lost()) put_above(verb::lost);
}

void layer_actor::over(how end, std::exception_ptr error) {
  if (dead_) return;
  on_over();
  in_.clear();
  unsent_.clear();
  rest_.clear();
  finish(end, std::move(error));
  if (auto* b = std::exchange(below_, nullptr)) caf::intrusive_ptr_release(b->ctrl());
  if (auto* a = std::exchange(above_, nullptr)) caf::intrusive_ptr_release(a->ctrl());
}

} // namespace creche::internal
