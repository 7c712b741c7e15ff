#include "actors/services/internal/address_counts.hpp"

namespace creche::internal {

address_counts::key address_counts::key_of(const packed_endpoint& peer) noexcept {
  if (peer.size <= packed_endpoint::is_unix || peer.is_loopback()) return exempt;
  const key of = peer.site();
  return of == exempt ? ~exempt : of; // no site has ::/64
}

bool address_counts::add(key of, unsigned most) {
  if (of == exempt) return true;
  auto& count = counts_[of];
  if (count < most) return ++count, true;
  if (!count) counts_.erase(of);
  return false;
}

void address_counts::remove(key of) noexcept {
  const auto at = of == exempt ? counts_.end() : counts_.find(of);
  if (at != counts_.end() && --at->second == 0) counts_.erase(at);
}

} // namespace creche::internal
