#include "actors/transport/internal/datagram_layer.hpp"

#include "runtime/supervision/internal/tree_sink.hpp"

#include <stdexcept>
#include <string>

namespace creche::internal {

void check_datagram_size(std::uint32_t most_bytes) {
  constexpr std::uint32_t longest = 65'507; // 2^16 - 1, less the headers of IP and UDP
  if (most_bytes < 1 || most_bytes > longest)
    throw std::invalid_argument("a datagram of at most " + std::to_string(most_bytes) +
                                " bytes: it has 1 to " + std::to_string(longest));
}

void datagram_layer::describe(const tree_sink& out) const {
  layer_actor::describe(out);
  if (const auto lost = lost_.load(std::memory_order_relaxed)) out.number("not sent", lost);
  if (const auto n = too_long_.load(std::memory_order_relaxed)) out.number("too long", n);
}

// ---- out

void datagram_layer::write(message_ptr order) {
  const auto size = order->bytes.size();
  if (closing_) return took_above_frame(size);
  if (size > most_bytes_)
    throw std::length_error("a datagram of " + std::to_string(size) +
                            " bytes; udp was told at most " + std::to_string(most_bytes_));
  out_.push(std::move(order));
  home_.dirty(*this);
}

void datagram_layer::ask_flushed(message_ptr order) {
  out_.push(std::move(order));
  home_.dirty(*this);
}

void datagram_layer::flush() noexcept {
  const bookkeeping books;
  send_all();
}

void datagram_layer::send_all() {
  if (dead_ || waits_) return;
  while (out_) {
    const auto& order = *out_.front();
    if (order.verb == verb::ask_flushed) { // the kernel has it; more is not known of a datagram
      tell_flushed(out_.pop());
      continue;
    }
    if (send(order.bytes.view()) == sent::no_room) {
      waits_ = true;
      return;
    }
    took_above_frame(out_.pop()->bytes.size());
  }
  if (!closing_) return;
  all_sent_ = true; // in a turn: a flush ends nobody
  wake_up();
}

void datagram_layer::may_send() noexcept {
  if (!std::exchange(waits_, false)) return;
  writable_ = true;
  wake_up();
}

// ---- in

void datagram_layer::may_read() noexcept {
  readable_ = true;
  wake_up();
}

void datagram_layer::resume_in() {
  if (!closing_) read();
}

void datagram_layer::pass_up(slice datagram) {
  send_up(std::move(datagram));
  if (!drain_behind_) return;
  --drain_behind_;
  if (!drain_behind_) layer_actor::drain();
}

void datagram_layer::nothing_waits() {
  if (std::exchange(drain_behind_, 0)) layer_actor::drain();
}

// What has come by now still counts.
void datagram_layer::drain() {
  if (!closing_) read();
  if (dead_) return;
  drain_behind_ = closing_ ? 0 : waits_to_be_read(); // told behind them
  if (!drain_behind_) layer_actor::drain();
}

// ---- turns

void datagram_layer::on_marks() {
  if (all_sent_) return end_as(how_);
  if (std::exchange(writable_, false)) home_.dirty(*this);
  if (std::exchange(readable_, false) && !closing_ && !dead_) read();
}

void datagram_layer::close(ended_by how) {
  if (std::exchange(closing_, true)) return;
  how_ = how;
  home_.dirty(*this);
}

void datagram_layer::end_as(ended_by how, int error) {
  if (dead_) return;
  how_ = how;
  stack().note_end(how, {error, std::generic_category()}, kind());
  tell_lost();
  over();
}

void datagram_layer::on_over() noexcept {
  stack().transport_ended(how_);
  home_.clean(*this);
  out_.clear();
}

} // namespace creche::internal
