// layer_downward.cpp: a layer's way down: orders from above and what it writes itself. They wait in
// `unsent_` while there is no room below; what is said behind them keeps its place.
#include "actors/stack/internal/stack_actor.hpp"
#include "runtime/memory/internal/bookkeeping.hpp"

#include <stdexcept>

namespace creche::internal {

void layer_actor::write(message_ptr order) {
  if (unsent_ || !down_->down.room(down_->marks)) {
    order->owed = true;
    return unsent_.push(std::move(order));
  }
  const auto n = order->bytes.size();
  down_->down.add(n + down_->per_frame);
  own_for_loop_of(*below_, order->bytes);
  put(*below_, std::move(order));
  took_above(n + up_->per_frame);
}

void layer_actor::resume_out() {
  while (unsent_ && down_->down.room(down_->marks)) {
    if (auto* e = unsent_.front(); e->verb == verb::edit && stack_.edit_reached(*this, e->ticket))
      return; // until it is made
    auto m = unsent_.pop();
    if (m->verb == verb::ask_flushed) {
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

void layer_actor::ask_flushed(message_ptr order) {
  if (unsent_) return unsent_.push(std::move(order));
  hand_on(std::move(order));
}

void layer_actor::edit_came(message_ptr order) {
  if (unsent_ || stack_.edit_reached(*this, order->ticket)) return unsent_.push(std::move(order));
  if (below_) put(*below_, std::move(order));
}

// The uppermost question is about the layer below it, so that layer answers it.
void layer_actor::hand_on(message_ptr order) {
  if (order->level == flush_level::layer && above_) return tell_flushed(std::move(order));
  if (below_) put(*below_, std::move(order));
}

void layer_actor::tell_flushed(message_ptr order) {
  order->verb = verb::flushed;
  flushed(std::move(order));
}

// ---- of its own

void layer_actor::write_below(slice&& bytes) {
  if (!has_below()) return;
  if (!room_below()) return write_below(&bytes, 1);
  own_for_loop_of(*below_, bytes);
  auto order = std::make_unique<message>(verb::write, std::move(bytes));
  down_->down.add(order->bytes.size() + down_->per_frame); // now: nothing fails any more
  put(*below_, std::move(order));
}

void layer_actor::write_below(file_part&& part) {
  const auto size = part.size;
  auto order = std::make_unique<message>(verb::write);
  order->file.reset(new file_part(std::move(part)));
  down_->down.add(size);
  put(*below_, std::move(order));
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
    own_for_loop_of(*below_, m->bytes);
    down_->down.add(size);
    put(*below_, std::move(m));
  }
  if (waits) wrote_without_room();
}

// Behind what was written before.
void layer_actor::put_behind(verb what, ended_by how) {
  if (!below_) return;
  const bookkeeping books;
  auto m = std::make_unique<message>(what);
  m->how = how;
  if (unsent_) return unsent_.push(std::move(m));
  put(*below_, std::move(m));
}

void layer_actor::put_below(verb what, ended_by how) {
  if (!below_) return;
  const bookkeeping books;
  auto m = std::make_unique<message>(what);
  m->how = how;
  put(*below_, std::move(m));
}

} // namespace creche::internal
