#include "actors/stack/internal/packed_endpoint.hpp"

#include "actors/stack/internal/unix_name.hpp"

#include <arpa/inet.h>

#include <algorithm>

namespace creche::internal {

endpoint packed_endpoint::unpacked() const {
  if (!size) return {};
  if (size == is_unix) return {std::string(unix_name::path_word), 0};
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(size == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
  return {text, port};
}

bool packed_endpoint::is_loopback() const noexcept {
  if (size == 4) return bytes[0] == 127;
  return size == 16 && bytes[15] == 1 &&
         std::all_of(bytes.begin(), bytes.end() - 1, [](auto byte) { return byte == 0; });
}

bool packed_endpoint::is_any() const noexcept {
  return size > is_unix &&
         std::all_of(bytes.begin(), bytes.end(), [](auto byte) { return byte == 0; });
}

std::uint64_t packed_endpoint::site() const noexcept {
  std::uint64_t number = 0;
  if (size == is_unix) return number;
  for (std::size_t i = 0; i < std::min<std::size_t>(size, 8); ++i) number = number << 8 | bytes[i];
  return number;
}

} // namespace creche::internal
