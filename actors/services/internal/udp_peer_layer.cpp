#include "actors/services/internal/udp_peer_layer.hpp"

#include "runtime/supervision/internal/tree_sink.hpp"

#include <cerrno>

namespace creche {

void udp_sender::is_proven() const noexcept { peer_->proven = true; }

namespace internal {

udp_peer_layer::udp_peer_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack,
                               udp_port& port, std::shared_ptr<udp_peer> peer)
    : datagram_layer(cfg, record, stack, port.options.most_bytes), port_(port),
      peer_(std::move(peer)) {
  fire = [](timer& own) {
    auto& me = static_cast<udp_peer_layer&>(own);
    me.silent_ = true;
    me.wake_up();
  };
}

void udp_peer_layer::describe(const tree_sink& out) const {
  datagram_layer::describe(out);
  out.detail(peer_->address.packed().unpacked().to_text());
  if (const auto n = dropped_.load(std::memory_order_relaxed))
    out.number("dropped: too many wait", n);
  if (const auto n = unproven_.load(std::memory_order_relaxed))
    out.number("not sent: the address is not proven", n);
}

void udp_peer_layer::attached() {
  attached_ = true;
  peer_->layer = this;
  stack().own_facts().set(udp_sender(*peer_));
  home_.arm(*this, later(peer_->heard, port_.options.silence));
  put_above(verb::established);
  may_read();
}

datagram_layer::sent udp_peer_layer::send(std::string_view datagram) noexcept {
  if (!peer_->may_get(datagram.size(), port_.options.amplification)) {
    unproven_.fetch_add(1, std::memory_order_relaxed);
    return sent::yes;
  }
  const int error = port_.socket.send(datagram, &peer_->address);
  if (error == EAGAIN) {
    port_.waiting.push_back(this);
    return sent::no_room;
  }
  if (error)
    note_lost();
  else
    peer_->went += datagram.size();
  return sent::yes;
}

void udp_peer_layer::read() {
  auto& waiting = peer_->waiting;
  std::size_t taken = 0;
  while (taken < waiting.size() && room_above()) send_up(std::move(waiting[taken++]));
  waiting.erase(waiting.begin(), waiting.begin() + std::ptrdiff_t(taken));
}

void udp_peer_layer::on_marks() {
  datagram_layer::on_marks();
  if (dead_ || !std::exchange(silent_, false) || has_ended()) return;
  const auto now = home_.now();
  auto ends = later(peer_->heard, port_.options.silence);
  if (ends <= now && !peer_->waiting.empty()) ends = later(now, port_.options.silence);
  if (now < ends) return home_.arm(*this, ends);
  port_.peers.forget(*peer_); // who speaks again is a new one
  put_above(verb::eof);
}

void udp_peer_layer::on_over() noexcept {
  datagram_layer::on_over();
  leave_port();
}

void udp_peer_layer::leave_port() noexcept {
  if (!std::exchange(attached_, false)) return;
  home_.disarm(*this);
  peer_->layer = nullptr;
  peer_->waiting.clear();
  std::erase(port_.waiting, this);
  port_.peers.forget(*peer_);
}

} // namespace internal
} // namespace creche
