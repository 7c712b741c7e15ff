// standard_words.hpp: the text form of a stack with the words of creche.
#pragma once

#include "actors/stack/stack_words.hpp"

#include <string_view>

namespace creche {

/// tcp, lines, netstring, length_prefix, delimiter, fixed, idle, rate_limit, tap.
stack_words standard_words();

/// With the words of creche. Throws stack_text_error.
any_stack parse_stack(std::string_view text);

} // namespace creche
