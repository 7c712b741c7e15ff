// server.hpp: an HTTP/1.1 server as a value: a handler and its limits.
#pragma once

#include "actors/http/answered.hpp"
#include "actors/http/request.hpp"
#include "actors/http/response.hpp"
#include "actors/http/timeouts.hpp"
#include "protocols/http1/limits.hpp"
#include "runtime/memory/function.hpp"
#include "runtime/task/task.hpp"

#include <utility>

namespace creche::http1 {

class server {
public:
  /// Called once for every request, as a task of its own, on the loop of its connection; with
  /// several loops, on several threads at a time.
  using handler = detail::function<task<response>(request&)>;

  explicit server(handler answer) : handler_(std::move(answer)) {}
  /// Refuses what is no handler.
  template <class F>
    requires(!std::is_constructible_v<handler, F> &&
             !std::is_same_v<std::remove_cvref_t<F>, server>)
  explicit server(F&&) {
    static_assert(
        detail::never<F>,
        "a handler is called with an http1::request& and returns a task<http1::response>");
  }
  /// Throws std::invalid_argument if a whole head could exceed what a layer may leave unused.
  server&& limits(const http1::limits& sizes) &&;
  /// Throws std::invalid_argument for one that is less than zero, and a rate over no time.
  server&& timeouts(const http1::timeouts& times) &&;
  /// So many requests may have a handler at a time, over all connections of a listener; one more is
  /// answered with 503, and its connection stays. Not set: as many as there are connections.
  server&& most_in_hand(std::uint32_t requests) && {
    return most_in_hand_ = requests, std::move(*this);
  }

  /// Called for every answer, the server's own refusals included.
  server&& on_answer(answer_hook hook) && { return hook_ = std::move(hook), std::move(*this); }

  const handler& handle() const noexcept { return handler_; }
  const http1::limits& limits() const noexcept { return limits_; }
  const http1::timeouts& timeouts() const noexcept { return timeouts_; }
  std::uint32_t most_in_hand() const noexcept { return most_in_hand_; }
  const answer_hook& hook() const noexcept { return hook_; }

private:
  std::uint32_t most_in_hand_ = ~std::uint32_t{0};
  handler handler_;
  answer_hook hook_;
  http1::limits limits_;
  http1::timeouts timeouts_;
};

} // namespace creche::http1
