// standard_error.hpp: lines for the operator, which must never hold up the program: a reader that
// does not read, or has gone, costs lines and nothing else.
#pragma once

#include "runtime/task/failure.hpp"

#include <string_view>

namespace creche::internal {

/// Writes to file descriptor 2 for at most so long; what could not be written by then is dropped,
/// and the next text that can be written says how much was. Any thread.
void tell_operator(std::string_view text, int patience_ms);

/// A failure that has nobody to go to: printed, and counted in unreceived_failures(). Any thread.
void last_resort(const failure& unheard) noexcept;

} // namespace creche::internal
