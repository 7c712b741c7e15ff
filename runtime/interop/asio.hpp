// asio.hpp: creche in a program of asio's. One of the two public headers that name asio.
//
// The one thread that runs the io_context becomes a loop: between the handlers of the program it
// gives the tree its turns, at most 256 at a time. In the program's handlers, on that thread, the
// whole of creche may be used as in a task's, but for what awaits.
// Build with the flags of creche's package: they say how asio is compiled; another asio in the same
// program does not compile or does not link.
#pragma once

#include "runtime/interop/embedded.hpp"

#include <asio/io_context.hpp>
#include <asio/version.hpp>

namespace creche {

/// A tree on an io_context that somebody else runs, on one thread, the same from the first handler
/// to the end of the tree. Another thread that runs a handler of the tree gets a std::logic_error
/// out of its run(). Nothing begins before the io_context is run; while the tree lives the
/// io_context has work, and when it has ended it has none. The io_context outlives what this gives.
/// `on_end` is called on that thread, last of all; what it throws is printed. REQUIRES: o.loops is
/// 0 or 1. Throws what run() throws, and std::logic_error while another tree lives on the
/// io_context.
embedded embed(asio::io_context& io, run_options options, detail::function<task<>(nursery&)> main,
               detail::function<void(const run_result&)> on_end = {},
               std::source_location where = std::source_location::current());

} // namespace creche

#include "runtime/loop/detail/asio_check.hpp" // looks at what asio has defined
