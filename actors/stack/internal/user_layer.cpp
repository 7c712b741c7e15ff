#include "actors/stack/internal/user_layer.hpp"

#include "runtime/supervision/internal/tree_sink.hpp"

namespace creche::internal {

user_layer::user_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack,
                       std::unique_ptr<creche::layer> l, bool frames_above)
    : layer_actor(cfg, record, stack), layer_(std::move(l)), name_(layer_->name()) {
  layer_->shell_ = this;
  if (frames_above) speak_frames();
  fire = [](timer& own) { static_cast<user_layer&>(own).timed_out(); };
}

user_layer::~user_layer() { on_over(); } // it may never have started

void user_layer::on_over() noexcept {
  home_.disarm(*this);
  orders_.clear();
  forget_holds(); // nobody waits any more
  held_out_.forget_holds();
  layer_.reset();
}

void user_layer::describe(const tree_sink& out) const {
  layer_actor::describe(out);
  if (const auto why = held_out_.blame(); !why.empty()) out.state("writes held", why);
}

bool user_layer::can_finish() const noexcept { return !layer_ || layer_->can_finish(); }

bool user_layer::leaves_slowly() const noexcept { return layer_ && layer_->leaves_slowly(); }

void user_layer::leave_note::operator()(resident& me) const {
  auto& self = static_cast<user_layer&>(me);
  if (self.ending_) return;
  self.drop_edit(); // what is said now goes out
  self.layer_->leave();
}
void user_layer::ask_to_leave() noexcept {
  const bookkeeping books;
  tell<leave_note, lane::data>(*this);
}

// ---- facts

void user_layer::attached() {
  const auto now = home_.now();
  for (auto& w : watches_) w.since = now;
  layer_->attached();
}

void user_layer::established() {
  if (!ending_) layer_->established();
}

void user_layer::established_above() {
  if (std::exchange(told_established_, true)) return;
  put_above(verb::established);
}

take user_layer::received(const slice& in) {
  if (ending_ || input_over_) return {in.size()};
  // A handshake sends nothing up: it goes on even if the task above asks for nothing.
  if (!room_above() && told_established_) return wait_for_room_above();
  if (limits_) last_in_ = home_.burst_time();
  return layer_->received(in);
}

void user_layer::eof() {
  eof_came_ = true;
  if (!ending_ && !input_over_) layer_->eof();
}

// Told behind the last byte. The top of a stack has shown all of it, and has written its answers.
void user_layer::input_lost() {
  if (ending_) return;
  if (has_above() && !told_established_) return end(ended_by::truncated, {});
  layer_actor::input_lost();
}

void user_layer::eof_above() {
  if (std::exchange(told_eof_, true)) return;
  layer_actor::eof();
}

void user_layer::drain() {
  if (!ending_) layer_->drain();
}

void user_layer::unused_taken() {
  const bookkeeping::pause theirs; // an edit has the reserve
  if (!ending_) layer_->unused_taken();
}

// ---- orders: given to the layer in their order, and only while they can go on

void user_layer::write(message_ptr order) {
  if (ending_) return took_above_frame(order->bytes.size());
  if (orders_ || !may_write()) {
    orders_.push(std::move(order));
    return note_stall();
  }
  tell_write(std::move(order));
  if (!orders_) return;
  go_on(); // it was put back
  note_stall();
}

void user_layer::tell_write(message_ptr order) {
  const auto given = order->bytes.size();
  if (limits_) last_out_ = home_.burst_time();
  given_ = order.get();
  layer_->write(std::move(order->bytes));
  const bool all = std::exchange(given_, nullptr);
  if (dead_) return;
  if (all || ending_) return took_above_frame(given);
  keep_rest(std::move(order), given);
}

void user_layer::put_back(slice&& rest) {
  if (!given_) throw std::logic_error("a layer put back what it was not given to write");
  std::exchange(given_, nullptr)->bytes = std::move(rest);
}

