// sequencer.hpp: puts steps of several tasks in one order, whatever order they are run in.
// (Trio's.)
//
//   auto turn = co_await seq.at(2);   // after turns 0 and 1 were taken and dropped
//
// One loop; in a virtual run any loop.
#pragma once

#include "runtime/testing/waiters.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace creche::testing {

class sequencer {
public:
  class turn;
  class at_awaiter;
  class at_op;

  /// REQUIRES: it outlives its turns.
  sequencer() = default;
  sequencer(const sequencer&) = delete;

  /// Waits until turns 0 to n-1 were taken and dropped. Checkpoint. Throws std::logic_error when a
  /// number is used twice, and when the sequence is broken: who claimed a number and was cancelled
  /// before its turn came will never have it, so all that wait, and all that come, are told.
  [[nodiscard]] at_op at(std::uint32_t n) noexcept;

private:
  void claim(std::uint32_t n);
  void fail_if_broken() const;
  void done(std::uint32_t n) noexcept;
  void break_by(std::uint32_t n) noexcept;

  std::uint32_t next_ = 0;
  std::optional<std::uint32_t> broken_by_;
  std::vector<std::uint32_t> claimed_;
  detail::waiter_list waiting_;
};

/// A turn that was taken; the next one begins when it is dropped.
class [[nodiscard]] sequencer::turn {
public:
  turn(turn&& o) noexcept : of_(std::exchange(o.of_, nullptr)), n_(o.n_) {}
  turn& operator=(turn&&) = delete;
  ~turn() { drop(); }
  void drop() noexcept {
    if (auto* s = std::exchange(of_, nullptr)) s->done(n_);
  }

private:
  friend class at_awaiter;
  turn(sequencer& s, std::uint32_t n) noexcept : of_(&s), n_(n) {}
  sequencer* of_;
  std::uint32_t n_;
};

class sequencer::at_awaiter final : detail::waiter_list::waiter {
public:
  at_awaiter(creche::detail::task_run& r, sequencer& s, std::uint32_t n) noexcept
      : waiter(r, "sequencer"), of_(s), n_(n) {}
  ~at_awaiter() override;
  bool await_ready();
  void await_suspend(std::coroutine_handle<>) noexcept;
  turn await_resume();

private:
  friend class sequencer;
  sequencer& of_;
  std::uint32_t n_;
  bool claimed_ = false; // and the turn was not handed out
};

class sequencer::at_op {
public:
  at_op(sequencer& s, std::uint32_t n) noexcept : of_(s), n_(n) {}
  at_awaiter bind(creche::detail::task_run& r) const noexcept { return {r, of_, n_}; }

private:
  sequencer& of_;
  std::uint32_t n_;
};

inline sequencer::at_op sequencer::at(std::uint32_t n) noexcept { return {*this, n}; }

} // namespace creche::testing
