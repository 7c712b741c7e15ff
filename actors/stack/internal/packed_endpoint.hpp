// packed_endpoint.hpp: an endpoint in a few bytes, for every connection has two. Plain values.
#pragma once

#include "actors/stack/endpoint.hpp"

#include <array>
#include <cstdint>

namespace creche::internal {

struct packed_endpoint {
  std::array<std::uint8_t, 16> bytes{}; // in the order of the net
  std::uint16_t port = 0;
  std::uint8_t size = 0; // of the address: 4 or 16; 0: there is none; 1: a unix socket's, unnamed
  static constexpr std::uint8_t is_unix = 1;

  endpoint unpacked() const;
  bool is_loopback() const noexcept;
  /// The address that means all of them.
  bool is_any() const noexcept;
  /// A number for what an address belongs to: the address itself, or of the sixth version the
  /// network that a site is given (/64). 0: there is none.
  std::uint64_t site() const noexcept;
};

/// Who talks with whom.
struct connection_ends {
  packed_endpoint peer, local;
};

} // namespace creche::internal
