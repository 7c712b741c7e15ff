// errc.hpp: everything that can be wrong with a frame, one name and one sentence each.
//
// After an error of the peer nobody knows where the next frame would begin: the stream is over.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <system_error>

namespace creche::framing {

enum class errc : std::uint8_t {
  none = 0,

  // what the peer sent
  frame_too_large,
  too_many_empty,
  truncated,
  bare_cr,
  bare_lf,
  bad_length,
  bad_end,

  // what we were asked to send
  contains_end,
  wrong_size,
};

/// What is wrong, in words that may be shown to the peer.
std::string_view text(errc error) noexcept;

/// The category "framing".
const std::error_category& category() noexcept;

std::error_code make_error_code(errc error) noexcept;

} // namespace creche::framing

template <> struct std::is_error_code_enum<creche::framing::errc> : std::true_type {};
