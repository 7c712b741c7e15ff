// layer_edit.cpp: what a layer gives up, and takes, when the stack is changed around it
// (live_edit.hpp). It is the stack's turn, and all its layers live on this loop.
#include "actors/stack/internal/stack_actor.hpp"
#include "runtime/memory/internal/bookkeeping.hpp"

namespace creche::internal {

namespace {

constexpr bool is_fact(verb what) { return what <= verb::flushed; }

bool is_edit(const message* order, std::uint32_t ticket) noexcept {
  return order && order->verb == verb::edit && order->ticket == ticket;
}

} // namespace

// ---- neighbours

void layer_actor::cut(resident*& address) noexcept {
  if (auto* to = std::exchange(address, nullptr)) caf::intrusive_ptr_release(to->ctrl());
}

void layer_actor::join(layer_actor& upper, link_ref link) {
  if (!link) link = link_ref(new stack_link); // first: it may fail
  cut(above_);
  cut(upper.below_);
  above_ = &upper;
  upper.below_ = this;
  caf::intrusive_ptr_add_ref(upper.ctrl());
  caf::intrusive_ptr_add_ref(ctrl());
  const bool stood_elsewhere = bool(upper.down_);
  const std::uint32_t cost_before = stood_elsewhere ? upper.down_->per_frame : 0u;
  link->two_loops = &home_ != &upper.home_;
  link->per_frame = frames_above_ ? frame_cost : 0;
  up_ = link;
  upper.down_ = std::move(link);
  if (stood_elsewhere) upper.count_anew(cost_before);
}

// What is under way to us, and what we have written ourselves, counts another number of bytes
// beside its own if the link carries frames from now on, or carries them no more.
void layer_actor::count_anew(std::uint32_t cost_before) noexcept {
  const std::uint32_t cost = down_->per_frame;
  if (cost == cost_before) return;
  collect_remote();
  const auto under_way = count_of(verb::received, in_.letters()) + count_of(verb::received, data_);
  down_->up.count_anew(under_way, cost_before, cost, down_->marks);
  for (auto* order = unsent_.front(); order; order = unsent_.after(*order))
    if (order->verb == verb::write && !order->owed)
      unsent_bytes_ += cost - cost_before; // modulo 2^32
}

void layer_actor::discard() noexcept {
  cut(below_);
  cut(above_);
}

void layer_actor::give_up() noexcept { over(how::cancelled); }

// ---- giving up

void layer_actor::hand_over(handover& to, edit_role role, std::uint32_t ticket) {
  switch (role) {
  case edit_role::above_one_that_goes:
    below_changes();
    if (is_edit(unsent_.front(), ticket)) unsent_.pop();
    return;
  case edit_role::above_the_place:
    below_changes();
    give_back(to.facts);
    give_facts(to, false);
    eof_came_ = eof_told_; // it comes again, through the new one
    give_orders_before(to, ticket);
    return;
  case edit_role::goes:
    give_facts(to, true);
    give_all_orders(to);
    give_up_place(to);
    return;
  default: return; // they only take
  }
}

// What was sent to us and was not used, in its order: what waits in the mailbox as well.
void layer_actor::give_facts(handover& to, bool goes) {
  if (!rest_.empty()) {
    to.facts.push(std::make_unique<message>(verb::received, rest_.all()));
    rest_.clear();
    if (!goes) unused_taken();
  }
  need_ = 0;
  blocked_ = false; // what had no room above is gone, and what comes now may be an end
  down_->up.wants_no_more();
  while (auto fact = in_.pop()) to.facts.push(std::move(fact));
  to.established = established_came_;
  to.eof = eof_came_;
  sift(true, to.unopened_facts);
}

// Letters of the mailbox that come from below, or from above, in their order.
void layer_actor::sift(bool facts, letter_list& to) {
  collect_remote();
  letter_list others;
  while (auto* l = data_.pop()) {
    const bool wanted =
        l->kind == &message::letters && is_fact(static_cast<message*>(l)->verb) == facts;
    (wanted ? to : others).push(*l);
  }
  data_ = others;
}

// What was written before the edit's question stopped here, if it was asked by a task.
void layer_actor::give_orders_before(handover& to, std::uint32_t ticket) {
  message_queue behind;
  bool before = true;
  while (auto order = unsent_.pop()) {
    if (before && order->verb == verb::edit) { // another one's is asked again
      before = order->ticket != ticket;
      continue;
    }
    if (!before) {
      behind.push(std::move(order));
      continue;
    }
    const auto bytes = order->bytes.size();
    const bool owed = std::exchange(order->owed, false);
    if (order->verb == verb::write) {
      if (owed)
        took_above_frame(bytes);
      else
        unsent_bytes_ -= bytes + down_->per_frame;
    }
    to.sent.push(std::move(order));
  }
  while (auto order = behind.pop()) unsent_.push(std::move(order));
}

void layer_actor::give_all_orders(handover& to) {
  while (auto order = unsent_.pop()) {
    if (order->verb == verb::edit) continue;
    if (std::exchange(order->owed, false)) took_above_frame(order->bytes.size());
    to.sent.push(std::move(order));
  }
  unsent_bytes_ = 0;
  give_orders(to.orders);
  sift(false, to.unopened_orders);
}

void layer_actor::give_up_place(handover& to) {
  {
    std::lock_guard hold(home_.tree()); // the links' counters are looked at
    to.upper_link = std::exchange(up_, {});
    down_ = {};
  }
  cut(below_);
  cut(above_);
  lost_came_ = lost_told_ = true; // it waits for nothing
  left();
}

// ---- taking

void layer_actor::take_over(handover& from, edit_role role) {
  switch (role) {
  case edit_role::lowest_new:
    take_facts_unshown(from);
    take_sent(from);
    return;
  case edit_role::highest_new:
    if (from.orders) take_orders(from.orders);
    hear(from.unopened_orders);
    return;
  case edit_role::above_the_gap:
    take_facts_behind(from);
    take_orders_before_own(from);
    [[fallthrough]];
  case edit_role::above_what_is_new:
    below_changed();
    kick();
    look_again();
    return;
  default: return; // they only give
  }
}

void layer_actor::hear(letter_list& letters) {
  while (auto* l = letters.pop()) data_.push(*l);
  child_actor::wake_up();
}

// It has been shown nothing yet.
void layer_actor::take_facts_unshown(handover& from) {
  if (from.established) put(*this, std::make_unique<message>(verb::established));
  while (auto fact = from.facts.pop()) in_.push(std::move(fact));
  eof_came_ = from.eof;
  hear(from.unopened_facts);
  look_again();
}

// Behind what it was sent before.
void layer_actor::take_facts_behind(handover& from) {
  if (from.established && !established_came_)
    put(*this, std::make_unique<message>(verb::established));
  while (auto fact = from.facts.pop()) put(*this, std::move(fact));
  hear(from.unopened_facts);
  if (from.eof) put(*this, std::make_unique<message>(verb::eof));
  look_again();
}

// From now on it counts on the gauge of the link above: the writer there waits.
void layer_actor::owe(message& order) {
  if (order.verb != verb::write) return;
  const auto bytes = order.bytes.size();
  order.owed = bool(up_);
  if (up_)
    up_->down.add(bytes + up_->per_frame);
  else
    unsent_bytes_ += bytes + down_->per_frame;
}

void layer_actor::take_sent(handover& from) {
  while (auto order = from.sent.pop()) {
    owe(*order);
    unsent_.push(std::move(order));
  }
  kick();
}

// All of it goes before what we write from now on.
void layer_actor::take_orders_before_own(handover& from) {
  while (auto* l = from.unopened_orders.pop()) {
    home_.count_here(fate::handled);
    from.orders.push(message_ptr(static_cast<message*>(l)));
  }
  message_queue all;
  for (auto* queue : {&from.sent, &from.orders})
    while (auto order = queue->pop()) {
      if (order->verb == verb::resume_in) continue; // of a link that is no more
      if (order->verb == verb::abort) {             // waits for nobody
        put(*below_, std::move(order));
        continue;
      }
      owe(*order);
      all.push(std::move(order));
    }
  while (auto order = unsent_.pop()) all.push(std::move(order));
  while (auto order = all.pop()) unsent_.push(std::move(order));
}

// ---- questions and pauses

void layer_actor::put_edit(std::uint32_t ticket) { unsent_.push(message::edit(ticket)); }

void layer_actor::drop_edit() noexcept {
  if (unsent_ && unsent_.front()->verb == verb::edit) unsent_.pop();
}

void layer_actor::pass_edit(std::uint32_t ticket) {
  const bookkeeping books;
  if (below_) put(*below_, message::edit(ticket));
}

void layer_actor::kick() {
  const bookkeeping books;
  put(*this, std::make_unique<message>(verb::resume_out));
}

void layer_actor::unpark() {
  parked_ = false;
  kick();
  look_again();
}

} // namespace creche::internal
