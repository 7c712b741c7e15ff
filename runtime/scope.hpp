// scope.hpp: a part of a task that can be cancelled by itself, by its deadline or by hand.
//
// A stop unwinds the frames inside the scope, and the scope's awaiter goes on. Scopes nest; of two
// that are cancelled together the outer one is where the task goes on (Trio). A cancel is
// idempotent and level-triggered: every later checkpoint inside sees it, until the scope is left.
// A scope belongs to its task and that task's loop; a cancel_scope::handle may go anywhere.
#pragma once

#include "runtime/outcome.hpp"
#include "runtime/task.hpp"
#include "runtime/waiting.hpp"
#include "runtime/wheel.hpp"

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
struct scope_state;
class receipt_awaiter;
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
  /// Initially off, except in `shielded`. Not a checkpoint. Own loop only.
  void shield(bool on) noexcept { set_shield(on); }
  bool shielded() const noexcept { return boundary::shield; }

  /// Moves the deadline; one that is not in the future cancels at once. No effect after the cancel.
  void deadline_at(time_point t) noexcept;
  /// The same, from now on; no_limit: none.
  void deadline_in(clock_duration d) noexcept;
  /// time_point::max(): none.
  time_point deadline() const noexcept override { return deadline_; }

  class handle;
  /// For others, on any loop or thread: stays valid after the scope's end.
  handle remote();

protected:
  cancel_scope(detail::task_run& r, bool hidden) noexcept;
  ~cancel_scope();
  cancel_scope(const cancel_scope&) = delete;
  void open(time_point now);
  void close(bool stopped) noexcept;
  detail::boundary& as_boundary() noexcept { return *this; }

  detail::task_run& run_;
  time_point deadline_ = time_point::max();

private:
  void arm() noexcept;
  std::vector<cancel_reason> reasons_;
  detail::scope_state* state_ = nullptr; // made by remote()
};

