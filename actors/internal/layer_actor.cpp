#include "actors/internal/layer_actor.hpp"

#include "actors/internal/stack_actor.hpp"
#include "runtime/internal/standard_error.hpp"
#include "runtime/internal/tree_sink.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace creche::internal {

namespace {

struct look_note { // to ourselves: show what is there, in a turn of its own
  void (*call)(resident&);
  void operator()(resident& r) const { call(r); }
};

} // namespace

void layer_actor::open(message_ptr m) {
  switch (m->verb) {
  case verb::established:
    if (std::exchange(established_came_, true)) return stack_.established_again(*this);
    return established();
  case verb::received: return came(std::move(m));
  case verb::eof: eof_came_ = true; return show();
  case verb::resume_out: return resume_out();
  case verb::drain: return drain_came(std::move(m));
  case verb::drained: return drained(std::move(m));
  case verb::lost: return lost_came();
  case verb::write: return write(std::move(m));
  case verb::finish: return finish_writing();
  case verb::close: return close(m->how);
  case verb::abort: return abort(m->how);
  case verb::resume_in: return resume_in();
  case verb::ask_drained: return ask_drained(std::move(m));
  case verb::edit: return edit_came(std::move(m));
  }
}

constinit const letter_kind message::letters{
    "layer", lane::data,
    [](letter& l, resident& r) {
      message_ptr m(static_cast<message*>(&l));
      auto& to = static_cast<layer_actor&>(r);
      if (m->verb == verb::received)
        to.came(std::move(m));
      else if (m->verb == verb::write)
        to.write(std::move(m));
      else
        to.open(std::move(m));
    },
    [](letter& l) noexcept { delete static_cast<message*>(&l); }};

message::message(internal::verb v, slice&& b) noexcept : verb(v), bytes(std::move(b)) {
  kind = &letters;
}

message_ptr message::edit(std::uint32_t ticket) {
  auto m = std::make_unique<message>(internal::verb::edit);
  m->ticket = ticket;
  return m;
}

layer_actor::layer_actor(caf::actor_config& cfg, child_record* r, stack_actor& s)
    : child_actor(cfg, r), stack_(s) {}

layer_actor::~layer_actor() {
  if (below_) caf::intrusive_ptr_release(below_->ctrl());
  if (above_) caf::intrusive_ptr_release(above_->ctrl());
}

void layer_actor::join(layer_actor& upper) {
  up_ = upper.down_ = link_ref(new stack_link);
  up_->two_loops = &home_ != &upper.home_;
  if (frames_above_) up_->per_frame = frame_cost;
  above_ = &upper;
  upper.below_ = this;
  caf::intrusive_ptr_add_ref(above_->ctrl());
  caf::intrusive_ptr_add_ref(upper.below_->ctrl());
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
  if (const auto why = blame(); !why.empty()) out.detail("held: " + std::string(why));
}

// ---- letters in

// Where nothing waits, what is used at once waits in no queue.
inline void layer_actor::came(message_ptr m) {
  if (!all_shown() || showing_ || is_held()) {
    push_in(std::move(m));
  } else {
    showing_ = true;
    const bool used = use(*m);
    showing_ = false;
    if (used) return;
    keep(std::move(m));
  }
  show();
}

inline take layer_actor::shown(const slice& b) {
  const auto t = received(b);
  if (t.used > b.size()) throw std::logic_error("a layer used more bytes than it was shown");
  need_ = t.need;
  if (need_ > most_needed_) throw std::length_error("a layer needs more bytes than it may keep");
  return t;
}

// One at a time and whole if they are frames: it is used, or waited with, or the layer has failed.
// False: some of it is left.
inline bool layer_actor::use(message& m) {
  auto& b = m.bytes;
  const std::uint32_t per_frame = down_ ? down_->per_frame : 0;
  if (per_frame) {
    const auto n = b.size();
    const auto t = shown(b);
    if (dead_) return true;
    if (t.used == n && (n || t.whole || !is_held())) return took_below(n + per_frame), true;
    if (t.used == 0 && is_held()) return false;
    throw std::logic_error("a layer neither used a frame, all of it, nor waits with it");
  }
  while (!b.empty() && !dead_ && !is_held()) {
    const auto n = shown(b).used;
    if (!n) break;
    b.skip(n);
    took_below(n);
    if (b.size() < need_) break;
  }
  return b.empty() || dead_;
}

// Shows bytes until the layer uses none of them, is held, or none are left. Bytes that lie here are
// still on the gauge: whoever uses nothing holds the layer below by that alone.
void layer_actor::show() {
  if (std::exchange(showing_, true)) return;
  while (!dead_ && !is_held()) {
    const auto* first = in_.front();
    const bool drains = first && first->verb == verb::drain;
    if (!rest_.empty() && !(drains && !rest_is_news_)) { // never of frames
      if (first && !drains) {
        rest_.append(in_.pop()->bytes.view());
        rest_is_news_ = true;
      }
      if (!std::exchange(rest_is_news_, false)) break;
      if (rest_.size() < need_) continue;
      show_rest();
      continue;
    }
    auto m = in_.pop();
    if (!m) break;
    if (drains)
      drain();
    else if (!use(*m))
      keep(std::move(m));
  }
  showing_ = false;
  if (dead_ || is_held() || in_) return;
  if (!rest_.empty() && down_) { // or a long frame would wait for ever below the high mark
    const auto wanted = std::max(need_, rest_.size() + 1);
    if (down_->up.starve(down_->marks, down_->two_loops, wanted)) put_below(verb::resume_in);
  }
  if (eof_came_ && !std::exchange(eof_told_, true)) eof();
}

