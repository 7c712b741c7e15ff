#include "actors/internal/opened_stack.hpp"

#include "actors/internal/live_edit.hpp"

#include <algorithm>

namespace creche::internal {

opened_stack::opened_stack(caf::actor_config& cfg, child_record* r, any_stack value)
    : stack_actor(cfg, r), value_(std::move(value)), state_(*new top_state) {}

void opened_stack::build() {
  state_.began = home_.now();
  for (auto& p : value_.parts()) p->add_to(*this);
  if (value_.above() == speech::nothing) return;
  if (!has_user()) state_.closed = true;
  add_layer<top_layer>("top", nullptr, state_);
}

void opened_stack::note_end(ended_by how, std::error_code why, std::string_view layer) noexcept {
  if (state_.record) return;
  state_.record = close_record{how, why, std::string(layer), home_.now() - state_.began};
}

connection opened_stack::handle() { return top_state::handle(state_); }

void opened_stack::opened() {
  auto* slot = record()->slot;
  if (!detail::ready_once(slot)) return;
  if (void* to = detail::ready_storage(slot)) new (to) std::optional<connection>(handle());
  detail::ready_done(slot);
}

std::string_view opened_stack::cannot_finish() const noexcept {
  for (auto* l : layers_)
    if (l && !l->can_finish()) return l->kind();
  return {};
}

void opened_stack::on_forget(child_record& r) {
  if (std::erase_if(leaving_, [&](auto& l) { return l.first == &r; })) return;
  stack_actor::on_forget(r);
}

// ---- where, and whether that fits

opened_stack::place opened_stack::find(edit_kind k, std::size_t at) {
  return {at, k == edit_kind::insert ? 0u : 1u};
}

opened_stack::place opened_stack::find(edit_kind k, bool above, const layer_actor* by) const {
  const auto found = std::find(layers_.begin(), layers_.end(), by);
  if (found == layers_.end())
    throw place_left("the layer at which this edit was to be made has left " + value_.to_text());
  return find(k, std::size_t(found - layers_.begin()) + (above ? 1 : 0));
}

std::size_t opened_stack::named(std::string_view layer) const {
  const auto n = value_.layers();
  auto found = n;
  for (std::size_t i = 0; i < n; ++i) {
    if (!layers_[i] || layers_[i]->kind() != layer) continue;
    if (found != n)
      throw std::invalid_argument("two layers of " + value_.to_text() + " are named " +
                                  std::string(layer));
    found = i;
  }
  if (found == n)
    throw std::invalid_argument("no layer of " + value_.to_text() + " is named " +
                                std::string(layer));
  return found;
}

any_stack opened_stack::changed(place p, const any_stack& add) const {
  if (p.at == 0) throw std::invalid_argument("the transport of a stack stays: " + value_.to_text());
  if (add.empty() && p.count == 0) throw std::invalid_argument("there is nothing to insert");
  any_stack lower, upper;
  for (std::size_t i = 0; i < value_.layers(); ++i) {
    if (i >= p.at && i < p.at + p.count) continue;
    auto& to = i < p.at ? lower : upper;
    to = to.on_top(any_stack(value_.parts()[i]));
  }
  auto s = lower.on_top(add).on_top(upper);
  if ((s.above() == speech::nothing) != (value_.above() == speech::nothing))
    throw std::invalid_argument("what stands on top of this stack would speak to nobody: " +
                                s.to_text());
  return s;
}

std::vector<layer_actor*> opened_stack::make_layers(const any_stack& s) {
  std::vector<layer_actor*> made;
  layers_.swap(made);
  std::exception_ptr failed;
  try {
    for (auto& p : s.parts()) p->add_to(*this);
  } catch (...) {
    failed = std::current_exception();
  }
  layers_.swap(made);
  if (failed) {
    live_edit::discard(made);
    std::rethrow_exception(failed);
  }
  return made;
}

// False: the stack is about to end anyway.
bool opened_stack::edit(place p, const any_stack& add, std::uint32_t ticket) {
  if (phase() != nursery_state::phase::open || lost_) return false;
  auto then = changed(p, add);
  auto* lower = layers_[p.at - 1];
  auto* gone = p.count ? layers_[p.at] : nullptr;
  const bool has_upper = p.at + p.count < layers_.size();
  auto* upper = has_upper ? layers_[p.at + p.count] : nullptr;
  if (!lower || (p.count && !gone) || (has_upper && !upper)) return false;
  for (auto* l : {lower, gone, upper})
    if (l && l->dead()) return false;

  const auto fresh = make_layers(add);
  for (auto* l : fresh) start_layer(*l);
  live_edit(*lower, gone, upper, ticket).make(fresh);
  const auto at = layers_.begin() + std::ptrdiff_t(p.at);
  layers_.insert(layers_.erase(at, at + std::ptrdiff_t(p.count)), fresh.begin(), fresh.end());
  if (gone) leaving_.emplace_back(gone->record(), value_.parts()[p.at]);
  value_ = std::move(then);
  if (gone) stop_child(*gone->record());
  return true;
}

// ---- a task's

void opened_stack::order_edit(edit_kind k, bool above, std::string layer, any_stack add) {
  if (order_) throw std::logic_error("one edit of a connection at a time");
  order(k, above, named(layer), std::move(add));
}

// At a place counted from the transport; an insertion's is above the layer that is there already.
void opened_stack::order_edit(edit_kind k, std::size_t at, any_stack add) {
  if (order_) throw std::logic_error("one edit of a connection at a time");
  const bool above = k == edit_kind::insert;
  order(k, above, above ? at - 1 : at, std::move(add));
}

void opened_stack::order(edit_kind k, bool above, std::size_t by, any_stack add) {
  const auto p = find(k, by + (above ? 1 : 0));
  changed(p, add);
  order_.reset(new ordered{k, above, layers_[by], std::move(add), p});
  send_order();
}

void opened_stack::send_order() {
  auto& o = *order_;
  o.ticket = ++tickets_;
  o.upper = layers_[o.where.at + o.where.count];
  o.passed_on = o.reached = false;
  // or the stack ends, and the task is told so
  if (auto* top = layers_.back()) top->send(*message::edit(o.ticket).release());
}

struct opened_stack::due_note {
  void operator()(resident& r) const { static_cast<opened_stack&>(r).order_due(); }
};

bool opened_stack::edit_reached(layer_actor& l, std::uint32_t ticket) noexcept {
  if (l.is_parked()) return true; // its own
  if (!order_ || order_->ticket != ticket || order_->made) return false;
  auto& o = *order_;
  auto* gone = o.where.count ? layers_[o.where.at] : nullptr;
  if (&l != gone && &l != o.upper) return false;
  if (&l == o.upper && gone) { // who goes first hands on what it was given
    if (!std::exchange(o.passed_on, true)) live_edit::pass_edit(l, ticket);
    return true;
  }
  if (!std::exchange(o.reached, true)) tell<due_note, lane::data>(*this);
  return true;
}

void opened_stack::order_due() {
  if (!order_ || !order_->reached || order_->made) return;
  auto& o = *order_;
  try {
    if (!edit(o.where, o.add, o.ticket)) return;
    o.made = true;
    if (o.kind == edit_kind::remove) order_done(nullptr);
  } catch (...) {
    order_done(std::current_exception());
  }
}

void opened_stack::established_again(layer_actor& l) noexcept {
  if (order_ && order_->made && order_->upper == &l) order_done(nullptr);
}

void opened_stack::order_done(std::exception_ptr e) {
  order_.reset();
  if (e) // they wait for nothing
    for (auto* l : layers_)
      if (l) live_edit::kick(*l);
  if (!state_.edit) return; // the task did not wait
  state_.edit->done = true;
  state_.edit->error = std::move(e);
  state_.edit->waiters.unpark_all();
}

// ---- a layer's own

struct opened_stack::wish_note {
  layer_actor* from; // compared only: it may have ended
  edit_kind kind;
  any_stack add;
  std::uint32_t ticket;
  void operator()(resident& r) const {
    static_cast<opened_stack&>(r).make_own(*from, kind, add, ticket);
  }
};

void opened_stack::edit_from(layer_actor& l, edit_kind k, any_stack add) {
  const auto at = std::find(layers_.begin(), layers_.end(), &l);
  if (at == layers_.end()) return;
  if (l.is_parked()) throw std::logic_error("one edit of a layer at a time");
  changed(find(k, std::size_t(at - layers_.begin())), add);
  l.park();
  const auto ticket = ++tickets_;
  if (k == edit_kind::insert) l.put_edit(ticket);
  tell<wish_note, lane::data>(*this, &l, k, std::move(add), ticket);
}

void opened_stack::make_own(layer_actor& l, edit_kind k, const any_stack& add,
                            std::uint32_t ticket) {
  const auto found = std::find(layers_.begin(), layers_.end(), &l);
  if (found == layers_.end()) return;
  const auto at = std::size_t(found - layers_.begin());
  auto* upper = at + 1 < layers_.size() ? layers_[at + 1] : nullptr;
  try {
    if (!edit(find(k, at), add, ticket)) return;
  } catch (...) {
    return body_ended(how::failed, std::current_exception());
  }
  if (k == edit_kind::insert) live_edit::unpark(l);
  if (!order_) return;
  if (order_->made) {
    if (order_->upper == &l && k != edit_kind::insert) order_->upper = upper;
    return;
  }
  try { // the task's place may be another one now
    order_->where = find(order_->kind, order_->above, order_->by);
    changed(order_->where, order_->add);
    send_order();
    for (auto* x : layers_) // those that stopped go on until the new question comes
      if (x) live_edit::kick(*x);
  } catch (...) {
    order_done(std::current_exception());
  }
}

} // namespace creche::internal
