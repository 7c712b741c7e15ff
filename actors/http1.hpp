// http1.hpp: an HTTP/1.1 server as a layer: requests in, responses out, bodies under flow control.
//
// Every request is a task of its own, a child of its connection's stack: it may await anything, and
// is cancelled when its connection is lost. Responses go out in the order of the requests. A
// handler is called on the loop of its connection; with several loops, on several threads at a
// time.
#pragma once

#include "protocols/http1/head.hpp"
#include "protocols/http1/limits.hpp"
#include "runtime/function.hpp"
#include "runtime/slice.hpp"
#include "runtime/task.hpp"

#include <concepts>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace creche::internal {
class http1_layer;
struct exchange;
} // namespace creche::internal

namespace creche::http1 {

/// Why a body came to no good end; thrown by body::next().
class body_lost final : public std::system_error {
public:
  using system_error::system_error;
};

/// The content of a request, as it comes in. While nobody asks for it, the peer is held.
/// For the handler and the tasks below it on its loop; one waits at a time.
class body {
public:
  class next_awaiter;
  class next_op;
  /// The next piece, never empty; nullopt at the end. Throws body_lost when the peer broke off or
  /// sent what is no body. Checkpoint.
  [[nodiscard]] next_op next() noexcept;

private:
  friend class request;
  explicit body(internal::exchange* x) noexcept : exchange_(x) {}
  internal::exchange* exchange_;
};

/// One request; lives as long as its handler. There are no tunnels: a connection ends after the
/// answer to CONNECT, whatever that says.
class request {
public:
  request(const request&) = delete;
  request& operator=(const request&) = delete;

  std::string_view method() const noexcept;
  /// As sent, query included.
  std::string_view target() const noexcept;
  /// The target up to the first '?', without the scheme and authority of an absolute one (as
  /// proxies are sent; RFC 9112 §3.2.2).
  std::string_view path() const noexcept;
  /// The first field of that name (case is ignored), or "".
  std::string_view header(std::string_view name) const noexcept;
  const request_head& head() const noexcept;
  http1::body& body() noexcept { return body_; }

private:
  friend class internal::http1_layer;
  friend struct request_call;
  explicit request(internal::exchange* x) noexcept : exchange_(x), body_(x) {}
  internal::exchange* exchange_;
  http1::body body_;
};

/// Where a streamed response goes. For the handler and the tasks below it on its loop; one waits at
/// a time.
class writer {
public:
  class write_awaiter;
  class write_op;
  /// Hands on bytes, and waits while the peer does not take them. Empty writes do nothing.
  /// Checkpoint.
  [[nodiscard]] write_op write(slice bytes) noexcept;
  [[nodiscard]] write_op write(std::string_view bytes);

private:
  friend struct request_call;
  explicit writer(internal::exchange* x) noexcept : exchange_(x) {}
  internal::exchange* exchange_;
};

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
  response& operator=(response&& o) noexcept;

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
  /// A body that `p` writes, after the head went out. With a length it must write just as much;
  /// otherwise it is sent in chunks (to HTTP/1.0: until the connection closes). Its failure ends
  /// the connection: the peer sees that the body was cut.
  static response stream(int status, media_type type, producer p,
                         std::optional<std::uint64_t> length = std::nullopt) {
    response r(status, {}, std::move(type));
    r.producer_ = std::move(p);
    r.length_ = length;
    return r;
  }

  /// A whole file, in pieces, with its length. `path` is trusted: nothing that a peer said may be
  /// in it unless it was checked. It is read on the loop, so it should be in memory or on a fast
  /// disk. Throws std::system_error when it is no regular file that
  /// can be opened; one that gets shorter while it is sent cuts the response.
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
  friend struct request_call;
  int status_;
  bool close_ = false;
  bool streams_ = false;
  bool failed_ = false; // the handler's place was taken by a 500
  std::string body_;
  std::string_view content_type_; // static text
  std::vector<std::pair<std::string, std::string>> fields_;
  producer producer_;
  std::optional<std::uint64_t> length_;
};

