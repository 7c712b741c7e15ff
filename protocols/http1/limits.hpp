// limits.hpp: how much one peer may make us read, in bytes and in counts.
//
// Every figure is the largest that is still accepted; one more is refused with the status named.
// A plain value; any thread.
#pragma once

#include <cstdint>

namespace creche::http1 {

/// What a server accepts on one connection. Time limits belong to the actor above the core.
/// REQUIRES: request_line and header_block at most 1 GiB each.
struct limits {
  std::uint32_t request_line = 8 * 1024;       ///< with its CRLF; 414
  std::uint32_t header_block = 32 * 1024;      ///< all field lines and the empty line; 431
  std::uint16_t fields = 100;                  ///< field lines of a head; 431
  std::uint16_t chunk_extension = 256;         ///< bytes after the `;` of one chunk; 400
  std::uint32_t chunk_extensions = 16 * 1024;  ///< the same, summed over one body; 400
  std::uint32_t trailers = 8 * 1024;           ///< trailer lines of one body with CRLFs; 431
  std::uint32_t requests = 10'000;             ///< of one connection; the last one says `close`
  std::uint64_t body = std::uint64_t{1} << 20; ///< content of one request; 413
};

} // namespace creche::http1
