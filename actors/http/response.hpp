// response.hpp: what a handler answers: a status, a body, fields. A plain value.
#pragma once

#include "actors/http/writer.hpp"
#include "runtime/memory/function.hpp"
#include "runtime/memory/shared.hpp"
#include "runtime/task/task.hpp"

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace creche::internal {
class open_file;
class http1_layer;
class http1_output;
} // namespace creche::internal

namespace creche::http1 {

/// "text/plain; charset=utf-8": of a literal nothing is copied; other text is, as a field.
class media_type {
public:
  template <std::size_t N>
  constexpr media_type(const char (&literal)[N]) noexcept : static_(literal, N - 1) {}
  template <std::size_t N>
  media_type(char (&buffer)[N]) : owned_(static_cast<const char*>(buffer)) {}
  template <class T>
    requires std::same_as<T, const char*> || std::same_as<T, char*>
  media_type(const T& text) : owned_(text) {} // html ? "text/html" : "text/plain"
  media_type(std::string text) noexcept : owned_(std::move(text)) {}
  media_type(std::string_view text) : owned_(text) {}

private:
  friend class response;
  std::string_view static_;
  std::string owned_;
};

/// What a handler answers: a status of 200 to 599, a body, fields. Informational ones (100 to 199)
/// are the server's own: the peer would wait for another one. A class with constructors, so that it
/// may stand in a co_await expression.
///
/// A response that cannot be sent as it is (see fault()) is the handler's failure, as if it had
/// thrown: told to the log, counted, and answered with 500.
class response {
public:
  using producer = detail::function<task<>(writer&)>;

  /// `body` of the given type; HEAD and statuses without a body are seen to.
  response(int status, std::string body, media_type type);
  response(response&&) noexcept = default;
  response& operator=(response&& other) noexcept;

  static response text(int status, std::string body) {
    return {status, std::move(body), "text/plain; charset=utf-8"};
  }
  static response html(int status, std::string body) {
    return {status, std::move(body), "text/html; charset=utf-8"};
  }
  /// `body` is JSON already: it is sent as it is.
  static response json(int status, std::string body) {
    return {status, std::move(body), "application/json"};
  }
  /// A body that `produce` writes, after the head went out. With a length it must write just as
  /// much; otherwise it is sent in chunks (to HTTP/1.0: until the connection closes). Its failure
  /// ends the connection: the peer sees that the body was cut.
  static response stream(int status, media_type type, producer produce,
                         std::optional<std::uint64_t> length = std::nullopt);

  /// A whole file, with its length. `path` is trusted: nothing that a peer said may be in it unless
  /// it was checked. It is read on the loop, so it should be in memory or on a fast disk; on tcp or
  /// a unix socket alone the kernel sends it (sendfile(2)), else, as through TLS, it goes in
  /// pieces. Throws std::system_error when it is no regular file that can be opened; one that gets
  /// shorter while it is sent cuts the response.
  static response file(int status, media_type type, const std::string& path);

  /// One more field. In any case of letters:
  /// - Content-Type takes the place of the one given with the body, Date that of the server's;
  /// - `Connection: close` is close(); what else it may say is not the handler's, so it is a fault;
  /// - Content-Length and Transfer-Encoding are a fault: they follow from the body, or from the
  ///   length that stream() is given.
  response&& header(std::string name, std::string value) &&;
  /// The connection ends after this response.
  response&& close() && { return close_ = true, std::move(*this); }

  int status() const noexcept { return status_; }
  /// Why it cannot be sent, in a sentence: its status, a field of the server's, a name or a value
  /// that would break the message, or fields of more than most_fields bytes.
  std::optional<std::string> fault() const;
  static constexpr std::size_t most_fields = 32 * 1024;

private:
  friend class internal::http1_layer;
  friend class internal::http1_output;
  friend struct request_call;
  int status_;
  bool close_ = false;
  bool streams_ = false;
  bool failed_ = false; // a 500 in place of the handler's answer
  std::string body_;
  std::string_view content_type_; // static text
  std::vector<std::pair<std::string, std::string>> fields_;
  producer producer_;
  detail::shared<internal::open_file> file_;
  std::optional<std::uint64_t> length_;
};

} // namespace creche::http1