// A stream is counted by its bytes alone: who sends it one by one shall not fill memory with what
// each piece costs, nor with a slab for each while others read into it.
void layer_actor::push_in(message_ptr m) {
  m->bytes.keep_cheaply();
  if (!in_) pieces_ = 0;
  auto* last = in_.newest();
  const bool join = pieces_ >= most_pieces && last->verb == verb::received && down_ &&
                    !down_->per_frame && last->bytes.size() < small_piece &&
                    m->bytes.size() < small_piece;
  if (!join) {
    if (pieces_ < most_pieces) ++pieces_;
    return in_.push(std::move(m));
  }
  auto all = std::string(last->bytes.view());
  last->bytes = slice::copy_of(all += m->bytes.view());
}

// Behind what came before it.
void layer_actor::drain_came(message_ptr m) {
  const bool all = !in_ && (rest_.empty() || !rest_is_news_);
  if (all || stack_.drains_at_once()) return drain();
  in_.push(std::move(m));
  show();
}

void layer_actor::keep(message_ptr m) {
  if (is_held()) { // it wants none for now; they may stay for long
    m->bytes.keep_cheaply();
    in_.push_front(std::move(m));
  } else {
    rest_.append(m->bytes.view());
    rest_is_news_ = false;
  }
}

void layer_actor::show_rest() {
  while (!rest_.empty() && !is_held()) {
    const auto all = rest_.all();
    const auto n = shown(all).used;
    if (dead_ || rest_.empty()) return; // over, or it dropped its input
    if (!n && !is_held() && rest_.size() >= std::max(most_unused, need_))
      throw std::length_error("a layer used nothing of 64 KiB that it was shown");
    if (!n) break;
    rest_.consume(n);
    took_below(n);
    if (down_) down_->up.sated(); // only then: the sender may be past the usual marks
    if (rest_.size() < need_) break;
  }
  if (is_held()) rest_is_news_ = true; // it is to be shown again
}

void layer_actor::look_again() noexcept {
  const bool nothing = !showing_ && all_shown() && (!eof_came_ || eof_told_);
  if (dead_ || nothing || std::exchange(looking_, true)) return;
  tell<look_note, lane::data>(*this, [](resident& r) {
    auto& me = static_cast<layer_actor&>(r);
    me.looking_ = false;
    me.rest_is_news_ = true;
    me.show();
  });
}

// Who waits for a hold stands in a list that we walk on our loop. What another thread does to it
// would show some time later, and somewhere else.
void layer_actor::must_be_home(const char* why) const noexcept {
  if (dead_ || home_.at_home()) [[likely]]
    return;
  tell_operator("creche: the hold \"" + std::string(why) +
                    "\" was taken, moved or released on another thread than that of its layer's "
                    "loop; do it in a handler of that layer, or in a task of its stack\n",
                1000);
  std::abort();
}

void layer_actor::drop_input() noexcept {
  std::uint32_t n = rest_.size();
  rest_.clear();
  need_ = 0;
  while (auto m = in_.pop())
    if (m->verb == verb::received) n += m->bytes.size() + (down_ ? down_->per_frame : 0);
  if (n) took_below(n);
}

message_ptr layer_actor::take_unshown() noexcept {
  auto m = in_.pop();
  while (m && m->verb != verb::received) m = in_.pop();
  if (m && down_) took_below(m->bytes.size() + down_->per_frame);
  return m;
}

// ---- the default: forward

take layer_actor::received(const slice& in) {
  if (!room_above()) return wait_for_room_above();
  send_up(in);
  return {in.size()};
}

void layer_actor::resume_in() {
  blocked_ = false;
  look_again();
}

void layer_actor::eof() {
  if (has_above())
    put_above(verb::eof);
  else
    close_below(ended_by::clean);
}

void layer_actor::drain() {
  if (has_above())
    put_above(verb::drain);
  else
    close_below(ended_by::clean);
}

void layer_actor::write(message_ptr m) {
  if (unsent_ || !down_->down.room(down_->marks)) {
    m->owed = true;
    return unsent_.push(std::move(m));
  }
  const auto n = m->bytes.size();
  down_->down.add(n + down_->per_frame);
  own_for_loop_of(*below_, m->bytes);
  put(*below_, std::move(m));
  took_above(n + up_->per_frame);
}

