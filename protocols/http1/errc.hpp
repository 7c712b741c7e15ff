// errc.hpp: everything that can be wrong with HTTP/1.1, one name and one sentence each.
//
// Every request error has the status it is to be answered with; a refused request always closes
// its connection, because nobody knows where the next one would begin (RFC 9112 §9.6).
// Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace creche::http1 {

enum class errc : std::uint8_t {
  none = 0,

  // request line (RFC 9112 §2.2, §3)
  blank_lines,
  bad_method,
  bad_target,
  bad_version,
  version_not_supported,
  request_line_too_long,

  // lines and fields (RFC 9112 §2.2, §5)
  bare_cr,
  bare_lf,
  bad_field_name,
  space_before_colon,
  folded_field,
  bad_field_value,
  too_many_fields,
  fields_too_large,

  // what the fields mean (RFC 9112 §3.2, §6; RFC 9110 §7.2, §7.6.1, §10.1.1)
  host_missing,
  host_twice,
  bad_host,
  bad_connection,
  bad_content_length,
  content_length_twice,
  length_and_coding,
  bad_transfer_coding,
  unknown_transfer_coding,
  transfer_coding_in_1_0,
  unknown_expectation,

  // content (RFC 9112 §6, §7.1)
  body_too_large,
  bad_chunk_size,
  chunk_size_too_long,
  bad_chunk_end,
  bad_chunk_extension,
  chunk_extension_too_long,
  bad_trailer,
  trailers_too_large,
  truncated,

  // what we were asked to send (RFC 9110 §5.5, §15)
  bad_status,
  bad_response_field,
  reserved_response_field,
  does_not_fit,
};
inline constexpr std::size_t errc_kinds = static_cast<std::size_t>(errc::does_not_fit) + 1;

/// What is wrong, in words that may be shown to the peer.
std::string_view text(errc error) noexcept;

/// The status a request with this error is answered with; 500 for what is our own mistake.
int status_of(errc error) noexcept;

/// The category "http1".
const std::error_category& category() noexcept;

std::error_code make_error_code(errc error) noexcept;

} // namespace creche::http1

template <> struct std::is_error_code_enum<creche::http1::errc> : std::true_type {};
