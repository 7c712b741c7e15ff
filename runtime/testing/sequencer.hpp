// sequencer.hpp: puts steps of several tasks in one order, whatever order they are run in.
// (Trio's.)
//
//   auto turn = co_await seq.at(2);   // after turns 0 and 1 were taken and dropped
//
// One loop; in a virtual run any loop.
#pragma once

#include "runtime/task/detail/op.hpp"
#include "runtime/testing/detail/waiters.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace creche::testing {

class sequencer {
public:
  class turn;
  class at_awaiter;
  using at_op = creche::detail::op<at_awaiter, sequencer&, std::uint32_t>;

  /// REQUIRES: it outlives its turns.
  sequencer() = default;
  sequencer(const sequencer&) = delete;

  /// Waits until turns 0 to n-1 were taken and dropped. Checkpoint. Throws std::logic_error when a
  /// number is used twice, and when the sequence is broken: a task that claimed a number and was
  /// cancelled before its turn came will never have it, so all that wait, and all that come, are
  /// told.
  at_op at(std::uint32_t n) noexcept;

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
  turn(turn&& other) noexcept : of_(std::exchange(other.of_, nullptr)), n_(other.n_) {}
  turn& operator=(turn&&) = delete;
  ~turn() { drop(); }
  void drop() noexcept {
    if (auto* sequence = std::exchange(of_, nullptr)) sequence->done(n_);
  }

private:
  friend class at_awaiter;
  turn(sequencer& of, std::uint32_t n) noexcept : of_(&of), n_(n) {}
  sequencer* of_;
  std::uint32_t n_;
};

} // namespace creche::testing

#include "runtime/testing/detail/sequencer.hpp"
