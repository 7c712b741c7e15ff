#include "actors/transport/internal/accepted_socket.hpp"

#include "actors/transport/internal/tcp_layer.hpp"
#include "actors/transport/internal/unix_layer.hpp"

namespace creche::internal {

namespace {
constexpr const char *tcp_word = "tcp", *unix_word = "unix";
} // namespace

const char* accepted_socket::word(const endpoint& listens_at) noexcept {
  return listens_at.is_unix() ? unix_word : tcp_word;
}

void accepted_socket::add_to(stack_actor& stack, int& fd, const transport_limits& limits) {
  if (stack.ends().peer.size == packed_endpoint::is_unix)
    stack.add_layer<unix_layer>(unix_word, nullptr, fd, limits);
  else
    stack.add_layer<tcp_layer>(tcp_word, nullptr, fd, limits);
  fd = -1;
}

} // namespace creche::internal
