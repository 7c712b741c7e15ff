// udp.hpp: datagrams of UDP (RFC 768) as the transport of a stack: each is one frame.
//
//   auto s = udp("127.0.0.1:53") / layered<my_protocol>();
//   auto c = co_await open(n, udp("127.0.0.1:53"));
//   co_await c.send(question);
//   auto answer = co_await c.frames().next();
//
// A value like every layer (stack.hpp). Who serves datagrams is udp_listener (udp_listener.hpp).
//
// The network may lose, repeat and reorder datagrams, and creche does nothing about that. What it
// does itself: a writer waits while the kernel has no room, so nothing that was accepted is dropped
// here. What comes while nobody reads waits in the kernel's buffer; what does not fit there the
// kernel drops, the newest, and the tree counts it. There is no end of a stream: the peer's end is
// not seen, and a connection cannot finish() and still read.
#pragma once

#include "actors/stack/endpoint.hpp"
#include "actors/stack/stack.hpp"

#include <cstdint>
#include <string_view>

namespace creche {

class stack_words;

struct udp_options {
  /// Of one datagram, 1 to 65507. A longer one that comes is dropped, and the tree counts it; to
  /// write a longer one fails the stack with std::length_error.
  std::uint32_t most_bytes = 4096;
};

/// Datagrams to a numeric address and port, and from there only. It is open at once. If nobody
/// listens there, the kernel may learn it (ICMP): then the stack ends, ended_by::refused. Throws
/// std::invalid_argument, with a sentence, for what is no such address, port 0, or a length that is
/// out of bounds. As text "udp(127.0.0.1:53)", and behind the address "most=1KiB".
stack_of<no_speech, frames> udp(std::string_view address, const udp_options& options = {});
/// The same, to what a listener said, or another connection's peer.
stack_of<no_speech, frames> udp(const endpoint& to, const udp_options& options = {});

/// Teaches `words` the word udp.
void add_udp_word(stack_words& words);

} // namespace creche
