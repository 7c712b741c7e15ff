// tcp.hpp: a TCP connection as the transport of a stack.
//
//   auto s = tcp("127.0.0.1:80", {.connecting = 1s}) / lines(line_end::crlf);
//
// A value like every layer (stack.hpp).
#pragma once

#include "actors/stack/endpoint.hpp"
#include "actors/stack/stack.hpp"
#include "actors/transport/transport_timeouts.hpp"

#include <string_view>

namespace creche {

class stack_words;

/// A connection to a numeric address and port, "127.0.0.1:80" or "[::1]:80". Throws
/// std::invalid_argument for anything else. As text "tcp(127.0.0.1:80)", and behind the address
/// what is not as usual, like "connecting=1s", "write_stall=1m" and "linger=500ms".
stack_of<no_speech, octets> tcp(std::string_view address, const transport_timeouts& t = {});
/// The same, to what a listener said, or another connection's peer.
stack_of<no_speech, octets> tcp(const endpoint& to, const transport_timeouts& t = {});

/// Teaches `words` the word tcp.
void add_tcp_word(stack_words& words);

} // namespace creche
