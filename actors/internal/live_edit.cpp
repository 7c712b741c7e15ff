#include "actors/internal/live_edit.hpp"

#include "actors/internal/stack_actor.hpp"

namespace creche::internal {

namespace {
constexpr bool is_fact(verb v) { return v <= verb::drained; }

bool is(verb v, const letter& l) noexcept {
  return l.kind == &message::letters && static_cast<const message&>(l).verb == v;
}
/// Of a list of letters, or of messages.
std::uint32_t count_of(verb v, const auto& list, const auto* first) noexcept {
  std::uint32_t n = 0;
  for (auto* l = first; l; l = list.after(*l)) n += is(v, *l);
  return n;
}
/// What `n` messages that are under way count beside their bytes is another number from now on.
void count_anew(gauge& g, std::uint32_t n, std::uint32_t was, std::uint32_t now, const marks& m) {
  if (now > was)
    g.add(n * (now - was));
  else if (now < was)
    (void)g.take(n * (was - now), m, false); // whoever waits for room is told to look anyway
}
} // namespace

void live_edit::make(const std::vector<layer_actor*>& fresh) {
  if (upper_) upper_->below_changes();
  leftovers left;
  gather_facts(left);
  gather_orders(left);
  wire(fresh, left);
  hand_out_facts(fresh.empty() ? *upper_ : *fresh.front(), !fresh.empty(), left);
  hand_out_orders(fresh, left);
  if (upper_) {
    upper_->below_changed();
    kick(*upper_);
    upper_->look_again();
  }
  if (!gone_) return;
  gone_->lost_came_ = true; // it waits for nothing
  gone_->left();
}

// ---- what lies here

// Letters of a mailbox that come from below, or from above, in their order.
void live_edit::sift(layer_actor& from, bool facts, letter_list& to) {
  from.collect_remote();
  letter_list others;
  while (auto* l = from.data_.pop()) {
    const bool ours =
        l->kind == &message::letters && is_fact(static_cast<message*>(l)->verb) == facts;
    (ours ? to : others).push(*l);
  }
  from.data_ = others;
}

void live_edit::gather_facts(leftovers& left) {
  auto& from = gone_ ? *gone_ : *upper_;
  if (!gone_) from.give_back(left.facts);
  if (!from.rest_.empty()) {
    left.facts.push(std::make_unique<message>(verb::received, from.rest_.all()));
    from.rest_.clear();
    if (!gone_) from.unused_taken();
  }
  from.need_ = 0;
  from.down_->up.sated();
  while (auto m = from.in_.pop()) left.facts.push(std::move(m));
  left.established = from.established_came_;
  left.eof = from.eof_came_;
  if (!gone_) from.eof_came_ = from.eof_told_; // it comes again, through the new one
  sift(from, true, left.unopened);
}

bool live_edit::is_ours(const message& m) const noexcept {
  return m.verb == verb::edit && m.ticket == ticket_;
}

void live_edit::gather_orders(leftovers& left) {
  if (gone_) {
    if (upper_ && upper_->unsent_ && is_ours(*upper_->unsent_.front())) upper_->unsent_.pop();
    while (auto m = gone_->unsent_.pop()) {
      if (m->verb == verb::edit) continue;
      if (std::exchange(m->owed, false)) gone_->took_above_frame(m->bytes.size());
      left.sent.push(std::move(m));
    }
    gone_->unsent_bytes_ = 0;
    gone_->give_orders(left.orders);
    sift(*gone_, false, left.unopened_orders);
    return;
  }
  // what it wrote before its question stopped, if it was its own
  message_queue behind;
  bool before = true;
  while (auto m = upper_->unsent_.pop()) {
    if (before && m->verb == verb::edit) { // another one's is asked again
      before = !is_ours(*m);
      continue;
    }
    if (!before) {
      behind.push(std::move(m));
      continue;
    }
    const auto n = m->bytes.size();
    if (m->verb == verb::write) {
      if (m->owed)
        upper_->took_above_frame(n);
      else
        upper_->unsent_bytes_ -= n + upper_->down_->per_frame;
    }
    m->owed = false;
    left.sent.push(std::move(m));
  }
  while (auto m = behind.pop()) upper_->unsent_.push(std::move(m));
}

// ---- new neighbours

void live_edit::cut(resident*& address) noexcept {
  if (auto* r = std::exchange(address, nullptr)) caf::intrusive_ptr_release(r->ctrl());
}

void live_edit::connect(layer_actor& lower, layer_actor& upper, link_ref link) {
  cut(lower.above_);
  cut(upper.below_);
  lower.above_ = &upper;
  upper.below_ = &lower;
  caf::intrusive_ptr_add_ref(upper.ctrl());
  caf::intrusive_ptr_add_ref(lower.ctrl());
  lower.up_ = link;
  upper.down_ = std::move(link);
}

void live_edit::wire(const std::vector<layer_actor*>& fresh, const leftovers& left) {
  std::lock_guard hold(lower_.home_.tree()); // the links' counters are looked at
  const auto lowest = lower_.up_;
  const auto highest = gone_ ? gone_->up_ : link_ref();
  const auto was = upper_ ? upper_->down_->per_frame : std::uint16_t(0);
  if (gone_) {
    cut(gone_->below_);
    cut(gone_->above_);
    gone_->down_ = gone_->up_ = {};
  }
  if (fresh.empty()) {
    // what its neighbours had under way is under way on the one link that is left
    lowest->up.add(std::uint32_t(highest->up.in_flight()));
    connect(lower_, *upper_, lowest);
    count_anew(lowest->up, under_way_up(), was, lowest->per_frame, lowest->marks);
    return count_unsent_anew(was);
  }
  connect(lower_, *fresh.front(), lowest);
  if (!upper_) return;
  auto link = gone_ ? highest : link_ref(new stack_link);
  link->per_frame = fresh.back()->frames_above_ ? layer_actor::frame_cost : 0;
  if (gone_) {
    const auto down = count_of(verb::write, left.orders, left.orders.front()) +
                      count_of(verb::write, left.unopened_orders, left.unopened_orders.oldest());
    count_anew(link->up, under_way_up(), was, link->per_frame, link->marks);
    count_anew(link->down, down, was, link->per_frame, link->marks);
  }
  connect(*fresh.back(), *upper_, std::move(link));
  count_unsent_anew(was);
}

// What was sent to the upper one, and stays there.
std::uint32_t live_edit::under_way_up() noexcept {
  upper_->collect_remote();
  return count_of(verb::received, upper_->in_, std::as_const(upper_->in_).front()) +
         count_of(verb::received, upper_->data_, upper_->data_.oldest());
}

void live_edit::count_unsent_anew(std::uint32_t was) noexcept {
  const std::uint32_t now = upper_->down_->per_frame;
  auto& q = upper_->unsent_;
  for (auto* m = q.front(); m; m = q.after(*m))
    if (m->verb == verb::write && !m->owed) upper_->unsent_bytes_ += now - was; // modulo 2^32
}

// ---- to whom it belongs now

void live_edit::hand_on(letter_list& letters, layer_actor& to) {
  while (auto* l = letters.pop()) to.data_.push(*l);
  to.child_actor::wake_up();
}

void live_edit::hand_out_facts(layer_actor& to, bool is_fresh, leftovers& left) {
  const auto told = [&](verb v) { layer_actor::put(to, std::make_unique<message>(v)); };
  if (left.established && (is_fresh || !to.established_came_)) told(verb::established);
  if (is_fresh) {
    while (auto m = left.facts.pop()) to.in_.push(std::move(m));
    to.eof_came_ = left.eof;
  } else { // behind what it was sent before
    while (auto m = left.facts.pop()) layer_actor::put(to, std::move(m));
  }
  hand_on(left.unopened, to);
  if (left.eof && !is_fresh) told(verb::eof);
  to.look_again();
}

// From now on it is on the gauge of the link above: who writes there waits.
void live_edit::owe(layer_actor& l, message& m) {
  if (m.verb != verb::write) return;
  const auto n = m.bytes.size();
  m.owed = bool(l.up_);
  if (l.up_)
    l.up_->down.add(n + l.up_->per_frame);
  else
    l.unsent_bytes_ += n + l.down_->per_frame;
}

void live_edit::hand_out_orders(const std::vector<layer_actor*>& fresh, leftovers& left) {
  if (fresh.empty()) { // all of it goes before what the upper one writes from now on
    while (auto* l = left.unopened_orders.pop()) {
      upper_->home_.count_here(fate::handled);
      left.orders.push(message_ptr(static_cast<message*>(l)));
    }
    message_queue all;
    for (auto* q : {&left.sent, &left.orders})
      while (auto m = q->pop()) {
        if (m->verb == verb::resume_in) continue; // of a link that is no more
        if (m->verb == verb::abort) {             // waits for nobody
          layer_actor::put(lower_, std::move(m));
          continue;
        }
        owe(*upper_, *m);
        all.push(std::move(m));
      }
    while (auto m = upper_->unsent_.pop()) all.push(std::move(m));
    while (auto m = all.pop()) upper_->unsent_.push(std::move(m));
    return;
  }
  auto& lowest = *fresh.front();
  while (auto m = left.sent.pop()) {
    owe(lowest, *m);
    lowest.unsent_.push(std::move(m));
  }
  kick(lowest);
  auto& highest = *fresh.back();
  if (left.orders) highest.take_orders(left.orders);
  hand_on(left.unopened_orders, highest);
}

// ---- for the stack

void live_edit::kick(layer_actor& l) {
  layer_actor::put(l, std::make_unique<message>(verb::resume_out));
}

void live_edit::unpark(layer_actor& l) {
  l.parked_ = false;
  kick(l);
  l.look_again();
}

void live_edit::pass_edit(layer_actor& from, std::uint32_t ticket) {
  if (from.below_) layer_actor::put(*from.below_, message::edit(ticket));
}

void live_edit::discard(const std::vector<layer_actor*>& fresh) noexcept {
  for (auto* l : fresh) { // they hold each other
    cut(l->below_);
    cut(l->above_);
  }
  for (auto* l : fresh) {
    auto* r = l->record();
    caf::intrusive_ptr_release(l->ctrl());
    r->drop();
  }
}

} // namespace creche::internal
