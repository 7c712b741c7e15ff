#include "actors/services/internal/udp_peer_layer.hpp"

#include "runtime/supervision/internal/tree_sink.hpp"

#include <sys/epoll.h>

#include <cerrno>

namespace creche {

void udp_sender::is_proven() const noexcept { proof_->given = true; }

namespace internal {

namespace {
constexpr clock_duration look_again_at_silence = std::chrono::seconds(1);
} // namespace

bool udp_port::ask_for_room() noexcept {
  return waiting || home.descriptors().change(socket.fd(), told, EPOLLIN | EPOLLOUT);
}

void udp_port::has_room() noexcept {
  if (!waiting) return;
  static_cast<void>(home.descriptors().change(socket.fd(), told, EPOLLIN));
  for (auto* peer = std::exchange(waiting, nullptr); peer;) {
    auto* const next = std::exchange(peer->next_waiting, nullptr);
    peer->has_room();
    peer = next;
  }
}

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
  if (const auto n = peer_->dropped.load(std::memory_order_relaxed))
    out.number("dropped: too many wait", n);
  if (const auto n = unproven_.load(std::memory_order_relaxed))
    out.number("not sent: the address is not proven", n);
}

void udp_peer_layer::attached() {
  attached_ = true;
  peer_->layer = this;
  stack().own_facts().set(udp_sender(peer_->proof));
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
    if (!port_.ask_for_room()) return note_lost(), sent::yes;
    next_waiting = std::exchange(port_.waiting, this);
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
  while (taken < waiting.size() && room_above()) pass_up(std::move(waiting[taken++]));
  waiting.erase(waiting.begin(), waiting.begin() + std::ptrdiff_t(taken));
  for (auto& left : waiting) left.keep_cheaply();
}

void udp_peer_layer::on_marks() {
  datagram_layer::on_marks();
  if (dead_ || !std::exchange(silent_, false) || has_ended()) return;
  const auto now = home_.now();
  auto ends = later(peer_->heard, port_.options.silence);
  if (ends <= now && !peer_->waiting.empty()) ends = later(now, look_again_at_silence);
  if (now < ends) return home_.arm(*this, ends);
  port_.peers.forget(*peer_); // who speaks again is a new one
  put_above(verb::eof);
}

std::uint32_t udp_peer_layer::waits_to_be_read() const noexcept {
  return std::uint32_t(peer_->waiting.size());
}

// What comes from there is another one's from now on.
void udp_peer_layer::close(ended_by how) {
  port_.peers.forget(*peer_);
  peer_->dropped.fetch_add(peer_->waiting.size(), std::memory_order_relaxed);
  peer_->waiting.clear();
  datagram_layer::close(how);
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
  for (auto** at = &port_.waiting; *at; at = &(*at)->next_waiting)
    if (*at == this) {
      *at = next_waiting;
      break;
    }
  port_.peers.forget(*peer_);
}

} // namespace internal
} // namespace creche
