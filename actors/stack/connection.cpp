#include "actors/stack/connection.hpp"

#include "actors/stack/internal/opened_stack.hpp"
#include "actors/stack/stack_difference.hpp"
#include "runtime/memory/counted.hpp"

namespace creche {

namespace {

std::error_code code_of(const close_record& r) {
  if (r.why) return r.why;
  switch (r.how) {
  case ended_by::timeout: return std::make_error_code(std::errc::timed_out);
  case ended_by::refused: return std::make_error_code(std::errc::protocol_error);
  case ended_by::local: return std::make_error_code(std::errc::operation_canceled);
  case ended_by::clean: return std::make_error_code(std::errc::not_connected);
  default: return std::make_error_code(std::errc::connection_reset);
  }
}

// The code's own words come behind it.
std::string sentence(close_record record) {
  record.why = {};
  return (record.how == ended_by::clean ? "the connection has ended, " : "connection lost, ") +
         record.to_text();
}

struct open_plan final : detail::plan {
  any_stack stack;
  open_plan(any_stack value, std::string given, bool answers) : stack(std::move(value)) {
    name = std::move(given);
    wants_ready = answers;
    answer = &detail::type_of<connection>;
  }
  task<> body(detail::ready_slot*) override { throw std::logic_error("a stack has no task"); }
  internal::child_actor* make(internal::child_record& record) override {
    return internal::make_resident<internal::opened_stack>(*home, &record, stack);
  }
  void let_go() noexcept override { stack = {}; }
};

// The failure that the others came from.
[[noreturn]] void throw_first(const failure_group& group) {
  const failure* f = &group.failures().front();
  while (!f->causes().empty()) f = &f->causes().front();
  if (f->exception()) std::rethrow_exception(f->exception());
  throw std::system_error(f->code(), std::string(f->what()));
}

} // namespace

connection_lost::connection_lost(close_record record)
    : system_error(code_of(record), sentence(record)),
      record_(detail::shared<close_record>::make<close_record>(std::move(record))) {}

task<connection> open(nursery& n, any_stack s, std::string name) {
  if (s.empty() || s.below() != speech::nothing)
    throw std::invalid_argument("open: the lowest layer of a stack is a transport, like tcp(..)");
  if (s.above() == speech::nothing)
    throw std::invalid_argument("open: there is nothing to say to the top layer of this stack");
  child_spec spec(new open_plan(std::move(s), name.empty() ? "stack" : std::move(name), true));
  std::optional<started<connection>> got;
  std::optional<failure_group> failed;
  try {
    auto r = co_await n.start_ready<connection>(spec);
    got.emplace(std::move(r));
  } catch (const failure_group& group) {
    failed.emplace(group);
  }
  if (failed) throw_first(*failed);
  internal::top_state::name_child(got->value, std::move(got->child));
  co_return std::move(got->value);
}

child_spec as_child(any_stack s, std::string name) {
  if (s.empty() || s.below() != speech::nothing)
    throw std::invalid_argument("as_child: the lowest layer of a stack is a transport");
  return child_spec(new open_plan(std::move(s), std::move(name), false));
}

// ---- the handle

connection::~connection() {
  auto* s = in_.state_;
  if (!s) return;
  close();
  s->release();
}

const child& connection::stack() const noexcept { return in_.state_->stack; }

void connection::finish() {
  auto& s = *in_.state_;
  if (s.finished) return;
  if (!s.over())
    if (const auto who = s.layer->whole().cannot_finish(); !who.empty())
      throw std::logic_error(std::string(who) + " cannot say its end and still read: close()");
  s.finished = true;
  if (s.over()) return;
  s.layer->finish_now();
  if (s.eof || s.input_lost) s.layer->close_now(); // the peer has said its end as well
}

bool connection::can_finish() const noexcept {
  auto& s = *in_.state_;
  return s.over() || s.layer->whole().cannot_finish().empty();
}

void connection::close() noexcept {
  auto& s = *in_.state_;
  if (std::exchange(s.closed, true) || s.over()) return;
  s.inbox.clear();
  s.weight = 0;
  s.layer->taken();
  s.layer->close_now();
}

void connection::abort() noexcept {
  auto& s = *in_.state_;
  s.closed = true;
  if (!s.over()) s.layer->abort_now();
}

task<close_record> connection::ended() const {
  auto* s = in_.state_;
  s->add_ref(); // the handle may die meanwhile
  const detail::counted_ptr<internal::top_state> kept(s);
  const auto stack = s->stack;
  co_await stack.wait();
  co_return s->last_record();
}

// ---- live edits

static internal::opened_stack& editable(internal::top_state* state) {
  if (state->is_ending()) throw connection_lost(state->last_record());
  if (state->closed || state->finished) throw std::logic_error("edited after the end was said");
  return state->layer->whole();
}

task<> connection::edit(internal::edit_kind kind, bool above, std::string layer, any_stack add) {
  auto* s = in_.state_;
  editable(s).order_edit(kind, above, std::move(layer), std::move(add));
  co_await edited(s);
}

// One or none at a time waits; a cancelled one has left its order behind.
task<> connection::edited(internal::top_state* state) {
  state->add_ref(); // the handle may die meanwhile
  const detail::counted_ptr<internal::top_state> kept(state);
  state->edit.reset(new internal::edit_wait);
  co_await state->edit->waiters.park_unless(
      [state] { return state->edit->done || state->is_ending(); }, "live edit");
  if (state->edit->error) std::rethrow_exception(state->edit->error);
  if (!state->edit->done) throw connection_lost(state->last_record());
}

static internal::edit_kind kind_of(stack_difference::edit what) noexcept {
  switch (what) {
  case stack_difference::edit::insert: return internal::edit_kind::insert;
  case stack_difference::edit::replace: return internal::edit_kind::replace;
  case stack_difference::edit::remove: break;
  }
  return internal::edit_kind::remove;
}

task<> connection::change_to(any_stack to) {
  auto* s = in_.state_;
  s->add_ref();
  const detail::counted_ptr<internal::top_state> kept(s);
  for (;;) { // each time from what is there by then: layers change their stack, too
    auto& stack = editable(s);
    const stack_difference d(stack.value(), to);
    if (d.none()) co_return;
    auto& step = d.steps().front();
    stack.order_edit(kind_of(step.what), step.at, step.add);
    try {
      co_await edited(s);
    } catch (const internal::place_left&) { // a layer's doing: there is another way now
    }
  }
}

task<> connection::insert_above(std::string layer, any_stack stack) {
  return edit(internal::edit_kind::insert, true, std::move(layer), std::move(stack));
}
task<> connection::insert_below(std::string layer, any_stack stack) {
  return edit(internal::edit_kind::insert, false, std::move(layer), std::move(stack));
}
task<> connection::replace(std::string layer, any_stack stack) {
  return edit(internal::edit_kind::replace, false, std::move(layer), std::move(stack));
}
task<> connection::remove(std::string layer) {
  return edit(internal::edit_kind::remove, false, std::move(layer), {});
}

void connection::read_ahead(bool on) noexcept {
  if (!in_.state_->over()) in_.state_->layer->read_ahead(on);
}

any_stack connection::value() const {
  auto& s = *in_.state_;
  return s.over() ? any_stack() : s.layer->whole().value();
}

endpoint connection::peer() const {
  const auto* known = facts().find<addresses>();
  return known ? known->peer : in_.state_->ends.peer.unpacked();
}
endpoint connection::local() const {
  const auto* known = facts().find<addresses>();
  return known ? known->local : in_.state_->ends.local.unpacked();
}
const facts& connection::facts() const {
  static const creche::facts none;
  auto& s = *in_.state_;
  if (!s.over()) return s.layer->whole().own_facts();
  return s.facts ? *s.facts : none;
}

std::size_t incoming::unread() const noexcept { return state_->inbox.size(); }

// ---- awaits

namespace detail {
parking& readers_of(internal::top_state* state) noexcept { return state->readers; }
parking& writers_of(internal::top_state* state) noexcept { return state->writers; }
parking& flush_waiters_of(internal::top_state* state) noexcept { return state->flush_waiters; }
} // namespace detail

bool incoming::next_awaiter::over() {
  if (!state_->inbox.empty() || state_->eof || state_->input_lost || state_->over()) return true;
  state_->layer->asked();
  return false;
}
void incoming::next_awaiter::gave_up() noexcept {
  if (!state_->over()) state_->layer->not_asked();
}
std::optional<slice> incoming::next_awaiter::await_resume() {
  auto& s = *state_;
  if (!s.inbox.empty()) {
    auto b = std::move(s.inbox.front());
    s.inbox.pop_front();
    s.weight -= b.size() + internal::layer_actor::frame_cost;
    if (!s.over() && s.weight <= internal::top_layer::low) s.layer->taken();
    return b;
  }
  if (s.eof) return std::nullopt;
  if (s.record && s.record->how == ended_by::clean) return std::nullopt;
  throw connection_lost(s.last_record());
}

bool connection::send_awaiter::over() {
  return state_->closed || state_->finished || state_->no_more_goes() ||
         state_->layer->room_below();
}
void connection::send_awaiter::await_resume() {
  auto& s = *state_;
  if (s.no_more_goes()) throw connection_lost(s.last_record());
  if (s.closed || s.finished) throw std::logic_error("sent after the end was said");
  s.layer->write_below(std::move(bytes_));
}

bool connection::flushed_awaiter::answered() const noexcept {
  const auto last = state_->answered[std::size_t(level_)];
  return ticket_ && std::int32_t(last - ticket_) >= 0;
}
bool connection::flushed_awaiter::over() {
  if (state_->no_more_goes()) return true;
  if (!ticket_) ticket_ = state_->layer->ask(level_);
  return answered();
}
// Every answer wakes all, and those that it is not for go to the end of the list, in their order.
void connection::flushed_awaiter::unparked() noexcept {
  if (state_->no_more_goes() || answered())
    run_.ready(*this);
  else
    join();
}
void connection::flushed_awaiter::await_resume() {
  if (!answered()) throw connection_lost(state_->last_record());
}

} // namespace creche
