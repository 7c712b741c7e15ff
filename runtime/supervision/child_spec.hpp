// child_spec.hpp: a child as data: a name, a callable with its arguments, and what to do when it
// ends.
//
//     child_spec("db", serve_db, pool).restart(restart::permanent).stop_within(2s)
//
// One thread at a time.
#pragma once

#include "runtime/supervision/ready.hpp"
#include "runtime/supervision/rules.hpp"
#include "runtime/task/task.hpp"

#include <cstdint>
#include <string_view>
#include <utility>

namespace creche {

namespace detail {
class plan;
class start_awaiter_base;
template <class F, class... A> class task_plan;
} // namespace detail

/// Where a child runs.
enum class placement : std::uint8_t {
  here,     ///< On its nursery's loop: it may borrow what outlives the nursery.
  any_loop, ///< On the loop with the fewest actors: it must own all that it uses.
};

/// What becomes of messages that wait for a task when it is restarted, or are sent while it waits
/// for that. The one that it had received when it failed is gone in any case.
enum class restart_mail : std::uint8_t {
  drop,             ///< They are dropped, and counted as undelivered.
  keep,             ///< The next incarnation finds them, in their order.
  return_to_sender, ///< Dropped; a task that sent one receives `returned<M>`.
};

/// Movable; used up by start() and start_ready(): then it is empty, has no name, and may only be
/// assigned to or destroyed; a setter throws std::logic_error.
class [[nodiscard]] child_spec {
public:
  /// `f(args...)` returns task<>. It is called once per incarnation, with the spec's own copies of
  /// the arguments; `f(ready<R>, args...)` tells its starter when it is ready.
  template <class F, class... A> child_spec(std::string_view name, F body, A... args);
  explicit child_spec(detail::plan* plan) noexcept : plan_(plan) {} // takes it over
  child_spec(const child_spec&) = delete; // a spec is started once: n.start(std::move(spec))
  child_spec(child_spec&& other) noexcept : plan_(std::exchange(other.plan_, nullptr)) {}
  child_spec& operator=(child_spec&& other) noexcept {
    std::swap(plan_, other.plan_);
    return *this;
  }
  ~child_spec();

  child_spec&& restart(creche::restart policy) &&;
  child_spec&& backoff(creche::backoff wait) &&;
  /// How long an orderly stop waits for it before it is cancelled.
  child_spec&& stop_within(time_span limit) &&;
  /// How long it may take from its cancel to its end; then it is killed: its shields and clean-ups
  /// hold no longer, and it ends as killed, which is a failure. For ever, if nothing is said.
  child_spec&& cancel_within(time_span limit) &&;
  /// How long each incarnation may take to call its ready<R>; then it is cancelled and has failed,
  /// as errc::timed_out. Siblings do not wait for it. More than 0; only for a child that takes a
  /// ready<R>. For ever, if nothing is said.
  child_spec&& ready_within(time_span limit) &&;
  /// It needs these siblings (systemd's After= and Requires=): it is launched when they are ready,
  /// restarted with them, and stopped before them. If one ends for good, other than by completing,
  /// it is stopped for good, too. Names of children that live, or of the same start_all.
  template <class... Names> child_spec&& after(const Names&... names) && {
    return (add_need(names), ...), std::move(*this);
  }
  /// Its restarts are a matter of this domain, in place of its backoff and its nursery's budget.
  /// The domain must outlive the child.
  child_spec&& domain(failure_domain& shared) &&;
  /// What becomes of its messages when it is restarted.
  child_spec&& on_restart(restart_mail choice) &&;
  /// Its failure is counted and shown, and ends nothing.
  child_spec&& ignore_failure() &&;
  /// Its end, by itself and for good, stops the nursery, as its auto_shutdown says. Not for
  /// permanent children, and not where auto_shutdown is never: start refuses that.
  child_spec&& significant() &&;
  /// How many messages may wait for it, at least 1; more are shed. 1024 if nothing is said.
  child_spec&& mailbox_limit(std::uint32_t messages) &&;
  /// How many bytes of messages may wait for it; more are shed, but for a message that finds an
  /// empty mailbox. A message weighs what its `weight()`, or a `weight(message)` beside its type,
  /// says; a string or a vector counts its elements; else its size. 16 MiB if nothing is said;
  /// 16 GiB at most.
  child_spec&& mailbox_bytes(std::size_t bytes) &&;
  child_spec&& on(placement place) &&;

  std::string_view name() const noexcept;
  explicit operator bool() const noexcept { return plan_ != nullptr; }

private:
  friend class nursery;
  friend class detail::start_awaiter_base;
  friend child_spec with_caf_mail(child_spec);
  detail::plan& made() const; // throws when it is used up
  void add_need(std::string_view sibling);
  detail::plan* release() noexcept { return std::exchange(plan_, nullptr); }
  detail::plan* plan_; // null once used up
};

} // namespace creche

#include "runtime/supervision/detail/plan.hpp"
