#include "actors/stack/internal/opened_stack.hpp"

#include "actors/stack/internal/live_edit.hpp"

#include <algorithm>

namespace creche::internal {

opened_stack::opened_stack(caf::actor_config& cfg, child_record* record, any_stack value)
    : stack_actor(cfg, record), value_(std::move(value)), state_(*new top_state) {}

void opened_stack::build() {
  state_.began = home_.now();
  for (auto& p : value_.parts()) p->add_to(*this);
  if (value_.above() == speech::nothing) return;
  if (!has_user()) state_.closed = true;
  add_layer<top_layer>("top", nullptr, state_);
}

void opened_stack::note_end(ended_by how, std::error_code why, std::string_view layer) noexcept {
  if (state_.record) return;
  const bookkeeping books;
  state_.record = close_record{how, why, std::string(layer), home_.now() - state_.began};
}

connection opened_stack::handle() { return top_state::handle(state_); }

void opened_stack::opened() { detail::answer_ready(record()->slot, handle()); }

std::string_view opened_stack::cannot_finish() const noexcept {
  for (auto* l : layers_)
    if (l && !l->can_finish()) return l->kind();
  return {};
}

void opened_stack::on_forget(child_record& record) {
  if (std::erase_if(leaving_, [&](auto& l) { return l.first == &record; })) return;
  stack_actor::on_forget(record);
}

// ---- where, and whether that fits

opened_stack::place opened_stack::find(edit_kind kind, std::size_t at) {
  return {at, kind == edit_kind::insert ? 0u : 1u};
}

opened_stack::place opened_stack::find(edit_kind kind, bool above, const layer_actor* by) const {
  const auto found = std::find(layers_.begin(), layers_.end(), by);
  if (found == layers_.end())
    throw place_left("the layer at which this edit was to be made has left " + value_.to_text());
  return find(kind, std::size_t(found - layers_.begin()) + (above ? 1 : 0));
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

any_stack opened_stack::changed(place where, const any_stack& add) const {
  if (where.at == 0)
    throw std::invalid_argument("the transport of a stack stays: " + value_.to_text());
  if (add.empty() && where.count == 0) throw std::invalid_argument("there is nothing to insert");
  any_stack lower, upper;
  for (std::size_t i = 0; i < value_.layers(); ++i) {
    if (i >= where.at && i < where.at + where.count) continue;
    auto& to = i < where.at ? lower : upper;
    to = to.on_top(any_stack(value_.parts()[i]));
  }
  auto s = lower.on_top(add).on_top(upper);
  if ((s.above() == speech::nothing) != (value_.above() == speech::nothing))
    throw std::invalid_argument("what stands on top of this stack would speak to nobody: " +
                                s.to_text());
  return s;
}

std::vector<layer_actor*> opened_stack::make_layers(const any_stack& stack) {
  std::vector<layer_actor*> made;
  layers_.swap(made);
  std::exception_ptr failed;
  try {
    for (auto& p : stack.parts()) p->add_to(*this);
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
bool opened_stack::edit(place where, const any_stack& add, std::uint32_t ticket) {
  if (phase() != nursery_state::phase::open || lost_ || state_.record) return false;
  auto then = changed(where, add);
  auto* lower = layers_[where.at - 1];
  auto* gone = where.count ? layers_[where.at] : nullptr;
  const bool has_upper = where.at + where.count < layers_.size();
  auto* upper = has_upper ? layers_[where.at + where.count] : nullptr;
  if (!lower || (where.count && !gone) || (has_upper && !upper)) return false;
  for (auto* l : {lower, gone, upper})
    if (l && l->dead()) return false;

  const auto fresh = make_layers(add);
  try {
    expect(most_ids() + fresh.size());
    layers_.reserve(layers_.size() + fresh.size());
    leaving_.reserve(leaving_.size() + where.count);
  } catch (...) {
    live_edit::discard(fresh);
    throw;
  }
  const bookkeeping books; // there is no way back
  for (auto* l : fresh) start_layer(*l);
  const auto at = layers_.begin() + std::ptrdiff_t(where.at);
  layers_.insert(layers_.erase(at, at + std::ptrdiff_t(where.count)), fresh.begin(), fresh.end());
  if (gone) leaving_.emplace_back(gone->record(), value_.parts()[where.at]);
  value_ = std::move(then);
  try {
    live_edit(*lower, gone, upper, ticket).make(fresh);
  } catch (...) { // a layer's own doing; what was under way is lost
    for (auto* l : fresh) l->give_up();
    if (gone) gone->give_up();
    body_ended(how::failed, std::current_exception());
    return false;
  }
  if (gone) stop_child(*gone->record());
  return true;
}

// ---- a task's

void opened_stack::order_edit(edit_kind kind, bool above, std::string layer, any_stack add) {
  if (order_) throw std::logic_error("one edit of a connection at a time");
  order(kind, above, named(layer), std::move(add));
}

// At a place counted from the transport; an insertion's is above the layer that is there already.
void opened_stack::order_edit(edit_kind kind, std::size_t at, any_stack add) {
  if (order_) throw std::logic_error("one edit of a connection at a time");
  const bool above = kind == edit_kind::insert;
  order(kind, above, above ? at - 1 : at, std::move(add));
}

void opened_stack::order(edit_kind kind, bool above, std::size_t by, any_stack add) {
  const auto p = find(kind, by + (above ? 1 : 0));
  changed(p, add);
  order_.reset(new ordered{kind, above, layers_[by], std::move(add), p});
  try {
    send_order();
  } catch (...) { // no layer was asked
    order_.reset();
    throw;
  }
}

void opened_stack::send_order() {
  auto& o = *order_;
  auto question = message::edit(++tickets_);
  o.ticket = question->ticket;
  o.upper = layers_[o.where.at + o.where.count];
  o.passed_on = o.reached = o.asked = false;
  // or the stack ends, and the task is told so
  if (auto* top = layers_.back()) top->send(*question.release());
}

struct opened_stack::due_note {
  void operator()(resident& me) const { static_cast<opened_stack&>(me).order_due(); }
};

bool opened_stack::edit_reached(layer_actor& layer, std::uint32_t ticket) noexcept {
  if (layer.is_parked()) return true; // its own
  if (!order_ || order_->ticket != ticket || order_->made) return false;
  auto& o = *order_;
  auto* gone = o.where.count ? layers_[o.where.at] : nullptr;
  if (&layer != gone && &layer != o.upper) return false;
  if (&layer == o.upper && gone) { // the first to go hands on what it was given
    if (!std::exchange(o.passed_on, true)) layer.pass_edit(ticket);
    return true;
  }
  const bookkeeping books;
  if (!std::exchange(o.reached, true)) tell<due_note, lane::data>(*this);
  return true;
}

void opened_stack::order_due() {
  if (!order_ || !order_->reached || order_->made) return;
  auto& o = *order_;
  if (auto* gone = o.where.count ? layers_[o.where.at] : nullptr; gone && gone->leaves_slowly()) {
    if (!std::exchange(o.asked, true)) gone->ask_to_leave();
    return;
  }
  try {
    if (!edit(o.where, o.add, o.ticket)) return;
    o.made = true;
    if (o.kind == edit_kind::remove) order_done(nullptr);
  } catch (...) {
    order_done(std::current_exception());
  }
}

void opened_stack::may_leave(layer_actor& layer) noexcept {
  if (!order_ || !order_->asked || layers_[order_->where.at] != &layer) return;
  const bookkeeping books;
  tell<due_note, lane::data>(*this);
}

void opened_stack::established_again(layer_actor& layer) noexcept {
  if (order_ && order_->made && order_->upper == &layer) order_done(nullptr);
}

void opened_stack::order_done(std::exception_ptr error) {
  order_.reset();
  if (error) // they wait for nothing
    for (auto* l : layers_)
      if (l) l->kick();
  if (!state_.edit) return; // the task did not wait
  state_.edit->done = true;
  state_.edit->error = std::move(error);
  state_.edit->waiters.unpark_all();
}

// ---- a layer's own

struct opened_stack::wish_note {
  layer_actor* from; // compared only: it may have ended
  edit_kind kind;
  any_stack add;
  std::uint32_t ticket;
  void operator()(resident& me) const {
    static_cast<opened_stack&>(me).make_own(*from, kind, add, ticket);
  }
};

void opened_stack::edit_from(layer_actor& l, edit_kind kind, any_stack add) {
  const auto at = std::find(layers_.begin(), layers_.end(), &l);
  if (at == layers_.end()) return;
  if (l.is_parked()) throw std::logic_error("one edit of a layer at a time");
  changed(find(kind, std::size_t(at - layers_.begin())), add);
  l.park();
  const auto ticket = ++tickets_;
  if (kind == edit_kind::insert) l.put_edit(ticket);
  tell<wish_note, lane::data>(*this, &l, kind, std::move(add), ticket);
}

void opened_stack::make_own(layer_actor& layer, edit_kind kind, const any_stack& add,
                            std::uint32_t ticket) {
  const auto found = std::find(layers_.begin(), layers_.end(), &layer);
  if (found == layers_.end()) return;
  const auto at = std::size_t(found - layers_.begin());
  auto* upper = at + 1 < layers_.size() ? layers_[at + 1] : nullptr;
  try {
    if (!edit(find(kind, at), add, ticket)) return;
  } catch (...) {
    return body_ended(how::failed, std::current_exception());
  }
  if (kind == edit_kind::insert) layer.unpark();
  if (!order_) return;
  if (order_->made) {
    if (order_->upper == &layer && kind != edit_kind::insert) order_->upper = upper;
    return;
  }
  try { // the task's place may be another one now
    order_->where = find(order_->kind, order_->above, order_->by);
    changed(order_->where, order_->add);
    send_order();
    for (auto* x : layers_) // those that stopped go on until the new question comes
      if (x) x->kick();
  } catch (...) {
    order_done(std::current_exception());
  }
}

} // namespace creche::internal
