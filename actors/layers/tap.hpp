// tap.hpp: a layer that records what passes it, and what reads the record again.
//
//   auto s = tcp("127.0.0.1:80") / tap("/tmp/talk.tap") / lines(line_end::crlf);
//   for (auto& r : tap_records("/tmp/talk.tap")) if (r.what == tap_event::in) wire.feed(r.bytes);
//
// The file: "CRTAP\0\0\1", then records: u64 nanoseconds since the recording began, u32 number of
// bytes, u8 tap_event, 3 bytes 0, the bytes. Numbers are little-endian. What passes is never
// changed and waits for nothing but the kernel's copy; an error of the file ends the recording, not
// the stack, and stands in the tree.
#pragma once

#include "actors/stack/stack.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace creche {

class stack_words;

enum class tap_event : std::uint8_t {
  in,     ///< bytes, or a frame, from below
  out,    ///< bytes, or a frame, from above
  eof,    ///< the peer has said its end
  finish, ///< the layer above has said its end
  close,  ///< the layer above closes
  broken, ///< it was over without that: a reset, an abort, a cancel, a failure
};

struct tap_options {
  std::uint64_t most_bytes =
      64u << 20; ///< of the file; what does not fit wholly ends the recording
};

namespace detail {
any_stack tap_part(std::string_view path, const tap_options& options, speech passes);
}

/// Every opening of the stack begins the file anew. One that another stack is recording to is left
/// alone: then this one is not recorded, which stands in the tree and on standard error.
/// `Passes` is what goes through: octets, or frames for a place above a framer. Has a text form,
/// "tap(path)" or "tap(path,bytes,frames)", unless there is ',', ')' or a control character in
/// the path.
template <class Passes = octets>
stack_of<Passes, Passes> tap(std::string_view path, const tap_options& o = {}) {
  static_assert(!std::is_same_v<Passes, no_speech>, "tap passes on octets or frames");
  return stack_of<Passes, Passes>(detail::tap_part(path, o, detail::speech_of<Passes>()));
}

struct tap_record {
  clock_duration at{}; ///< since the recording began
  tap_event what{};
  std::string bytes;
};

/// All whole records of a file; what was cut at its end is left out. Throws std::system_error if it
/// cannot be read, std::invalid_argument if it is no such file. Blocks; any thread.
std::vector<tap_record> tap_records(const std::string& path);

/// Teaches `words` the word tap.
void add_tap_word(stack_words& words);

} // namespace creche
