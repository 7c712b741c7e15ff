#include "protocols/http1/response.hpp"

#include "protocols/http1/grammar.hpp"

#include <cassert>
#include <charconv>
#include <cstring>

namespace creche::http1 {

namespace {
constexpr std::size_t own_lines_bound = 192; // status line, framing and connection fields

// Fills a span; once something did not fit, nothing more is written.
class sink {
public:
  explicit sink(std::span<char> out) : at_(out.data()), begin_(at_), end_(at_ + out.size()) {}

  void put(std::string_view text) {
    if (static_cast<std::size_t>(end_ - at_) < text.size()) end_ = at_ = begin_;
    if (end_ == begin_ || text.empty()) return;
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void put(std::uint64_t n) {
    char digits[20];
    const auto done = std::to_chars(digits, digits + sizeof digits, n);
    put(std::string_view{digits, static_cast<std::size_t>(done.ptr - digits)});
  }
  void put(std::string_view name, std::string_view value) {
    put(name);
    put(": ");
    put(value);
    put("\r\n");
  }
  std::size_t size() const { return static_cast<std::size_t>(at_ - begin_); }

private:
  char* at_;
  char* begin_;
  char* end_; // begin_ when something did not fit
};

bool never_has_length(int status) { return status < 200 || status == 204; }

// What frames the message may not be contradicted (RFC 9112 §6.3, §9.6).
bool is_reserved(const response_head& head, std::string_view name) {
  switch (name.size()) {
  case 10: return head.status != 101 && same_name(name, "connection");
  case 12: return !head.content_type.empty() && same_name(name, "content-type");
  case 14: return same_name(name, "content-length");
  case 17: return same_name(name, "transfer-encoding");
  default: return false;
  }
}

errc check(const response_head& head) {
  if (head.status < 100 || head.status > 999) return errc::bad_status;
  if (!is_field_value(head.content_type)) return errc::bad_response_field;
  for (const auto& each : head.fields) {
    if (!is_token(each.name) || !is_field_value(each.value)) return errc::bad_response_field;
    if (is_reserved(head, each.name)) return errc::reserved_response_field;
  }
  return errc::none;
}

void put_status_line(sink& out, int status) {
  if (status == 200) return out.put("HTTP/1.1 200 OK\r\n");
  out.put("HTTP/1.1 ");
  out.put(static_cast<std::uint64_t>(status));
  out.put(" ");
  out.put(reason_phrase(status));
  out.put("\r\n");
}

void put_framing(sink& out, const response_head& head) {
  if (head.framing == body_framing::chunked) return out.put("Transfer-Encoding: chunked\r\n");
  if (!head.length || never_has_length(head.status) || head.framing == body_framing::until_close)
    return;
  out.put("Content-Length: ");
  out.put(*head.length);
  out.put("\r\n");
}

void put_connection(sink& out, const response_head& head) {
  if (head.status < 200) return; // interim, or 101 with the caller's own
  if (!head.keep_alive || head.framing == body_framing::until_close)
    out.put("Connection: close\r\n");
  else if (head.http_1_0)
    out.put("Connection: keep-alive\r\n");
}
} // namespace

body_framing frame_for(const request_head& to, int status, std::optional<std::uint64_t> length) {
  if (never_has_length(status) || status == 205 || status == 304 || to.method() == "HEAD")
    return body_framing::none;
  if (to.method() == "CONNECT" && status < 300) return body_framing::none;
  if (length) return body_framing::fixed;
  return to.minor_version() == 0 ? body_framing::until_close : body_framing::chunked;
}

response_head::response_head(const request_head& to, int code, std::optional<std::uint64_t> bytes)
    : status(code), framing(frame_for(to, code, bytes)),
      keep_alive(to.keep_alive() && framing != body_framing::until_close),
      http_1_0(to.minor_version() == 0), length(bytes) {
  if (to.method() == "CONNECT" && framing == body_framing::none) length.reset();
  if (code == 205) length = 0; // RFC 9110 §15.3.6: no content
}

response_head::response_head(int code, std::uint64_t bytes)
    : status(code), framing(body_framing::fixed), keep_alive(false), length(bytes) {}

std::size_t size_bound(const response_head& head) noexcept {
  std::size_t n = own_lines_bound + head.date.size() + head.content_type.size();
  for (const auto& each : head.fields) n += each.name.size() + each.value.size() + 4;
  return n;
}

written write_head(std::span<char> out, const response_head& head) noexcept {
  assert(head.date.empty() || head.date.ends_with("\r\n"));
  if (const errc error = check(head); error != errc::none) return {0, error};
  sink text(out);
  put_status_line(text, head.status);
  text.put(head.date);
  if (!head.content_type.empty()) text.put("Content-Type", head.content_type);
  put_framing(text, head);
  put_connection(text, head);
  for (const auto& field : head.fields) text.put(field.name, field.value);
  text.put("\r\n");
  return text.size() == 0 ? written{0, errc::does_not_fit} : written{text.size(), errc::none};
}

std::size_t write_chunk_prefix(std::span<char> out, std::uint64_t size) noexcept {
  assert(size > 0); // an empty chunk would end the body
  const auto done = std::to_chars(out.data(), out.data() + out.size(), size, 16);
  const auto digits = static_cast<std::size_t>(done.ptr - out.data());
  if (done.ec != std::errc{} || out.size() - digits < 2) return 0;
  std::memcpy(done.ptr, "\r\n", 2);
  return digits + 2;
}

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
  case 100: return "Continue";
  case 101: return "Switching Protocols";
  case 103: return "Early Hints";
  case 200: return "OK";
  case 201: return "Created";
  case 202: return "Accepted";
  case 203: return "Non-Authoritative Information";
  case 204: return "No Content";
  case 205: return "Reset Content";
  case 206: return "Partial Content";
  case 300: return "Multiple Choices";
  case 301: return "Moved Permanently";
  case 302: return "Found";
  case 303: return "See Other";
  case 304: return "Not Modified";
  case 305: return "Use Proxy";
  case 307: return "Temporary Redirect";
  case 308: return "Permanent Redirect";
  case 400: return "Bad Request";
  case 401: return "Unauthorized";
  case 402: return "Payment Required";
  case 403: return "Forbidden";
  case 404: return "Not Found";
  case 405: return "Method Not Allowed";
  case 406: return "Not Acceptable";
  case 407: return "Proxy Authentication Required";
  case 408: return "Request Timeout";
  case 409: return "Conflict";
  case 410: return "Gone";
  case 411: return "Length Required";
  case 412: return "Precondition Failed";
  case 413: return "Content Too Large";
  case 414: return "URI Too Long";
  case 415: return "Unsupported Media Type";
  case 416: return "Range Not Satisfiable";
  case 417: return "Expectation Failed";
  case 421: return "Misdirected Request";
  case 422: return "Unprocessable Content";
  case 426: return "Upgrade Required";
  case 428: return "Precondition Required";
  case 429: return "Too Many Requests";
  case 431: return "Request Header Fields Too Large";
  case 500: return "Internal Server Error";
  case 501: return "Not Implemented";
  case 502: return "Bad Gateway";
  case 503: return "Service Unavailable";
  case 504: return "Gateway Timeout";
  case 505: return "HTTP Version Not Supported";
  case 511: return "Network Authentication Required";
  default: return {};
  }
}

} // namespace creche::http1
