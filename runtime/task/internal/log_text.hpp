// log_text.hpp: text of others, as it may stand in a line of a log.
//
// Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace creche::internal {

/// `text` with every control character and every byte that is no UTF-8 as \xNN, and a backslash
/// doubled, so that it can neither end a line nor speak to a terminal, and nothing looks escaped
/// that is not. At most `most` bytes of output, cut between characters; what was cut is told behind
/// it.
std::string log_text(std::string_view text, std::size_t most = 256);

} // namespace creche::internal
