#include "actors/internal/socket_address.hpp"

#include <arpa/inet.h>

#include <cstddef>
#include <cstring>

namespace creche::internal {

socket_address::socket_address(const endpoint& e) noexcept {
  if (e.address.find(':') != e.address.npos) {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(e.port);
    ::inet_pton(AF_INET6, e.address.c_str(), &six.sin6_addr);
    std::memcpy(&bytes, &six, size = sizeof six);
  } else {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(e.port);
    ::inet_pton(AF_INET, e.address.c_str(), &four.sin_addr);
    std::memcpy(&bytes, &four, size = sizeof four);
  }
}

std::uint16_t socket_address::port() const noexcept {
  // both kinds have it in the same place
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  in_port_t p;
  std::memcpy(&p, reinterpret_cast<const char*>(&bytes) + offsetof(sockaddr_in, sin_port),
              sizeof p);
  return ntohs(p);
}

} // namespace creche::internal
