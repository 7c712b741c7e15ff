// framers.hpp: layers that make frames of bytes: values like every layer (stack.hpp).
//
//   auto s = tcp("127.0.0.1:25") / lines(line_end::crlf);
//
// What they do stands in protocols/framing. As text: lines(crlf), netstring, length_prefix(4),
// delimiter(0d0a), fixed(188); limits stand behind that.
#pragma once

#include "actors/stack/stack.hpp"
#include "protocols/framing/delimiter.hpp"
#include "protocols/framing/fixed.hpp"
#include "protocols/framing/length_prefix.hpp"
#include "protocols/framing/lines.hpp"
#include "protocols/framing/netstring.hpp"

#include <cstdint>
#include <string_view>

namespace creche {

class stack_words;

using framing::byte_order;
using framing::line_end;

// Limits are in bytes, without what frames them.
stack_of<octets, frames> lines(line_end end, std::size_t longest = framing::lines::usual_length);
/// Lines with raw bytes in between: `raw_after(line)` says how many follow that line; they are sent
/// up in pieces, as frames, and only their sum counts. No text form.
stack_of<octets, frames> lines(line_end end, std::size_t longest,
                               std::uint64_t (*raw_after)(std::string_view line));
stack_of<octets, frames> netstring(std::size_t largest = framing::limits{}.frame);
/// `width` in bytes: 1, 2, 4 or 8.
stack_of<octets, frames> length_prefix(unsigned width, byte_order order = byte_order::big,
                                       std::size_t largest = framing::limits{}.frame);
stack_of<octets, frames> delimiter(std::string_view end,
                                   std::size_t largest = framing::limits{}.frame);
stack_of<octets, frames> fixed(std::size_t size);

/// Teaches `words` the words lines, netstring, length_prefix, delimiter and fixed.
void add_framer_words(stack_words& words);

} // namespace creche
