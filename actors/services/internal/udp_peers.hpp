// udp_peers.hpp: those who send datagrams to a listener, by their address. One thread.
#pragma once

#include "actors/transport/internal/socket_address.hpp"
#include "runtime/memory/shared.hpp"
#include "runtime/memory/slice.hpp"
#include "runtime/time/clock.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace creche::internal {

class udp_peer_layer;

/// Shared with the facts of a connection, which may outlive it.
struct udp_proof {
  mutable bool given = false;
};

struct udp_peer {
  using key = std::tuple<std::array<std::uint8_t, 16>, std::uint16_t, std::uint8_t, std::uint32_t>;

  socket_address address;
  std::vector<slice> waiting; // not read yet, the oldest first
  std::uint64_t came = 0, went = 0;
  time_point heard{};
  std::uint32_t id = 0; // of its stack, as a child
  detail::shared<udp_proof> proof = detail::shared<udp_proof>::make<udp_proof>();
  std::atomic<std::uint64_t> dropped{0};  // too many waited, or nobody reads any more
  bool makes_room = false;                // it was told to end, for another
  udp_peer_layer* layer = nullptr;        // once it is attached, until it is over
  std::list<udp_peer*>::iterator place{}; // in the order of heard
  bool known = true;                      // what comes is for this one

  /// May so many bytes go to it, which is that factor of amplification?
  bool may_get(std::size_t bytes, unsigned factor) const noexcept {
    return proof->given || factor == 0 || went + bytes <= came * factor;
  }
};

/// An ordered map: in a table by hash an attacker could choose addresses that collide.
class udp_peers {
public:
  /// Null: it is not known.
  udp_peer* find(const socket_address& from) noexcept;
  /// REQUIRES: it is not known. Throws std::bad_alloc.
  std::shared_ptr<udp_peer> add(const socket_address& from, time_point now);
  void heard(udp_peer& peer, time_point now) noexcept;
  /// What comes from there is another one's from now on. Again: does nothing.
  void forget(udp_peer& peer) noexcept;
  /// Null: there is none.
  udp_peer* longest_silent() noexcept { return order_.empty() ? nullptr : order_.front(); }
  std::size_t size() const noexcept { return by_key_.size(); }

private:
  std::map<udp_peer::key, udp_peer*> by_key_;
  std::list<udp_peer*> order_; // the longest silent first
};

} // namespace creche::internal
