#include "actors/internal/top_layer.hpp"

namespace creche::internal {

close_record top_state::last_record() const {
  if (record) return *record;
  return {ended_by::local, std::make_error_code(std::errc::operation_canceled), "", {}};
}

// ---- the top layer

top_layer::top_layer(caf::actor_config& cfg, child_record* r, stack_actor& s, top_state& state,
                     bool frames_below)
    : layer_actor(cfg, r, s), state_(state) {
  if (frames_below) state_.per_frame = frame_cost;
  state_.hold();
  state_.layer = this;
}

top_layer::~top_layer() {
  if (state_.layer == this) on_over(); // it may never have started
  state_.drop();
}

// What came and had no room is still the task's.
void top_layer::on_over() noexcept {
  if (!state_.closed)
    while (auto m = take_unshown()) keep(std::move(m->bytes));
  state_.layer = nullptr;
  state_.readers.unpark_all();
  state_.writers.unpark_all();
  state_.drainers.unpark_all();
}

take top_layer::received(const slice& in) {
  if (state_.closed) return {in.size()};
  if (state_.weight >= high) return wait_for_room_above();
  keep(in);
  return {in.size()};
}

void top_layer::keep(slice b) {
  b.keep_cheaply();
  state_.weight += b.size() + state_.per_frame;
  state_.inbox.push_back(std::move(b));
  state_.readers.unpark();
}

void top_layer::eof() {
  state_.eof = true;
  state_.readers.unpark_all();
  if (state_.closed) close_now();
}

void top_layer::resume_out() {
  layer_actor::resume_out();
  if (state_.writers.statistics().waiting && room_below()) state_.writers.unpark_all();
}

// The task is told as if the peer had said its end: it finishes what it has in hand.
void top_layer::drain() { eof(); }

std::uint32_t top_layer::ask(drain_level level) {
  auto m = std::make_unique<message>(verb::ask_drained);
  m->level = level;
  m->ticket = ++state_.asked[std::size_t(level)];
  const auto ticket = m->ticket;
  ask_drained(std::move(m));
  return ticket;
}

// Answers of one level come in the order of their questions.
void top_layer::drained(message_ptr m) {
  state_.answered[std::size_t(m->level)] = m->ticket;
  state_.drainers.unpark(state_.drainers.statistics().waiting); // each once
}

// ---- the stack

opened_stack::opened_stack(caf::actor_config& cfg, child_record* r, any_stack value)
    : stack_actor(cfg, r), value_(std::move(value)), state_(*new top_state) {}

void opened_stack::build() {
  state_.began = home_.now();
  for (auto& p : value_.parts()) p->add_to(*this);
  if (value_.above() == speech::nothing) return;
  if (!record()->slot) state_.closed = true; // nobody will ask
  add_layer<top_layer>("top", nullptr, state_, value_.above() == speech::frames);
}

void opened_stack::note_end(ended_by how, std::error_code why, std::string_view layer) noexcept {
  if (state_.record) return;
  state_.record = close_record{how, why, std::string(layer), home_.now() - state_.began};
}

void opened_stack::opened() {
  auto* slot = record()->slot;
  if (!detail::ready_once(slot)) return;
  if (void* to = detail::ready_storage(slot))
    new (to) std::optional<connection>(top_state::handle(state_));
  detail::ready_done(slot);
}

} // namespace creche::internal
