// scope.hpp: a part of a task that can be cancelled by itself, by its deadline or by hand.
//
// A stop unwinds the frames inside the scope, and the scope's awaiter goes on. Scopes nest; of two
// that are cancelled together the outer one is where the task goes on (Trio). A cancel is
// idempotent and level-triggered: every later checkpoint inside sees it, until the scope is left.
// A scope belongs to its task and that task's loop; a cancel_scope::handle may go anywhere.
#pragma once

#include "runtime/task/compiler.hpp"
#include "runtime/task/detail/frame.hpp"
#include "runtime/task/detail/op.hpp"
#include "runtime/task/outcome.hpp"
#include "runtime/task/task.hpp"
#include "runtime/time/wheel.hpp"

#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace creche {

/// Why something was cancelled, and where that was said.
struct cancel_reason {
  std::string what;
  std::source_location where;
};

namespace detail {
class effective_deadline_awaiter;
struct scope_state;
} // namespace detail

/// What the body of a scope gets: to end it by, to shield it, to move its deadline.
class cancel_scope : detail::boundary, timer {
public:
  /// Idempotent; takes effect at the body's next checkpoint, also when called from inside. The
  /// first reason wins, later ones are kept behind it. Not a checkpoint itself. Own loop only.
  void cancel(std::string_view reason = {},
              std::source_location where = std::source_location::current()) noexcept;
  bool cancel_called() const noexcept { return cancelled; }
  /// Empty if nobody gave one. A deadline says "deadline".
  std::span<const cancel_reason> reasons() const noexcept { return reasons_; }

  /// While it is on, a cancel from further out is not seen inside; the scope's own always is.
  /// Initially off, except in `shielded`. A cancel that has reached a nursery inside is not taken
  /// back by a shield that is raised later. Not a checkpoint. Own loop only.
  void shield(bool on) noexcept { set_shield(on); }
  bool shielded() const noexcept { return boundary::shield; }

  /// Moves the deadline; one that is not in the future cancels at once. No effect after the cancel.
  void deadline_at(time_point at) noexcept;
  /// The same, from now on; no_limit: none.
  void deadline_in(clock_duration span) noexcept;
  template <class Rep, class Period>
  void deadline_in(const std::chrono::duration<Rep, Period>& span) noexcept {
    deadline_in(clock_duration(time_span(span)));
  }
  /// time_point::max(): none.
  time_point deadline() const noexcept override { return deadline_; }

  class handle;
  /// For others, on any loop or thread: stays valid after the scope's end.
  handle remote();

protected:
  cancel_scope(detail::task_run& in, bool shielded) noexcept;
  ~cancel_scope();
  cancel_scope(const cancel_scope&) = delete;
  void open(time_point now);
  void close(bool stopped) noexcept;
  void rethrow(); // what the body's frames threw when a stop took them down, if they did
  detail::boundary& as_boundary() noexcept { return *this; }

  detail::task_run& run_;
  time_point deadline_ = time_point::max();

private:
  void arm() noexcept;
  const cancel_reason* reason() const noexcept override {
    return reasons_.empty() ? nullptr : &reasons_.front();
  }
  std::vector<cancel_reason> reasons_;
  detail::scope_state* state_ = nullptr; // made by remote()
};

