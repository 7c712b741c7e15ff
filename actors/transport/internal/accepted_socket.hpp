// accepted_socket.hpp: what stands lowest in the stack of a connection that a listener accepted.
#pragma once

#include "actors/transport/internal/stream_layer.hpp"

namespace creche::internal {

struct accepted_socket {
  /// Its word in the text of the stack, of a listener at that endpoint. Static text.
  static const char* word(const endpoint& listens_at) noexcept;
  /// The layer owns `fd`, which is -1 then, once it is there. `limits` outlive it. What kind of
  /// socket it is stands in the stack's ends().
  static void add_to(stack_actor& stack, int& fd, const transport_limits& limits);
};

} // namespace creche::internal
