// request.hpp: one request, as its handler sees it.
#pragma once

#include "actors/http/body.hpp"
#include "actors/stack/facts.hpp"
#include "protocols/http1/head.hpp"

#include <string_view>

namespace creche::internal {
class http1_layer;
} // namespace creche::internal

namespace creche::http1 {

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
  /// The other side of the connection, and ours. Empty if its transport has no addresses.
  endpoint peer() const;
  endpoint local() const;
  /// What the layers below have left: TLS's names, a proxy's addresses.
  const creche::facts& facts() const;

private:
  friend class internal::http1_layer;
  friend struct request_call;
  explicit request(internal::exchange* exchange) noexcept : exchange_(exchange), body_(exchange) {}
  internal::exchange* exchange_;
  http1::body body_;
};

} // namespace creche::http1