// It stays on the gauge above, and in front of what is said behind it.
void user_layer::keep_rest(message_ptr order, std::uint32_t given) {
  const auto left = order->bytes.size();
  if (!left && given) return took_above_frame(given);
  if (left > given) throw std::logic_error("a layer put back more than it was given to write");
  if (left < given && link_above()->per_frame)
    throw std::logic_error("a layer put back a part of a frame");
  if (left == given && !held_out_.any())
    throw std::logic_error("a layer put back all it was given to write, and holds nothing");
  if (left < given) took_above(given - left);
  orders_.push_front(std::move(order));
}

void user_layer::tell_finish() {
  if (layer_->can_finish()) layer_->finish();
}

void user_layer::finish_writing() {
  if (ending_) return;
  if (!orders_ && !is_parked()) return tell_finish();
  orders_.push(std::make_unique<message>(verb::finish));
}

void user_layer::close(ended_by how) {
  if (ending_) return;
  if (input_over_) how = how_;
  if (!orders_ && !is_parked()) return layer_->close(how);
  auto m = std::make_unique<message>(verb::close);
  m->how = how;
  orders_.push(std::move(m));
}

void user_layer::ask_flushed(message_ptr order) {
  if (ending_) return; // the end of the stack is the answer
  if (orders_) return orders_.push(std::move(order));
  layer_actor::ask_flushed(std::move(order));
}

void user_layer::edit_came(message_ptr order) {
  if (orders_) return orders_.push(std::move(order));
  layer_actor::edit_came(std::move(order));
}

void user_layer::give_orders(message_queue& to) noexcept {
  while (auto m = orders_.pop()) to.push(std::move(m));
}
void user_layer::take_orders(message_queue& orders) noexcept {
  while (auto m = orders.pop()) orders_.push(std::move(m));
  go_on_later();
}

void user_layer::left() noexcept {
  ending_ = true;
  home_.disarm(*this);
}

void user_layer::abort(ended_by how) {
  orders_.clear();
  if (ending_ || is_parked()) return abort_below(how);
  layer_->abort(how);
}

void user_layer::resume_out() {
  layer_actor::resume_out();
  go_on();
  if (!dead_ && !ending_ && room_below()) layer_->resume_out();
  note_stall();
}

void user_layer::resume_in() {
  layer_actor::resume_in();
  if (!dead_ && !ending_ && room_above()) layer_->resume_in();
}

void user_layer::go_on() {
  while (orders_ && !dead_) {
    const bool writes = orders_.front()->verb == verb::write;
    if (is_parked() || held_out_.any() || (writes && !room_below())) break;
    auto m = orders_.pop();
    if (writes)
      tell_write(std::move(m));
    else if (m->verb == verb::finish)
      tell_finish();
    else if (m->verb == verb::ask_flushed)
      layer_actor::ask_flushed(std::move(m));
    else if (m->verb == verb::edit)
      layer_actor::edit_came(std::move(m));
    else
      layer_->close(m->how);
  }
}

void user_layer::out_holds::released() noexcept { me.go_on_later(); }
void user_layer::out_holds::must_be_home(const char* why) const noexcept {
  me.layer_actor::must_be_home(why);
}

void user_layer::go_on_later() noexcept {
  if (dead_ || !orders_ || std::exchange(going_on_, true)) return;
  send(go_on_);
}

constinit const letter_kind user_layer::go_on_kind{"go on", lane::data,
                                                   [](letter&, resident& to) {
                                                     auto& me = static_cast<user_layer&>(to);
                                                     me.going_on_ = false;
                                                     me.go_on();
                                                     me.note_stall();
                                                   },
                                                   [](letter&) noexcept {}};

// The layer hears and says no more: it is over for it. What it has written is flushed, or lost.
void user_layer::end(ended_by how, std::error_code why, bool at_once) {
  if (std::exchange(ending_, true)) return;
  stack().note_end(how, why, name_);
  home_.disarm(*this);
  orders_.clear();
  look_again(); // what waits here is used up
  if (at_once)
    abort_below(how);
  else
    close_below(how);
}

