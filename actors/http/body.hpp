// body.hpp: the content of a request, as it comes in.
#pragma once

#include "runtime/memory/slice.hpp"
#include "runtime/task/detail/op.hpp"
#include "runtime/task/task.hpp"

#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

namespace creche::internal {
struct exchange;
} // namespace creche::internal

namespace creche::http1 {

/// Why a body came to no good end; thrown by body::next().
class body_lost final : public std::system_error {
public:
  using system_error::system_error;
};

/// More came than was wanted; thrown by body::all().
class body_too_large final : public std::length_error {
public:
  explicit body_too_large(std::size_t most);
};

/// The content of a request. While no task asks for it, the peer is held.
/// For the handler and the tasks below it on its loop; one waits at a time.
class body {
public:
  class next_awaiter;
  using next_op = detail::op<next_awaiter, internal::exchange*>;
  /// The next piece, never empty; nullopt at the end. Throws body_lost when the peer broke off or
  /// sent what is no body. Checkpoint.
  next_op next() noexcept;
  /// All of it. Throws body_too_large for more than `most` bytes, as soon as that is known: if the
  /// handler lets it out, the answer is 413. Checkpoint.
  [[nodiscard]] task<std::string> all(std::size_t most);

private:
  friend class request;
  explicit body(internal::exchange* exchange) noexcept : exchange_(exchange) {}
  internal::exchange* exchange_;
};

} // namespace creche::http1

#include "actors/http/detail/body_awaiter.hpp"
