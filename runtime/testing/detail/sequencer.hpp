// sequencer.hpp, continued: the await of a turn.
#pragma once

#include "runtime/testing/sequencer.hpp"

namespace creche::testing {

class sequencer::at_awaiter final : public detail::waiter_list::waiter {
public:
  at_awaiter(creche::detail::task_run& run, sequencer& of, std::uint32_t n) noexcept
      : waiter(run, "sequencer"), of_(of), n_(n) {}
  ~at_awaiter() override;
  bool await_ready();
  turn await_resume();

private:
  friend class sequencer;
  void begin_wait() noexcept override;
  sequencer& of_;
  std::uint32_t n_;
  bool claimed_ = false; // and the turn was not handed out
};

inline sequencer::at_op sequencer::at(std::uint32_t n) noexcept { return {*this, n}; }

} // namespace creche::testing
