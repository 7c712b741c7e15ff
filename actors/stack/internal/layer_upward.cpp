// layer_upward.cpp: a layer's way up: letters are opened, bytes are shown to the layer, and what it
// makes of them is sent up.
//
// What came and was not shown lies in `in_`, what was shown and not used in `rest_`; both are still
// on the gauge of the link below, so a layer that uses nothing holds the one below by that alone.
#include "actors/stack/internal/stack_actor.hpp"
#include "runtime/memory/internal/bookkeeping.hpp"

#include <stdexcept>
#include <string>

namespace creche::internal {

// ---- showing

// Where nothing waits, what is used at once waits in no queue.
inline void layer_actor::came(message_ptr fact) {
  if (!all_shown() || showing_ || is_held()) {
    push_in(std::move(fact));
  } else {
    showing_ = true;
    const bool used = use(*fact);
    showing_ = false;
    if (used) return;
    keep(std::move(fact));
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
inline bool layer_actor::use(message& fact) {
  auto& b = fact.bytes;
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
// still on the gauge: a layer that uses nothing holds the one below by that alone.
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
  tell_ends();
}

// Behind the last byte.
void layer_actor::tell_ends() {
  if (eof_came_ && !std::exchange(eof_told_, true)) eof();
  if (input_lost_came_ && !input_lost_told_ && !dead_) {
    input_lost_told_ = true;
    input_lost();
  }
  if (!lost_came_ || lost_told_ || dead_) return;
  lost_told_ = true;
  transport_over();
  if (stop_waits_ && !dead_) on_cancel();
}

// A stream is counted by its bytes alone: a peer that sends single bytes must not fill memory with
// what each piece costs, nor with a slab for each while others read into it.
void layer_actor::push_in(message_ptr fact) {
  fact->bytes.keep_cheaply();
  if (!in_) pieces_ = 0;
  auto* last = in_.newest();
  const bool join = pieces_ >= most_pieces && last->verb == verb::received && down_ &&
                    !down_->per_frame && last->bytes.size() < small_piece &&
                    fact->bytes.size() < small_piece;
  if (!join) {
    if (pieces_ < most_pieces) ++pieces_;
    return in_.push(std::move(fact));
  }
  auto all = std::string(last->bytes.view());
  last->bytes = slice::copy_of(all += fact->bytes.view());
}

// Behind what came before it.
void layer_actor::drain_came(message_ptr fact) {
  const bool all = !in_ && (rest_.empty() || !rest_is_news_);
  if (all || stack_.drains_at_once()) return drain();
  in_.push(std::move(fact));
  show();
}

void layer_actor::keep(message_ptr fact) {
  if (is_held()) { // it wants none for now; they may stay for long
    fact->bytes.keep_cheaply();
    in_.push_front(std::move(fact));
  } else {
    rest_.append(fact->bytes.view());
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
    if (down_) down_->up.wants_no_more(); // only then: the sender may be past the usual marks
    if (rest_.size() < need_) break;
  }
  if (is_held()) rest_is_news_ = true; // it is to be shown again
}

void layer_actor::look_again() noexcept {
  const bool told = (!eof_came_ || eof_told_) && (!input_lost_came_ || input_lost_told_) &&
                    (!lost_came_ || lost_told_);
  const bool nothing = !showing_ && all_shown() && told;
  if (dead_ || nothing || std::exchange(looking_, true)) return;
  send(look_);
}

constinit const letter_kind layer_actor::look_kind{"look", lane::data,
                                                   [](letter&, resident& to) {
                                                     auto& me = static_cast<layer_actor&>(to);
                                                     me.looking_ = false;
                                                     me.rest_is_news_ = true;
                                                     me.show();
                                                   },
                                                   [](letter&) noexcept {}};

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

void layer_actor::input_lost() {
  if (has_above())
    put_above(verb::input_lost);
  else
    close_below(ended_by::clean); // how it ended was said by who told this
}

void layer_actor::drain() {
  if (has_above())
    put_above(verb::drain);
  else
    close_below(ended_by::clean);
}

void layer_actor::flushed(message_ptr fact) {
  if (above_) put(*above_, std::move(fact));
}

// ---- sending up

void layer_actor::send_up(slice&& bytes) {
  if (!above_) return;
  own_for_loop_of(*above_, bytes);
  auto fact = std::make_unique<message>(verb::received, std::move(bytes));
  up_->up.add(fact->bytes.size() + up_->per_frame); // now: nothing fails any more
  put(*above_, std::move(fact));
}

void layer_actor::send_up_within(slice&& bytes) {
  const auto usual = std::uint64_t(internal::marks{}.high);
  if (up_ && up_->up.in_flight() > 2 * std::max(up_->up.limit(up_->marks), usual))
    throw std::length_error("sent up past twice the high mark without looking for room");
  send_up(std::move(bytes));
}

void layer_actor::put_above(verb what) {
  const bookkeeping books;
  if (above_) put(*above_, std::make_unique<message>(what));
}

// ---- letters: behind what they call, which is inlined here

void layer_actor::open(message_ptr fact) {
  switch (fact->verb) {
  case verb::established:
    if (established_came_) return stack_.established_again(*this);
    established_came_ = true;
    return established();
  case verb::received: return came(std::move(fact));
  case verb::eof: eof_came_ = true; return show();
  case verb::resume_out: return resume_out();
  case verb::drain: return drain_came(std::move(fact));
  case verb::flushed: return flushed(std::move(fact));
  case verb::input_lost: input_lost_came_ = true; return show();
  case verb::lost: return lost_came();
  case verb::write: return write(std::move(fact));
  case verb::finish: return finish_writing();
  case verb::close: return close(fact->how);
  case verb::abort: return abort(fact->how);
  case verb::resume_in: return resume_in();
  case verb::ask_flushed: return ask_flushed(std::move(fact));
  case verb::edit: return edit_came(std::move(fact));
  }
}

constinit const letter_kind message::letters{
    "layer", lane::data,
    [](letter& l, resident& me) {
      message_ptr m(static_cast<message*>(&l));
      auto& to = static_cast<layer_actor&>(me);
      if (m->verb == verb::received)
        to.came(std::move(m));
      else if (m->verb == verb::write)
        to.write(std::move(m));
      else
        to.open(std::move(m));
    },
    [](letter& l) noexcept { delete static_cast<message*>(&l); }};

} // namespace creche::internal
