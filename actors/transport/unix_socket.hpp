// unix_socket.hpp: a unix socket as the transport of a stack.
//
//   auto s = unix_socket("/run/app.sock") / lines(line_end::lf);
//
// A value like every layer (stack.hpp). A listener takes unix sockets as well:
// listener("unix:/run/app.sock", ..).
#pragma once

#include "actors/stack/stack.hpp"
#include "actors/transport/transport_timeouts.hpp"

#include <sys/types.h>

#include <string_view>

namespace creche {

class stack_words;

/// A connection to the socket at this path, of 1 to 107 bytes; a relative one is looked up when the
/// stack is opened. Throws std::invalid_argument for any other. As text "unix(/run/app.sock)", and
/// behind the path what is not as usual, like "write_stall=1m" and "linger=500ms". There is no time
/// to connect: it is done at once, or fails; also when the server has no room in its queue.
stack_of<no_speech, octets> unix_socket(std::string_view path, const transport_timeouts& t = {});
/// The same for a name in no file system, on Linux only (unix(7)). Any process may have taken such
/// a name first: look at peer_credentials. As text "abstract(app)".
stack_of<no_speech, octets> abstract_socket(std::string_view name,
                                            const transport_timeouts& t = {});

/// The process at the other end of a unix socket, its user and its group, as they were when it
/// connected or began to listen; as the kernel says (SO_PEERCRED of unix(7)). Among the facts of
/// its connection.
struct peer_credentials {
  pid_t pid = 0; ///< 0: of another namespace
  uid_t uid = 0;
  gid_t gid = 0;
};

/// Teaches `words` the words unix and abstract.
void add_unix_words(stack_words& words);

} // namespace creche
