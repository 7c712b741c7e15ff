#include "actors/services/internal/udp_peers.hpp"

namespace creche::internal {

namespace {

// Of a link-local address the interface counts, too.
udp_peer::key key_of(const socket_address& from) noexcept {
  const auto packed = from.packed();
  std::uint32_t interface = 0;
  if (from.family() == AF_INET6)
    interface = reinterpret_cast<const sockaddr_in6*>(from.get())->sin6_scope_id;
  return {packed.bytes, packed.port, packed.size, interface};
}

} // namespace

udp_peer* udp_peers::find(const socket_address& from) noexcept {
  const auto found = by_key_.find(key_of(from));
  return found == by_key_.end() ? nullptr : found->second;
}

std::shared_ptr<udp_peer> udp_peers::add(const socket_address& from, time_point now) {
  auto peer = std::make_shared<udp_peer>();
  peer->address = from;
  peer->heard = now;
  peer->place = order_.insert(order_.end(), peer.get());
  try {
    by_key_.emplace(key_of(from), peer.get());
  } catch (...) {
    order_.erase(peer->place);
    throw;
  }
  return peer;
}

void udp_peers::heard(udp_peer& peer, time_point now) noexcept {
  peer.heard = now;
  order_.splice(order_.end(), order_, peer.place);
}

void udp_peers::forget(udp_peer& peer) noexcept {
  if (!std::exchange(peer.known, false)) return;
  by_key_.erase(key_of(peer.address));
  order_.erase(peer.place);
}

} // namespace creche::internal
