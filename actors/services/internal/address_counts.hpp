// address_counts.hpp: how many connections each address has, up to a limit. One thread.
#pragma once

#include "actors/stack/internal/packed_endpoint.hpp"

#include <cstdint>
#include <unordered_map>

namespace creche::internal {

class address_counts {
public:
  /// Stands for an address: of the sixth version for the network that a site is given (/64).
  using key = std::uint64_t;
  /// Loopback, unix sockets, and those without an address: not counted.
  static constexpr key exempt = 0;

  static key key_of(const packed_endpoint& peer) noexcept;

  /// One more. False: it has `most` already.
  bool add(key of, unsigned most);
  void remove(key of) noexcept;
  std::size_t addresses() const noexcept { return counts_.size(); }

private:
  std::unordered_map<key, unsigned> counts_;
};

} // namespace creche::internal