void layer_actor::resume_out() {
  while (unsent_ && down_->down.room(down_->marks)) {
    if (auto* e = unsent_.front(); e->verb == verb::edit && stack_.edit_reached(*this, e->ticket))
      return; // until it is made
    auto m = unsent_.pop();
    if (m->verb == verb::ask_drained) {
      hand_on(std::move(m));
      continue;
    }
    const auto n = m->bytes.size();
    const bool owed = std::exchange(m->owed, false);
    if (m->verb == verb::write) {
      down_->down.add(n + down_->per_frame);
      if (!owed) unsent_bytes_ -= n + down_->per_frame;
    }
    own_for_loop_of(*below_, m->bytes);
    put(*below_, std::move(m));
    if (owed) took_above(n + up_->per_frame);
  }
}

void layer_actor::ask_drained(message_ptr m) {
  if (unsent_) return unsent_.push(std::move(m));
  hand_on(std::move(m));
}

void layer_actor::edit_came(message_ptr m) {
  if (unsent_ || stack_.edit_reached(*this, m->ticket)) return unsent_.push(std::move(m));
  if (below_) put(*below_, std::move(m));
}

void layer_actor::put_edit(std::uint32_t ticket) { unsent_.push(message::edit(ticket)); }

// The uppermost question is about the layer below it, so that is who answers it.
void layer_actor::hand_on(message_ptr m) {
  if (m->level == drain_level::layer && above_) return tell_drained(std::move(m));
  if (below_) put(*below_, std::move(m));
}

void layer_actor::tell_drained(message_ptr m) {
  m->verb = verb::drained;
  drained(std::move(m));
}

void layer_actor::drained(message_ptr m) {
  if (above_) put(*above_, std::move(m));
}

void layer_actor::lost_came() {
  lost_came_ = true;
  put_above(verb::lost);
  if (stop_waits_) on_cancel();
}

bool layer_actor::stop_waits() noexcept {
  return stop_waits_ = !lost_came_ && stack_.lost_was_told();
}

void layer_actor::tell_lost() {
  lost_came_ = true;
  if (stack_.tell_lost()) put_above(verb::lost);
}

// ---- what a layer does

void layer_actor::send_up(slice&& b) {
  if (!above_) return;
  up_->up.add(b.size() + up_->per_frame);
  own_for_loop_of(*above_, b);
  put(*above_, std::make_unique<message>(verb::received, std::move(b)));
}

void layer_actor::send_up_within(slice&& b) {
  const auto usual = std::uint64_t(internal::marks{}.high);
  if (up_ && up_->up.in_flight() > 2 * std::max(up_->up.limit(up_->marks), usual))
    throw std::length_error("sent up past twice the high mark without looking for room");
  send_up(std::move(b));
}

void layer_actor::write_below(slice&& b) {
  if (!has_below()) return;
  if (!room_below()) return write_below(&b, 1);
  down_->down.add(b.size() + down_->per_frame);
  own_for_loop_of(*below_, b);
  put(*below_, std::make_unique<message>(verb::write, std::move(b)));
}

void layer_actor::write_below(slice* parts, std::size_t n) {
  if (!below_) return;
  const bool waits = unsent_ || !down_->down.room(down_->marks);
  for (auto* b = parts; b != parts + n; ++b) {
    const auto size = b->size() + down_->per_frame;
    auto m = std::make_unique<message>(verb::write, std::move(*b));
    if (waits) {
      unsent_bytes_ += size;
      if (unsent_bytes_ > 2 * std::max(down_->marks.high, internal::marks{}.high))
        throw std::length_error("written past twice the high mark without waiting for room");
      unsent_.push(std::move(m));
      continue;
    }
    down_->down.add(size);
    own_for_loop_of(*below_, m->bytes);
    put(*below_, std::move(m));
  }
  if (waits) wrote_without_room();
}

// Behind what was written before.
void layer_actor::put_behind(verb v, ended_by how) {
  if (!below_) return;
  auto m = std::make_unique<message>(v);
  m->how = how;
  if (unsent_) return unsent_.push(std::move(m));
  put(*below_, std::move(m));
}

void layer_actor::put_above(verb v) {
  if (above_) put(*above_, std::make_unique<message>(v));
}
void layer_actor::put_below(verb v, ended_by how) {
  if (!below_) return;
  auto m = std::make_unique<message>(v);
  m->how = how;
  put(*below_, std::move(m));
}

void layer_actor::took_below(std::uint32_t n) {
  if (down_ && down_->up.take(n, down_->marks, down_->two_loops)) put_below(verb::resume_in);
}
void layer_actor::took_above(std::uint32_t n) {
  if (up_ && up_->down.take(n, up_->marks, up_->two_loops)) put_above(verb::resume_out);
}

void layer_actor::over(how h, std::exception_ptr e) {
  if (dead_) return;
  on_over();
  in_.clear();
  unsent_.clear();
  rest_.clear();
  finish(h, std::move(e));
  if (auto* b = std::exchange(below_, nullptr)) caf::intrusive_ptr_release(b->ctrl());
  if (auto* a = std::exchange(above_, nullptr)) caf::intrusive_ptr_release(a->ctrl());
}

} // namespace creche::internal
