// endpoint.hpp: a numeric address and a port. A plain value; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace creche {

/// A numeric address and a port. Names are not looked up here.
struct endpoint {
  std::string address;
  std::uint16_t port = 0;

  /// "127.0.0.1:8080", "[::1]:0". Throws std::invalid_argument with a sentence.
  static endpoint parse(std::string_view text);
  /// Empty if there is no address.
  std::string to_text() const;
  friend bool operator==(const endpoint&, const endpoint&) = default;
};

} // namespace creche
