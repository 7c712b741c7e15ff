// response.hpp: writes response heads and the framing of their bodies (RFC 9112 §4, §6, §7.1).
//
// No byte that the caller gives can end a line or begin one: names are tokens, values have no
// controls, and the fields that frame the message are written here and nowhere else.
// Pure; any thread. Allocates nothing.
#pragma once

#include "protocols/http1/errc.hpp"
#include "protocols/http1/head.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace creche::http1 {

/// How the end of a response body is told.
enum class body_framing : std::uint8_t {
  none,        ///< no body is sent, whatever the length field says
  fixed,       ///< Content-Length, and exactly so many bytes
  chunked,     ///< write_chunk_prefix(), data, chunk_end, ..., last_chunk
  until_close, ///< the body ends with the connection
};

/// RFC 9112 §6.3: what applies to a response with `status` and, if it is known, this many bytes.
/// None for HEAD, 1xx, 204, 304 and a CONNECT that succeeds; unknown lengths are chunked, in
/// HTTP/1.0 until_close.
body_framing frame_for(const request_head& to, int status, std::optional<std::uint64_t> length);

/// What a response head says. The views must stay until it is written.
struct response_head {
  /// The answer to `to`, with what follows from it: framing, and whether the connection stays.
  response_head(const request_head& to, int status, std::optional<std::uint64_t> length);

  /// The answer to a request that was refused (status_of(errc)): closes.
  response_head(int status, std::uint64_t length);

  int status;
  body_framing framing;
  bool keep_alive;                     ///< may be cleared, never set
  bool http_1_0 = false;               ///< then staying must be said
  std::optional<std::uint64_t> length; ///< with `none`: what a GET would have had
  std::string_view content_type{};     ///< empty: no such field
  std::string_view date{};         ///< empty, or a whole line "Date: ...\r\n" of the caller's clock
  std::span<const field> fields{}; ///< further ones, in order
};

struct written {
  std::size_t size = 0; ///< bytes; 0 when there is an error
  errc error = errc::none;
};

/// Space that is always enough for this head.
std::size_t size_bound(const response_head& head) noexcept;

/// Writes status line, fields and the empty line. Errors: bad_status; bad_response_field (name no
/// token, control in a value, RFC 9110 §5.5); reserved_response_field (Content-Length and
/// Transfer-Encoding; Connection but for 101; a content type twice); does_not_fit. On an error
/// the content of `out` is unspecified and nothing of it may be sent.
[[nodiscard]] written write_head(std::span<char> out, const response_head& head) noexcept;

/// The words for a status (RFC 9110 §15); empty for those it does not name.
std::string_view reason_phrase(int status) noexcept;

/// RFC 9110 §10.1.1: what a client with expects_continue() waits for.
inline constexpr std::string_view continue_line = "HTTP/1.1 100 Continue\r\n\r\n";

/// RFC 9112 §7.1: the size line before `size` > 0 bytes of data, which chunk_end follows.
/// Returns the bytes written, 0 when `out` is too small; max_chunk_prefix is always enough.
[[nodiscard]] std::size_t write_chunk_prefix(std::span<char> out, std::uint64_t size) noexcept;
inline constexpr std::size_t max_chunk_prefix = 18;
inline constexpr std::string_view chunk_end = "\r\n";
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

} // namespace creche::http1
