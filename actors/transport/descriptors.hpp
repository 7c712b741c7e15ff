// descriptors.hpp: descriptors that are there already, as the transport of a stack: a pair of
// pipes, a terminal, a file, a socket; standard input and output.
//
//   auto s = stdio() / lines(line_end::lf);
//
// A value like every layer (stack.hpp), but for one thing: it owns its descriptors until it is
// opened, so it is opened once. A second open throws std::system_error(bad_file_descriptor). The
// copies of such a value are one in this.
#pragma once

#include "actors/stack/stack.hpp"

#include <string_view>

namespace creche {

class stack_words;

/// Reads from `in` and writes to `out`, which may be the same. They may be blocking, and stay so
/// for others who share them. The end of the stack's output closes `out`; an abort can say no more.
/// Of a file the disk is waited for, as read(2) and write(2) do. Both are owned from now on, also
/// if this throws: std::invalid_argument for what is no open descriptor.
///
/// A write to a pipe that nobody reads ends the stack by ended_by::reset; run() ignores the signal
/// that comes with it (SIGPIPE), a program that embeds a tree does so itself.
stack_of<no_speech, octets> descriptors(int in, int out);

/// A connected stream socket: one that another process has handed over, or of a socketpair. Owned
/// from now on, also if this throws: std::invalid_argument for what is none.
stack_of<no_speech, octets> connected_socket(int fd);

/// Standard input and output, from the moment when it is opened: then /dev/null stands in the place
/// of the one, and standard error in that of the other, so that what else prints spoils no
/// protocol. As text "stdio".
stack_of<no_speech, octets> stdio();

/// Teaches `words` the word stdio.
void add_stdio_word(stack_words& words);

} // namespace creche
