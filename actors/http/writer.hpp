// writer.hpp: where a streamed response goes.
#pragma once

#include "runtime/memory/slice.hpp"
#include "runtime/task/detail/op.hpp"
#include "runtime/task/task.hpp"

#include <string_view>
#include <utility>

namespace creche::internal {
struct exchange;
} // namespace creche::internal

namespace creche::http1 {

/// For the handler and the tasks below it on its loop; one waits at a time.
class writer {
public:
  class write_awaiter;
  using write_op = detail::op<write_awaiter, internal::exchange*, slice>;
  /// Hands on bytes, and waits while the peer does not take them. Empty writes do nothing.
  /// Checkpoint.
  write_op write(slice bytes) noexcept;
  write_op write(std::string_view bytes);

private:
  friend struct request_call;
  explicit writer(internal::exchange* exchange) noexcept : exchange_(exchange) {}
  internal::exchange* exchange_;
};

} // namespace creche::http1

#include "actors/http/detail/write_awaiter.hpp"