/// Cancels a scope from anywhere. Copyable, weak, any thread; does nothing once the scope has
/// ended.
class cancel_scope::handle {
public:
  handle() noexcept = default;
  handle(const handle& o) noexcept;
  handle(handle&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
  handle& operator=(handle o) noexcept {
    std::swap(state_, o.state_);
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
  explicit handle(detail::scope_state* s) noexcept : state_(s) {} // takes over one reference
  detail::scope_state* state_ = nullptr;
};

/// Thrown by fail_after and fail_at (Trio's TooSlowError).
class too_slow final : public std::system_error {
public:
  explicit too_slow(const std::string& what);
};

namespace detail {

template <class F, bool TakesScope> struct scope_body {
  using type = std::invoke_result_t<F&>;
};
template <class F> struct scope_body<F, true> {
  using type = std::invoke_result_t<F&, cancel_scope&>;
};

/// When a scope's time is up: a span from its start, or a point.
struct scope_limit {
  clock_duration in = no_limit;
  time_point at = time_point::max();
  bool relative = true;
  time_point from(time_point now) const noexcept { return relative ? later(now, in) : at; }
};

/// What is given for a body that was stopped.
enum class give : std::uint8_t {
  maybe, // the value or nothing; of a task<>: whether it was completed
  must,  // the value, or too_slow is thrown
};

template <class T> struct or_nothing {
  using type = std::optional<T>;
};
template <> struct or_nothing<void> {
  using type = bool;
};

[[noreturn]] void fail_too_slow(const scope_limit& l, std::source_location where);

template <class F, give G> class scope_awaiter final : cancel_scope {
  static constexpr bool takes_scope = std::is_invocable_v<F&, cancel_scope&>;
  using body_task = typename scope_body<F, takes_scope>::type;
  using value = typename task_value<body_task>::type;
  using given = std::conditional_t<G == give::maybe, typename or_nothing<value>::type, value>;

public:
  scope_awaiter(task_run& r, scope_limit l, bool shield, F f, std::source_location where) noexcept
      : cancel_scope(r, shield), limit_(l), where_(where), f_(static_cast<F&&>(f)) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) {
    const auto now = run_.now();
    deadline_ = limit_.from(now);
    open(now);
    if constexpr (takes_scope)
      body_.begin(f_(static_cast<cancel_scope&>(*this)), run_);
    else
      body_.begin(f_(), run_);
  }
  given await_resume() {
    if constexpr (G == give::must) {
      if (!body_) fail_too_slow(limit_, where_);
      return body_.take();
    } else if constexpr (std::is_void_v<value>) {
      if (!body_) return false;
      body_.take();
      return true;
    } else {
      if (!body_) return {};
      return body_.take();
    }
  }

private:
  void complete(bool stopped) override {
    close(stopped);
    run_.go_on(as_boundary());
  }
  scope_limit limit_;
  std::source_location where_;
  F f_;
  body_of<value> body_;
};

template <class F, give G> class scope_op {
public:
  scope_op(scope_limit l, bool shield, F f, std::source_location where) noexcept
      : limit_(l), shield_(shield), where_(where), f_(static_cast<F&&>(f)) {}
  scope_awaiter<F, G> bind(task_run& r) noexcept {
    return {r, limit_, shield_, static_cast<F&&>(f_), where_};
  }

private:
  scope_limit limit_;
  bool shield_;
  std::source_location where_;
  F f_;
};

} // namespace detail

/// Runs `f()` or `f(cancel_scope&)`, which returns task<T>, for at most `limit`: then its value, or
/// nullopt if it was stopped; for task<>, true or false. A limit of zero or less stops it at its
/// first checkpoint. A stop that comes from further out passes through. The body is a checkpoint if
/// it has one.
template <class F>
[[nodiscard]] auto move_on_after(clock_duration limit, F&& f,
                                 std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::scope_op<F, detail::give::maybe>({.in = limit}, false, std::forward<F>(f), where);
}
/// The same, until the loop's clock reads `t`; a time in the past stops it at its first checkpoint.
template <class F>
[[nodiscard]] auto move_on_at(time_point t, F&& f,
                              std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::scope_op<F, detail::give::maybe>({.at = t, .relative = false}, false,
                                                  std::forward<F>(f), where);
}
/// Its value, or `too_slow` is thrown if the scope was stopped, by its deadline or by hand.
template <class F>
[[nodiscard]] auto fail_after(clock_duration limit, F&& f,
                              std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::scope_op<F, detail::give::must>({.in = limit}, false, std::forward<F>(f), where);
}
template <class F>
[[nodiscard]] auto fail_at(time_point t, F&& f,
                           std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::scope_op<F, detail::give::must>({.at = t, .relative = false}, false,
                                                 std::forward<F>(f), where);
}
/// Runs `f()` or `f(cancel_scope&)` unseen by cancels from further out, for at most `limit`, which
/// should be short: a shield without an end keeps a whole tree from ending. Gives what
/// move_on_after gives. The first checkpoint afterwards stops, if there was a cancel meanwhile.
template <class F>
[[nodiscard]] auto shielded(clock_duration limit, F&& f,
                            std::source_location where = std::source_location::current()) {
  CRECHE_NAME_IT(F);
  return detail::scope_op<F, detail::give::maybe>({.in = limit}, true, std::forward<F>(f), where);
}

namespace detail {

class effective_deadline_op {
public:
  class awaiter {
  public:
    explicit awaiter(time_point t) noexcept : t_(t) {}
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    time_point await_resume() const noexcept { return t_; }

  private:
    time_point t_;
  };
  effective_deadline_op() noexcept {}
  awaiter bind(task_run& r) const noexcept { return awaiter(r.effective_deadline()); }
};

} // namespace detail

/// `co_await effective_deadline()`: the earliest deadline of the scopes around, up to the first
/// shield; time_point::min() when a cancel is pending, time_point::max() when there is none. Not a
/// checkpoint (Trio's current_effective_deadline).
[[nodiscard]] inline detail::effective_deadline_op effective_deadline() noexcept { return {}; }

} // namespace creche
