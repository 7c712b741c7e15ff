// transport_text.hpp: how long a transport waits, in the text of a stack: "write_stall=1m". Any
// thread.
#pragma once

#include "actors/stack/internal/text_arguments.hpp"
#include "actors/transport/transport_timeouts.hpp"

#include <span>

namespace creche::internal {

struct named_time {
  std::string_view word;
  time_span transport_timeouts::* which;
};
inline constexpr named_time socket_times[] = {{"write_stall", &transport_timeouts::write_stall},
                                              {"linger", &transport_timeouts::linger}};
inline constexpr named_time connect_times[] = {
    {"connecting", &transport_timeouts::connecting}, socket_times[0], socket_times[1]};

/// "word(name,write_stall=1m)", with the times that are not as usual. "" for what cannot be read
/// again: a time below zero, a name with a comma or a parenthesis.
std::string transport_text(std::string_view word, std::string_view name,
                           std::span<const named_time> known, const transport_timeouts& given);
/// What stands behind the first argument. Throws `how` for anything else.
transport_timeouts parse_times(const text_arguments& args, std::span<const named_time> known,
                               std::string_view how);

} // namespace creche::internal
