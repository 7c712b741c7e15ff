// as_layer.hpp: an HTTP/1.1 server as a layer of a stack, for what stands below it:
//
//   listener("127.0.0.1:8080", tap("/tmp/record") / http1::as_layer(http1::server(hello)))
//
// (A listener of HTTP alone takes the server itself, and its connections are smaller.)
#pragma once

#include "actors/http/server.hpp"
#include "actors/stack/stack.hpp"

namespace creche::http1 {

/// Every stack shares the server, its limits and its most_in_hand; a listener counts its requests.
/// Of the timeouts, write_stall and linger are tcp's (listener::timeouts), which has no least rate
/// of writing.
stack_of<octets, no_speech> as_layer(server value);

} // namespace creche::http1
