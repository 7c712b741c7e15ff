// child.hpp: what a nursery is told about a child, and the handle by which others know it.
//
// child_spec is data: a name, a callable with its arguments, and what to do when it ends. child is
// weak: it keeps nobody alive, may be copied to any thread, and stays valid after the child's end
// and across its restarts.
#pragma once

#include "runtime/failure.hpp"
#include "runtime/mail.hpp"
#include "runtime/nursery_state.hpp"
#include "runtime/task.hpp"
#include "runtime/waiting.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace creche {

namespace internal {
class child_actor;
class loop;
class nursery_actor;
struct child_access;
struct child_record;
} // namespace internal

/// How a child, a body or a run ended; `why` is set for `failed` and `killed`, and for `cancelled`
/// if somebody gave a reason.
struct outcome {
  how kind = how::completed;
  std::optional<failure> why;
};

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
  return_to_sender, ///< Dropped, and who sent one from a task receives `returned<M>`.
};

namespace detail {

class request_base;
class start_awaiter_base;

// What a child that takes a ready<R> answers through: shared with the child, filled once.
struct ready_slot;
bool ready_once(ready_slot*) noexcept;     // false when it was used already
void* ready_storage(ready_slot*) noexcept; // null when nobody waits
void ready_done(ready_slot*) noexcept;
void ready_hold(ready_slot*) noexcept;
void ready_drop(ready_slot*) noexcept;

class ready_base {
public:
  ready_base(const ready_base& o) noexcept : slot_(o.slot_) { ready_hold(slot_); }
  ready_base& operator=(const ready_base&) = delete;
  ~ready_base() { ready_drop(slot_); }

protected:
  explicit ready_base(ready_slot* s) noexcept : slot_(s) { ready_hold(s); }
  ready_slot* slot_;
};

} // namespace detail

/// Handed to a child as its first argument: called once in an incarnation, when it is ready, with
/// what its starter waits for, if anybody does. Until then it is shown as starting, `ready_within`
/// runs, and siblings that are `.after` it wait. Further calls do nothing. The child's loop only.
template <class R> class ready : detail::ready_base {
public:
  void operator()(R value) const {
    if (!detail::ready_once(slot_)) return;
    if (void* at = detail::ready_storage(slot_))
      new (at) std::optional<R>(std::in_place, std::move(value));
    detail::ready_done(slot_);
  }

private:
  friend struct any_ready;
  explicit ready(detail::ready_slot* s) noexcept : ready_base(s) {}
};
template <> class ready<void> : detail::ready_base {
public:
  void operator()() const {
    if (detail::ready_once(slot_)) detail::ready_done(slot_);
  }

private:
  friend struct any_ready;
  explicit ready(detail::ready_slot* s) noexcept : ready_base(s) {}
};

/// Becomes the ready<R> that a child's first parameter asks for.
struct any_ready {
  detail::ready_slot* slot = nullptr;
  template <class R> operator ready<R>() const noexcept { return ready<R>(slot); }
};

namespace detail {

[[noreturn]] void fail_empty_spec();

/// What a child_spec holds: how to make one incarnation after another.
class plan {
public:
  std::string name;
  child_rules rules;
  placement where = placement::here;
  internal::loop* home = nullptr; // of the incarnations; set at the start
  bool wants_ready = false;
  restart_mail on_restart = restart_mail::drop;
  std::uint32_t mailbox = default_mailbox; // messages
  std::vector<std::string> after;          // names of siblings

  /// What a task makes of a message of CAF's; null: nothing. See caf.hpp.
  mail* (*of_caf)(void* element) = nullptr;

