#include "actors/stack/internal/top_layer.hpp"

#include "actors/stack/internal/opened_stack.hpp"

namespace creche::internal {

close_record top_state::last_record() const {
  if (record) return *record;
  return {ended_by::local, std::make_error_code(std::errc::operation_canceled), "", {}};
}

// ---- the top layer

top_layer::top_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack,
                     top_state& state)
    : layer_actor(cfg, record, stack), state_(state) {
  state_.add_ref();
  state_.layer = this;
}

top_layer::~top_layer() {
  if (state_.layer == this) on_over(); // it may never have started
  state_.release();
}

// A task that drops what comes does not wait for the last of it, which a layer below may hold; one
// that waits for an answer does.
void top_layer::on_stop() {
  const bool waits = !state_.closed || state_.flush_waiters.statistics().waiting;
  waits ? layer_actor::on_stop() : on_cancel();
}

// A task that waits in open() is told how the stack ended.
void top_layer::on_cancel() {
  const bool tells = !is_established() && state_.record && whole().is_awaited();
  if (!tells || state_.record->how == ended_by::local) return layer_actor::on_cancel();
  over(how::failed, std::make_exception_ptr(connection_lost(*state_.record)));
}

// What came and had no room is still the task's.
void top_layer::on_over() noexcept {
  try {
    const bookkeeping books;
    if (!state_.closed)
      while (auto m = take_unshown()) keep(std::move(m->bytes));
  } catch (const std::bad_alloc&) { // then it is no good end
    state_.record =
        close_record{ended_by::local, std::make_error_code(std::errc::not_enough_memory), "", {}};
  }
  state_.facts = stack().shared_facts();
  state_.layer = nullptr;
  state_.readers.unpark_all();
  state_.writers.unpark_all();
  state_.flush_waiters.unpark_all();
  if (state_.edit) state_.edit->waiters.unpark_all();
}

take top_layer::received(const slice& in) {
  if (state_.closed) return {in.size()};
  if (state_.weight >= high) return wait_for_room_above();
  owe();
  keep(in);
  return {in.size()};
}

void top_layer::keep(slice bytes) {
  bytes.keep_cheaply();
  state_.weight += bytes.size() + frame_cost;
  state_.inbox.push_back(std::move(bytes));
  state_.readers.unpark();
}

void top_layer::eof() {
  if (!is_established()) return end_early(ended_by::truncated);
  state_.eof = true;
  state_.readers.unpark_all();
  if (state_.closed || state_.finished) close_now(); // both ends are said
}

// The task reads what came before, and may still answer.
void top_layer::input_lost() {
  if (!is_established()) return end_early(ended_by::truncated);
  transport_over();
  if (state_.closed || state_.finished) close_now();
}

void top_layer::transport_over() {
  state_.input_lost = true;
  state_.readers.unpark_all();
  if (state_.edit) state_.edit->waiters.unpark_all();
}

void top_layer::output_lost() noexcept {
  state_.output_lost = true;
  state_.writers.unpark_all();
  state_.flush_waiters.unpark_all();
  if (state_.edit) state_.edit->waiters.unpark_all();
}

void top_layer::resume_out() {
  layer_actor::resume_out();
  if (state_.writers.statistics().waiting && room_below()) state_.writers.unpark_all();
}

// The task is told as if the peer had said its end: it finishes what it has in hand.
void top_layer::drain() {
  if (!is_established()) return end_early(ended_by::local);
  drained_ = true;
  eof();
}

// There is no task yet that could decide what it means.
void top_layer::end_early(ended_by how) {
  stack().note_end(how, {}, kind());
  close_below(how);
}

std::uint32_t top_layer::ask(flush_level level) {
  auto m = std::make_unique<message>(verb::ask_flushed);
  m->level = level;
  m->ticket = ++state_.asked[std::size_t(level)];
  const auto ticket = m->ticket;
  ask_flushed(std::move(m));
  return ticket;
}

// Answers of one level come in the order of their questions.
void top_layer::flushed(message_ptr order) {
  state_.answered[std::size_t(order->level)] = order->ticket;
  state_.flush_waiters.unpark(state_.flush_waiters.statistics().waiting); // each once
}

opened_stack& top_layer::whole() const noexcept { return static_cast<opened_stack&>(stack()); }

// ---- read ahead, or not

void top_layer::owe() noexcept {
  if (auto* l = link_below(); l && steps_ && !std::exchange(owes_, true)) l->up.add(1);
}

void top_layer::asked() {
  if (std::exchange(owes_, false)) took_below(1);
}

// The last one that waited has given up.
void top_layer::not_asked() noexcept {
  if (!state_.readers.statistics().waiting) owe();
}

void top_layer::step_by_step() noexcept {
  if (auto* l = link_below()) {
    usual_ = std::exchange(l->marks, {.high = 1, .low = 0});
    owe();
    if (state_.readers.statistics().waiting) asked();
  }
}
void top_layer::all_at_once() noexcept {
  if (auto* l = link_below()) {
    l->marks = usual_;
    asked();
  }
}

void top_layer::read_ahead(bool on) {
  if (on != steps_) return;
  steps_ = !on;
  if (steps_)
    step_by_step();
  else
    all_at_once();
}

// ---- live edits

void top_layer::below_changes() noexcept {
  if (steps_) all_at_once();
}
void top_layer::below_changed() noexcept {
  if (steps_) step_by_step();
}

// What nobody has asked for is as good as not used.
void top_layer::give_back(message_queue& to) {
  for (auto& b : state_.inbox) {
    link_below()->up.add(b.size() + link_below()->per_frame);
    to.push(std::make_unique<message>(verb::received, std::move(b)));
  }
  state_.inbox.clear();
  state_.weight = 0;
  if (state_.eof && !state_.closed) { // it comes again behind all that
    state_.eof = false;
    forget_eof();
    if (std::exchange(drained_, false)) to.push(std::make_unique<message>(verb::drain));
  }
  taken(); // it may have been full
}

} // namespace creche::internal
