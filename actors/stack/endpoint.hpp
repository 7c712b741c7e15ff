// endpoint.hpp: where a socket is: a numeric address and a port, or a unix socket. A plain value;
// any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace creche {

/// Names of hosts are not looked up here.
struct endpoint {
  /// Numeric, "127.0.0.1" or "::1"; or "unix:/run/app.sock"; or "abstract:app", a unix socket whose
  /// name is in no file system (unix(7)); or "unix:" alone, the other end of one, which has no
  /// name.
  std::string address;
  std::uint16_t port = 0; ///< 0 for a unix socket

  /// "127.0.0.1:8080", "[::1]:0", "unix:/run/app.sock", "abstract:app". A unix socket's name has 1
  /// to 107 bytes, none of them zero. Throws std::invalid_argument with a sentence.
  static endpoint parse(std::string_view text);
  /// Empty if there is no address.
  std::string to_text() const;
  /// With a path or an abstract name, or with neither.
  bool is_unix() const noexcept;
  friend bool operator==(const endpoint&, const endpoint&) = default;
};

} // namespace creche
