// date_line.hpp: the Date field of a second (RFC 9110, 5.6.7), made once for all answers in it.
// Any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace creche::internal {

/// `Date: …\r\n`. Lives until this thread asks for another second.
std::string_view date_line(std::int64_t unix_second);

} // namespace creche::internal
