// accepted_socket.hpp: what stands lowest in the stack of a connection that a listener accepted.
#pragma once

#include "actors/transport/internal/stream_layer.hpp"

namespace creche::internal {

struct accepted_socket {
  /// Its word in the tree and in the text of the stack.
  static const char* const word;
  /// The layer owns `fd`, which is -1 then, once it is there. `limits` outlive it.
  static void add_to(stack_actor& stack, int& fd, const transport_limits& limits);
};

} // namespace creche::internal