  static constexpr std::uint32_t default_mailbox = 1024;
  plan() = default;
  plan(const plan&) = delete;
  virtual ~plan() = default;
  /// The body of the next incarnation; runs on the child's loop.
  virtual task<> body(ready_slot* slot) = 0;
  /// The actor of the next incarnation; the default makes a task around body().
  virtual internal::child_actor* make(internal::child_record& record);
  /// No incarnation will come: drops the callable and what it owns, on the nursery's loop and not
  /// where the last handle happens to die.
  virtual void let_go() noexcept {}
};

template <class F, class... A> class task_plan final : public plan {
public:
  static constexpr bool with_ready = std::is_invocable_v<F&, any_ready, A&...>;
  static_assert(with_ready || std::is_invocable_v<F&, A&...>,
                "the child's function does not take these arguments; it is called once per "
                "incarnation, with the spec's own copies as lvalues");

  template <class G, class... B>
  explicit task_plan(G&& f, B&&... b)
      : call_(std::in_place, std::forward<G>(f), std::forward<B>(b)...) {
    wants_ready = with_ready;
  }
  task<> body([[maybe_unused]] ready_slot* slot) override {
    return std::apply(
        [&](auto&... a) {
          if constexpr (with_ready)
            return call_->f(any_ready{slot}, a...);
          else
            return call_->f(a...);
        },
        call_->args);
  }
  void let_go() noexcept override { call_.reset(); }

private:
  struct call {
    F f;
    std::tuple<A...> args;
    template <class G, class... B>
    explicit call(G&& g, B&&... b) : f(std::forward<G>(g)), args(std::forward<B>(b)...) {}
  };
  std::optional<call> call_;
};

} // namespace detail

/// A child as data. Movable; used up by start() and start_ready(): then it is empty, has no name,
/// and may only be assigned to or destroyed; a setter throws std::logic_error.
class [[nodiscard]] child_spec {
public:
  /// `f(args...)` returns task<>. It is called once per incarnation, with the spec's own copies of
  /// the arguments; `f(ready<R>, args...)` tells its starter when it is ready.
  template <class F, class... A>
  child_spec(std::string_view name, F f, A... args)
      : plan_(new detail::task_plan<F, A...>(std::move(f), std::move(args)...)) {
    plan_->name = name;
  }
  explicit child_spec(detail::plan* p) noexcept : plan_(p) {} // takes it over
  child_spec(child_spec&& o) noexcept : plan_(std::exchange(o.plan_, nullptr)) {}
  child_spec& operator=(child_spec&& o) noexcept {
    std::swap(plan_, o.plan_);
    return *this;
  }
  ~child_spec() { delete plan_; }

  child_spec&& restart(creche::restart r) && { return made().rules.restart = r, std::move(*this); }
  child_spec&& backoff(creche::backoff b) && { return made().rules.backoff = b, std::move(*this); }
  /// How long an orderly stop waits for it before it is cancelled.
  child_spec&& stop_within(clock_duration d) && {
    return made().rules.stop_within = d, std::move(*this);
  }
  /// How long it may take from its cancel to its end; then it is killed: its shields and clean-ups
  /// hold no longer, and it ends as killed, which is a failure. For ever, if nothing is said.
  child_spec&& cancel_within(clock_duration d) && {
    return made().rules.cancel_within = d, std::move(*this);
  }
  /// How long each incarnation may take to call its ready<R>; then it is cancelled and has failed,
  /// as errc::timed_out. Siblings do not wait for it. More than 0; only for a child that takes a
  /// ready<R>. For ever, if nothing is said.
  child_spec&& ready_within(clock_duration d) && {
    return made().rules.ready_within = d, std::move(*this);
  }
  /// It needs these siblings (systemd's After= and Requires=): it is launched when they are ready,
  /// restarted with them, and stopped before them. If one ends for good, other than by completing,
  /// it is stopped for good, too. Names of children that live, or of the same start_all.
  template <class... Names> child_spec&& after(const Names&... names) && {
    return (made().after.emplace_back(names), ...), std::move(*this);
  }
  /// Its restarts are a matter of this domain, in place of its backoff and its nursery's budget.
  /// The domain must outlive the child.
  child_spec&& domain(failure_domain& d) && { return made().rules.domain = &d, std::move(*this); }
  /// What becomes of its messages when it is restarted.
  child_spec&& on_restart(restart_mail m) && { return made().on_restart = m, std::move(*this); }
  /// Its failure is counted and shown, and ends nothing.
  child_spec&& ignore_failure() && { return made().rules.ignore_failure = true, std::move(*this); }
  /// Its end, by itself and for good, stops the nursery, as its auto_shutdown says. Not for
  /// permanent children, and not where auto_shutdown is never: start refuses that.
  child_spec&& significant() && { return made().rules.significant = true, std::move(*this); }
  /// How many messages may wait for it; more are shed. 1024 if nothing is said.
  child_spec&& mailbox_limit(std::uint32_t n) && { return made().mailbox = n, std::move(*this); }
  child_spec&& on(placement p) && { return made().where = p, std::move(*this); }

