#include "actors/transport/internal/socket_address.hpp"

#include "actors/stack/internal/unix_name.hpp"

#include <arpa/inet.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace creche::internal {

namespace {
constexpr socklen_t before_path = offsetof(sockaddr_un, sun_path);
static_assert(sizeof(sockaddr_un{}.sun_path) == unix_name::longest + 1);
} // namespace

socket_address::socket_address(const endpoint& e) noexcept {
  if (const auto given = unix_name::of(e.address); given.is_one()) {
    const auto name = given.name.substr(0, unix_name::longest); // an endpoint is not always parsed
    const bool abstract = given.kind == unix_name::form::abstract;
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path + abstract, name.data(), name.size()); // a zero, then an abstract name
    size = before_path + socklen_t(name.size()) + 1;               // a path, then a zero
    std::memcpy(&bytes, &at, sizeof at);
  } else if (e.address.find(':') != e.address.npos) {
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

std::string_view socket_address::path() const noexcept {
  if (family() != AF_UNIX || size <= before_path) return {};
  return reinterpret_cast<const char*>(&bytes) + before_path; // ends with a zero, or begins with it
}

std::uint16_t socket_address::port() const noexcept {
  if (family() == AF_UNIX) return 0;
  // both kinds have it in the same place
  static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
  in_port_t p;
  std::memcpy(&p, reinterpret_cast<const char*>(&bytes) + offsetof(sockaddr_in, sin_port),
              sizeof p);
  return ntohs(p);
}

packed_endpoint socket_address::packed() const noexcept {
  packed_endpoint result;
  if (family() == AF_INET) {
    sockaddr_in four{};
    std::memcpy(&four, &bytes, sizeof four);
    std::memcpy(result.bytes.data(), &four.sin_addr, result.size = 4);
  } else if (family() == AF_INET6) {
    sockaddr_in6 six{};
    std::memcpy(&six, &bytes, sizeof six);
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&six.sin6_addr);
    const auto* from = reinterpret_cast<const char*>(&six.sin6_addr) + (mapped ? 12 : 0);
    std::memcpy(result.bytes.data(), from, result.size = mapped ? 4 : 16);
  } else {
    if (family() == AF_UNIX) result.size = packed_endpoint::is_unix;
    return result;
  }
  result.port = port();
  return result;
}

bool socket_address::same_as(const socket_address& other) const noexcept {
  if (family() != other.family() || port() != other.port()) return false;
  if (family() == AF_UNIX)
    return size == other.size && std::memcmp(&bytes, &other.bytes, size) == 0;
  if (family() == AF_INET6) {
    sockaddr_in6 own{}, its{};
    std::memcpy(&own, &bytes, sizeof own);
    std::memcpy(&its, &other.bytes, sizeof its);
    return std::memcmp(&own.sin6_addr, &its.sin6_addr, sizeof own.sin6_addr) == 0;
  }
  sockaddr_in own{}, its{};
  std::memcpy(&own, &bytes, sizeof own);
  std::memcpy(&its, &other.bytes, sizeof its);
  return own.sin_addr.s_addr == its.sin_addr.s_addr;
}

} // namespace creche::internal
