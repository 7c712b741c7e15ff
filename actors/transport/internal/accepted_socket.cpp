#include "actors/transport/internal/accepted_socket.hpp"

#include "actors/transport/internal/tcp_layer.hpp"

namespace creche::internal {

const char* const accepted_socket::word = "tcp";

void accepted_socket::add_to(stack_actor& stack, int& fd, const transport_limits& limits) {
  stack.add_layer<tcp_layer>(word, nullptr, fd, limits);
  fd = -1;
}

} // namespace creche::internal