// The layer hears no bytes any more, and goes on to write what those above say.
void user_layer::end_input(ended_by how, std::error_code why) {
  if (ending_ || input_over_) return;
  if (!has_above()) return end(how, why);
  input_over_ = true;
  how_ = how;
  stack().note_end(how, why, name_);
  look_again(); // what waits here is used up
  put_above(verb::input_lost);
  limit(answers, time_to_answer);
}

// ---- time: compared on fire

void user_layer::limit(time_limit which, clock_duration time) {
  if (time < clock_duration::zero()) throw std::invalid_argument("a limit is not less than zero");
  auto& w = watches_[std::size_t(which)];
  w = {time, home_.now()};
  if (time == no_limit) return;
  limits_ = true;
  arm_by(later(w.since, time));
}

void user_layer::wake_at(time_point when) {
  wake_at_ = std::max(when, time_point());
  late_ &= std::uint8_t(~wakes); // of the time before
  if (when != time_point::max()) arm_by(wake_at_);
}

void user_layer::arm_by(time_point when) {
  if (!armed() || due > std::uint64_t(when.time_since_epoch().count())) home_.arm(*this, when);
}

void user_layer::note_stall() {
  if (!watched(time_limit::write_stall) || dead_) return;
  const bool waits = waits_below() || (orders_ && !held_out_.any());
  const bool stalls = waits && !is_parked(); // for want of room
  if (!stalls || stalled_) return void(stalled_ = stalls);
  stalled_ = true;
  taken_ = link_below()->down.taken();
  auto& w = watches_[std::size_t(time_limit::write_stall)];
  w.since = home_.burst_time();
  if (w.limit == clock_duration::zero()) home_.arm(*this, w.since);
}

bool user_layer::runs(time_limit which) const noexcept {
  if (which == time_limit::handshake) return !told_established_;
  if (which == time_limit::write_stall) return stalled_;
  if (which == time_limit::read) return !eof_came_ && !input_over_; // no byte can come
  return true;
}

// Has anything been taken below since we looked? Not every piece makes room.
bool user_layer::goes_on() noexcept {
  const auto* l = link_below();
  const auto before = taken_;
  if (l) taken_ = l->down.taken();
  return taken_ != before;
}

time_point user_layer::begun(time_limit which) const noexcept {
  const auto since = watches_[std::size_t(which)].since;
  switch (which) {
  case time_limit::read: return std::max(since, last_in_);
  case time_limit::write: return std::max(since, last_out_);
  case time_limit::both: return std::max({since, last_in_, last_out_});
  default: return since;
  }
}

void user_layer::timed_out() { // outside every turn
  if (dead_ || ending_) return;
  const auto now = home_.now();
  if (wake_at_ <= now) {
    wake_at_ = time_point::max();
    late_ |= wakes;
  }
  auto earliest = wake_at_;
  for (std::size_t i = 0; i <= time_limits; ++i) {
    const auto t = time_limit(i);
    if (!watched(t)) continue;
    auto& w = watches_[i];
    if (t == time_limit::write_stall && stalled_ && goes_on()) w.since = now;
    auto at = later(begun(t), w.limit);
    if (!runs(t)) {
      if (w.limit == clock_duration::zero()) continue; // note_stall() arms it
      at = later(now, w.limit);
    } else if (at <= now) {
      late_ |= std::uint8_t(1u << i);
      w.since = now;
      if (w.limit == clock_duration::zero()) continue; // once
      at = later(now, w.limit);
    }
    earliest = std::min(earliest, at);
  }
  if (earliest != time_point::max()) home_.arm(*this, earliest);
  if (late_) wake_up();
}

void user_layer::on_marks() {
  const auto late = std::exchange(late_, std::uint8_t(0));
  for (std::size_t i = 0; late && i <= time_limits && !dead_ && !ending_; ++i)
    if (late >> i & 1) {
      if (time_limit(i) == answers) return end(how_, {});
      const auto after = watches_[i].limit;
      if (after == clock_duration::zero()) watches_[i].limit = no_limit;
      layer_->timed_out(time_limit(i), after);
    }
  if ((late & wakes) && !dead_ && !ending_) layer_->woken();
}

} // namespace creche::internal