  std::string_view name() const noexcept { return plan_ ? plan_->name : std::string_view(); }
  explicit operator bool() const noexcept { return plan_ != nullptr; }

private:
  friend class nursery;
  friend class detail::start_awaiter_base;
  friend child_spec with_caf_mail(child_spec);
  detail::plan& made() const {
    if (!plan_) detail::fail_empty_spec();
    return *plan_;
  }
  detail::plan* release() noexcept { return std::exchange(plan_, nullptr); }
  detail::plan* plan_; // null once used up
};

/// What became of what was sent to a child, by all its incarnations. What was sent when it had
/// ended is in the system's ledger only.
struct child_statistics {
  std::uint32_t handled = 0;     ///< messages that its task received
  std::uint32_t failed = 0;      ///< letters whose handler threw
  std::uint32_t unhandled = 0;   ///< messages that it did not understand
  std::uint32_t undelivered = 0; ///< what waited when an incarnation ended, on the data lane
  std::uint32_t restarts = 0;
};

/// The logical child, across its restarts. Any thread.
class child {
public:
  child() noexcept = default;
  child(const child& o) noexcept;
  child(child&& o) noexcept : record_(std::exchange(o.record_, nullptr)) {}
  child& operator=(child o) noexcept {
    std::swap(record_, o.record_);
    return *this;
  }
  ~child();
  explicit operator bool() const noexcept { return record_ != nullptr; }

  std::string_view name() const noexcept;
  /// For good; but a transient child that completed under one_for_all or rest_for_one lives again
  /// if its group restarts. Until then it counts as ended, here as in wait() and result().
  bool ended() const noexcept;
  /// How it ended; nullopt while it lives or waits for a restart.
  std::optional<outcome> result() const;
  std::uint32_t restarts() const noexcept;
  child_statistics statistics() const noexcept;

  /// Puts a message into its mailbox, for its task to receive<M>(). Never waits, never throws but
  /// for memory or M's own reasons. Messages of one sender arrive in order. What waits when the
  /// task ends is dropped and counted; when it restarts, see restart_mail. Not a checkpoint.
  template <class M> send_result send(M&& message) const {
    using type = std::decay_t<M>;
    static_assert(alignof(type) <= 16, "a message is kept in the pool, aligned to 16");
    if constexpr (!detail::is_returned<type>) {
      if (returns_mail())
        return send_mail(*new detail::mail_with_sender<type>(std::forward<M>(message)));
    }
    return send_mail(*new detail::mail_of<type>(std::forward<M>(message)));
  }

  /// Asks its nursery to cancel it. Idempotent; overtakes all data; nothing if it has ended. The
  /// first reason is what its result tells, later ones are causes of it.
  void cancel(std::string_view reason = {},
              std::source_location where = std::source_location::current()) const noexcept;
  /// Asks its nursery to end it in good order: who needs it goes first, and it may take what its
  /// spec says, before it is cancelled. Idempotent. Any thread; not a checkpoint.
  void stop() const noexcept;
  /// Cancels, and waits for the end; says what came of it. Of a handle with a name. Checkpoint; if
  /// it is stopped while it waits, the cancel stands.
  [[nodiscard]] task<receipt>
  cancel_and_wait(std::string reason = {},
                  std::source_location where = std::source_location::current()) const;

  /// Waits for the end of the logical child; returns nothing and never counts as catching its
  /// failure. Checkpoint.
  /// Of a handle with a name only: `co_await n.start(…).wait()` would take an owning lambda through
  /// a co_await expression, which g++ 12 destroys twice.
  [[nodiscard]] detail::wait_op wait() const& noexcept;
  template <class Never = void> detail::wait_op wait() const&&;

private:
  friend class nursery;
  friend class internal::nursery_actor;
  friend struct internal::child_access;
  friend class detail::request_base;
  explicit child(internal::child_record* r) noexcept : record_(r) {} // takes over one reference
  send_result send_mail(detail::mail& m) const noexcept;             // takes it over
  bool returns_mail() const noexcept;
  internal::child_record* record_ = nullptr;
};

template <class Never> detail::wait_op child::wait() const&& {
  static_assert(!std::is_void_v<Never>,
                "give the child a name first: auto c = n.start(..); co_await c.wait();");
  return wait();
}

} // namespace creche
