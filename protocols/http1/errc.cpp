#include "protocols/http1/errc.hpp"

#include "protocols/error_category.hpp"

namespace creche::http1 {

std::string_view text(errc error) noexcept {
  switch (error) {
  case errc::none: return "no error";
  case errc::blank_lines: return "more than one empty line before the request";
  case errc::bad_method: return "the method is not a token followed by one space";
  case errc::bad_target: return "the request target is not a URI reference followed by one space";
  case errc::bad_version: return "the request line does not end with HTTP/ and a version";
  case errc::version_not_supported: return "the version is not HTTP/1.0 or HTTP/1.1";
  case errc::request_line_too_long: return "the request line is too long";
  case errc::bare_cr: return "a carriage return without a line feed";
  case errc::bare_lf: return "a line feed without a carriage return";
  case errc::bad_field_name: return "a field name is not a token followed by a colon";
  case errc::space_before_colon: return "white space between a field name and its colon";
  case errc::folded_field: return "a field line begins with white space (folding is obsolete)";
  case errc::bad_field_value: return "a control character in a field value";
  case errc::too_many_fields: return "too many header fields";
  case errc::fields_too_large: return "the header fields are too large";
  case errc::host_missing: return "HTTP/1.1 without a Host field";
  case errc::host_twice: return "more than one Host field";
  case errc::bad_host: return "the Host field is not one host with an optional port";
  case errc::bad_connection: return "the Connection field is not a list of tokens";
  case errc::bad_content_length: return "Content-Length is not one decimal number";
  case errc::content_length_twice: return "more than one Content-Length field";
  case errc::length_and_coding: return "both Content-Length and Transfer-Encoding";
  case errc::bad_transfer_coding:
    return "Transfer-Encoding is malformed or does not end in chunked";
  case errc::unknown_transfer_coding: return "a transfer coding other than chunked";
  case errc::transfer_coding_in_1_0: return "Transfer-Encoding in HTTP/1.0";
  case errc::unknown_expectation: return "an expectation other than 100-continue";
  case errc::body_too_large: return "the content is too large";
  case errc::bad_chunk_size: return "a chunk size is not a hexadecimal number";
  case errc::chunk_size_too_long: return "a chunk size has too many digits";
  case errc::bad_chunk_end: return "a chunk does not end with CRLF";
  case errc::bad_chunk_extension: return "a chunk extension is malformed";
  case errc::chunk_extension_too_long: return "chunk extensions are too long";
  case errc::bad_trailer: return "a trailer field is malformed";
  case errc::trailers_too_large: return "the trailer fields are too large";
  case errc::truncated: return "the connection ended inside a request";
  case errc::bad_status: return "a response status outside 100 to 999";
  case errc::bad_response_field: return "a response field that is not a token and a clean value";
  case errc::reserved_response_field: return "a response field that the framing decides";
  case errc::does_not_fit: return "the response head does not fit into the space given";
  }
  return "unknown http1 error";
}

int status_of(errc error) noexcept {
  switch (error) {
  case errc::body_too_large: return 413;
  case errc::request_line_too_long: return 414;
  case errc::unknown_expectation: return 417;
  case errc::too_many_fields:
  case errc::fields_too_large:
  case errc::trailers_too_large: return 431;
  case errc::unknown_transfer_coding: return 501;
  case errc::version_not_supported: return 505;
  case errc::none:
  case errc::bad_status:
  case errc::bad_response_field:
  case errc::reserved_response_field:
  case errc::does_not_fit: return 500;
  default: return 400;
  }
}

const std::error_category& category() noexcept {
  static const detail::error_category<errc> instance("http1");
  return instance;
}

std::error_code make_error_code(errc error) noexcept {
  return {static_cast<int>(error), category()};
}

} // namespace creche::http1