/// Time limits of a connection; sizes are in http1::limits.
struct timeouts {
  clock_duration header = std::chrono::seconds(10);      ///< for a whole head
  clock_duration body = std::chrono::seconds(30);        ///< without a byte of a body
  clock_duration idle = std::chrono::seconds(60);        ///< between requests
  clock_duration write_stall = std::chrono::seconds(30); ///< the peer takes nothing
  clock_duration linger = std::chrono::seconds(2);       ///< after our end of the connection
  /// Bytes a second that a peer sends at least of a body that is waited for, and takes at least of
  /// an answer that waits to be sent: on the average of every rate_over, so much is also its grace.
  /// 0: no such limit.
  std::uint32_t least_rate = 1024;
  clock_duration rate_over = std::chrono::seconds(30);

  /// Bytes within every rate_over.
  std::uint64_t least_bytes() const noexcept;
};

/// The layer as a value: a handler and its limits.
class server {
public:
  using handler = detail::function<task<response>(request&)>;

  explicit server(handler h) : handler_(std::move(h)) {}
  /// Throws std::invalid_argument if a whole head could exceed what a layer may leave unused.
  server&& limits(const http1::limits& l) &&;
  /// Throws std::invalid_argument for one that is less than zero, and a rate over no time.
  server&& timeouts(const http1::timeouts& t) &&;
  /// So many requests may have a handler at a time, over all connections of a listener; one more is
  /// answered with 503, and its connection stays. Not set: as many as there are connections.
  server&& most_in_hand(std::uint32_t requests) && {
    return most_in_hand_ = requests, std::move(*this);
  }

  const handler& handle() const noexcept { return handler_; }
  const http1::limits& limits() const noexcept { return limits_; }
  const http1::timeouts& timeouts() const noexcept { return timeouts_; }
  std::uint32_t most_in_hand() const noexcept { return most_in_hand_; }

private:
  std::uint32_t most_in_hand_ = ~std::uint32_t{0};
  handler handler_;
  http1::limits limits_;
  http1::timeouts timeouts_;
};

// ---- awaitables

class body::next_op {
public:
  explicit next_op(internal::exchange* x) noexcept : exchange_(x) {}
  next_awaiter bind(detail::task_run& r) const noexcept;

private:
  internal::exchange* exchange_;
};

class body::next_awaiter final : detail::leaf {
public:
  next_awaiter(detail::task_run& r, internal::exchange* x) noexcept : run_(r), exchange_(x) {}
  ~next_awaiter();
  bool await_ready() noexcept;
  void await_suspend(std::coroutine_handle<>);
  std::optional<slice> await_resume();
  const char* kind() const noexcept override { return "request body"; }
  detail::aborted abort() noexcept override;

private:
  detail::task_run& run_;
  internal::exchange* exchange_;
  bool misused_ = false;
};
inline body::next_awaiter body::next_op::bind(detail::task_run& r) const noexcept {
  return {r, exchange_};
}

class writer::write_op {
public:
  write_op(internal::exchange* x, slice b) noexcept : exchange_(x), bytes_(std::move(b)) {}
  write_awaiter bind(detail::task_run& r) noexcept;

private:
  internal::exchange* exchange_;
  slice bytes_;
};

class writer::write_awaiter final : detail::leaf {
public:
  write_awaiter(detail::task_run& r, internal::exchange* x, slice b) noexcept
      : run_(r), exchange_(x), bytes_(std::move(b)) {}
  ~write_awaiter();
  bool await_ready() noexcept;
  void await_suspend(std::coroutine_handle<>);
  void await_resume();
  const char* kind() const noexcept override { return "response room"; }
  detail::aborted abort() noexcept override;

private:
  detail::task_run& run_;
  internal::exchange* exchange_;
  slice bytes_;
  bool misused_ = false;
};
inline writer::write_awaiter writer::write_op::bind(detail::task_run& r) noexcept {
  return {r, exchange_, std::move(bytes_)};
}

} // namespace creche::http1
