// body_awaiter.hpp: what body::next() returns. Included by body.hpp.
#pragma once

#include "actors/http/body.hpp"

namespace creche::http1 {

class body::next_awaiter final : public detail::leaf_awaiter {
public:
  next_awaiter(detail::task_run& run, internal::exchange* exchange) noexcept
      : leaf_awaiter(run), exchange_(exchange) {}
  ~next_awaiter();
  bool await_ready() noexcept;
  std::optional<slice> await_resume();
  const char* kind() const noexcept override { return "request body"; }
  detail::aborted abort() noexcept override;

private:
  void begin_wait() override;
  internal::exchange* exchange_;
  bool misused_ = false;
};

} // namespace creche::http1
