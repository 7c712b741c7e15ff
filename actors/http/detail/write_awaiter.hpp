// write_awaiter.hpp: what writer::write() returns. Included by writer.hpp.
#pragma once

#include "actors/http/writer.hpp"

namespace creche::http1 {

class writer::write_awaiter final : public detail::leaf_awaiter {
public:
  write_awaiter(detail::task_run& run, internal::exchange* exchange, slice bytes) noexcept
      : leaf_awaiter(run), exchange_(exchange), bytes_(std::move(bytes)) {}
  ~write_awaiter();
  bool await_ready() noexcept;
  void await_resume();
  const char* kind() const noexcept override { return "response room"; }
  detail::aborted abort() noexcept override;

private:
  void begin_wait() override;
  internal::exchange* exchange_;
  slice bytes_;
  bool misused_ = false;
};

} // namespace creche::http1