/// Cancels a scope from anywhere. Copyable, weak, any thread; does nothing once the scope has
/// ended.
class cancel_scope::handle {
public:
  handle() noexcept = default;
  handle(const handle& other) noexcept;
  handle(handle&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  handle& operator=(handle other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~handle();

  void cancel(std::string_view reason = {},
              std::source_location where = std::source_location::current()) const;
  /// Cancels, waits until the scope has ended, and says what came of it. Of a handle with a name.
  /// Checkpoint; a task must not wait for a scope that it is in itself. If it is stopped while it
  /// waits, the cancel stands.
  [[nodiscard]] task<receipt>
  cancel_and_wait(std::string reason = {},
                  std::source_location where = std::source_location::current()) const;
  bool ended() const noexcept;

private:
  friend class cancel_scope;
  explicit handle(detail::scope_state* state) noexcept : state_(state) {} // takes over a reference
  detail::scope_state* state_ = nullptr;
};

/// Thrown by fail_after and fail_at (Trio's TooSlowError).
class too_slow final : public std::system_error {
public:
  explicit too_slow(const std::string& what);
};

namespace detail {

/// When a scope's time is up: a span from its start, or from a cancel that its shield keeps out; or
/// a point.
struct scope_limit {
  clock_duration in = no_limit;
  time_point at = time_point::max();
  bool relative = true;
  bool after_cancel = false;
  time_point from(time_point start) const noexcept {
    return relative && !after_cancel ? later(start, in) : at;
  }
};

/// What is given for a body that was stopped.
enum class give : std::uint8_t {
  maybe, // the value or nothing; of a task<>: whether it was completed
  must,  // the value, or too_slow is thrown
};

template <class F, give Given> class scope_awaiter;
template <class F, give Given>
using scope_op = op<scope_awaiter<F, Given>, scope_limit, bool, F, std::source_location>;

} // namespace detail

/// Runs `body()` or `body(cancel_scope&)`, which returns task<T>, for at most `limit`: then its
/// value, or nullopt if it was stopped; for task<>, true or false. A limit of zero or less stops it
/// at its first checkpoint. A stop that comes from further out passes through. The body is a
/// checkpoint if it has one.
template <class F>
[[nodiscard]] auto move_on_after(time_span limit, F&& body,
                                 std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::scope_op<F, detail::give::maybe>(detail::scope_limit{.in = limit}, false,
                                                  std::forward<F>(body), where);
}
/// The same, until the loop's clock reads `due`; a time in the past stops it at its first
/// checkpoint.
template <class F>
[[nodiscard]] auto move_on_at(time_point due, F&& body,
                              std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::scope_op<F, detail::give::maybe>(detail::scope_limit{.at = due, .relative = false},
                                                  false, std::forward<F>(body), where);
}
/// Its value, or `too_slow` is thrown if the scope was stopped, by its deadline or by hand.
template <class F>
[[nodiscard]] auto fail_after(time_span limit, F&& body,
                              std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::scope_op<F, detail::give::must>(detail::scope_limit{.in = limit}, false,
                                                 std::forward<F>(body), where);
}
template <class F>
[[nodiscard]] auto fail_at(time_point due, F&& body,
                           std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::scope_op<F, detail::give::must>(detail::scope_limit{.at = due, .relative = false},
                                                 false, std::forward<F>(body), where);
}
/// Runs `body()` or `body(cancel_scope&)` unseen by cancels from further out, for at most `limit`,
/// which should be short: a shield without an end keeps a whole tree from ending. Gives what
/// move_on_after gives. The first checkpoint afterwards stops, if there was a cancel meanwhile.
template <class F>
[[nodiscard]] auto shielded(time_span limit, F&& body,
                            std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::scope_op<F, detail::give::maybe>(detail::scope_limit{.in = limit}, true,
                                                  std::forward<F>(body), where);
}

/// For `shielded`: how long the body may go on after a cancel that it does not see.
struct after_cancel {
  clock_duration limit;
  explicit after_cancel(time_span span) noexcept : limit(span) {}
};
/// The same, with a limit that counts from the cancel: what takes its time as a rule, and must not
/// be left half done. If there was one before, from the start.
template <class F>
[[nodiscard]] auto shielded(after_cancel grace, F&& body,
                            std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::scope_op<F, detail::give::maybe>(
      detail::scope_limit{.in = grace.limit, .after_cancel = true}, true, std::forward<F>(body),
      where);
}

/// `co_await effective_deadline()`: the earliest deadline of the scopes around, up to the first
/// shield; of a child also of the scopes that its nursery is in (on another loop: as they were when
/// it was started); time_point::min() when a cancel is pending, time_point::max() when there is
/// none. Not a checkpoint (Trio's current_effective_deadline).
[[nodiscard]] detail::op<detail::effective_deadline_awaiter> effective_deadline() noexcept;

} // namespace creche

#include "runtime/task/detail/scope_awaiter.hpp"
