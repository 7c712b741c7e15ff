// nursery_state.hpp: what a nursery decides: events go in, commands come out, nothing else happens.
//
// Rule 1: everything that a nursery decides about its children is decided in this file.
// Rule 2: this file does not know what a child, a message or a timer is made of.
// Invariant: `finish` is commanded once, as the last command, with no child and no body left.
// Pure; any thread, one at a time.
//
// Theory of operation. There is one machine for the nursery and one for each child:
//
//   nursery   open --> draining --> cancelling --> killing --> finished
//   child     running --> draining --> cancelling --> killing --> (forgotten)
//                ^ \________________________________^               ^
//                |  \--> waiting ___________________________________|  (for its restart, for its
//                +---------+  ^                                     |   group, for who it needs)
//                   \--> done +____________________________________|  (transient, completed, and
//                                                                      has a group)
// Both may skip, and never go back. What each event does (c: the child; "-": ignored; "- +1":
// ignored and counted as stale):
//
//   event \ nursery  open                      draining              cancelling, killing finished
//   add              launch; wait, if who it   refused               launch, cancel      refused
//                    needs is not ready                              (and kill)
//   ready            unset its timer; launch   the same              the same            - +1
//                    who needed only that
//   ended, running   *                         report if failure,    report if failure,  - +1
//                                              forget, next stop     forget
//   ended, asked     report if failure,        the same              the same            - +1
//                    forget; escalate if so
//   ended, waiting   - +1                      - +1                  - +1                - +1
//   due, waiting     launch, if who it needs   (none waits)          (none waits)        - +1
//                    is ready
//   due, running     cancel; it has failed,    the same              (no timer)          - +1
//                    for it is not ready
//   due, draining    cancel                    cancel                (no timer)          - +1
//   due, cancelling  kill                      kill                  kill                - +1
//   due, killing     abandon, report; forget   the same              the same            - +1
//   due, of a group  group goes on             (none waits)          (none waits)        - +1
//   due, none        (no timer)                cancel all            kill all            - +1
//   due, otherwise   - +1                      - +1                  - +1                - +1
//   due, too early   wait_until, again         the same              the same            - +1
//   stop_child       those who need c, then c: the same, of c alone  -                   - +1
//                    stop, wait_until;
//                    if waiting: forget
//   cancel_child     those who need c, and c:  the same              -                   - +1
//                    cancel;
//                    if waiting: forget
//   stop             forget who waits, then    -                     -                   -
//                    cancel_body, or stop
//                    of the newest child
//   cancel           cancel_body, cancel all   the same              -                   -
//   kill             cancel, kill_body,        the same              kill_body, kill all -
//                    kill all                                        (- if it kills)
//   body_ended       completed: -              report if failure,    report if failure   - +1
//                    otherwise: escalate       stop of the newest
//   close_when_empty -                         -                     -                   -
//
//   and after every event: finish, once body and children have ended and nothing holds it open.
//
//   * A child that runs and was not asked to end, in an open nursery:
//       its policy restarts it, the budget (its failure domain's, if it has one) admits:
//                                                   report if failure; wait_until, or launch;
//                                                   with a group: wait, and the group goes on
//       the budget does not admit, or no restart:
//         no failure                                forget (with a group, if transient: rest);
//                                                   stop, as auto_shutdown says
//         ignore_failure                            report(ignored), forget; if significant: stop
//         otherwise                                 report(escalated), forget, cancel all
//       A permanent child that completed counts as a failure once the budget does not admit it.
//
// Groups: with one_for_all the siblings of a child that is restarted are its group, with
// rest_for_one those that were started after it (OTP), and always those who need it. Its members
// are stopped, newest first, each after the end of the one before; who is temporary is forgotten;
// when the last has ended, and its wait is over, all are launched, in the order they were added,
// those that were done before, too. It costs one unit of the budget. A member that ends by itself
// meanwhile has only ended early. Who is stopped or cancelled by name leaves the group; who is
// added meanwhile is not in it. A second child that is to be restarted meanwhile adds its group to
// the first, if they have a member in common; else they do not know of each other.
//
// Needs: a child may need older siblings (systemd's After= and Requires= in one). It is launched
// when all of them are ready: when they have said so, or at once, if they are not of those who say
// it; or have completed for good. It restarts with them, and is stopped before them. If one of them
// ends for good in another way, and the nursery goes on, who needs it is stopped, newest first, and
// does not come back.
//
// Phases of a stop: an orderly stop (drain) may take `stop_within`, then the child is cancelled;
// that may take `cancel_within`, then it is killed: shields do not help it any more. Who still
// lives after `limits.kill`, and owns all that it uses, is abandoned: forgotten here, as killed,
// and not restarted, for it still uses what it was given.
// The nursery's own limits hold for the stop as a whole.
//
// An event for a child, or an incarnation of it, that is no more is ignored and counted, whenever
// it comes: that is what a late letter looks like.
#pragma once

#include "runtime/box.hpp"
#include "runtime/clock.hpp"
#include "runtime/outcome.hpp"
#include "runtime/restart.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace creche {

/// What a nursery must know of a child (OTP's child spec without what to run). Many children may
/// share one; it must outlive them.
struct child_rules {
  creche::restart restart = restart::temporary;
  creche::backoff backoff{};
  /// How long an orderly stop waits before it cancels. 0: cancel at once (OTP's brutal_kill);
  /// `no_limit`: for ever (infinity).
  clock_duration stop_within = std::chrono::seconds(5);
  /// How long it may take from its cancel to its end; then it is killed.
  clock_duration cancel_within = no_limit;
  /// How long it may take from its launch until it says that it is ready; then it is cancelled, and
  /// has failed.
  clock_duration ready_within = no_limit;
  bool says_ready = false;     ///< It is not ready before it says so.
  bool owns_all = false;       ///< It borrows from nobody: when a kill does not help, abandon it.
  bool ignore_failure = false; ///< With no restart left, its failure is only counted and reported.
  bool significant = false;    ///< Its end, by itself and for good, counts for auto_shutdown.
  /// Its restarts are a matter of this domain, which has its own budget and backoff.
  failure_domain* domain = nullptr;
};

/// Who is restarted with a child (OTP supervisor's words).
enum class strategy : std::uint8_t {
  one_for_one,  ///< Nobody.
  one_for_all,  ///< All its siblings.
  rest_for_one, ///< Those that were started after it.
};

/// When the end of significant children stops the nursery (OTP 24; there the default is never).
enum class auto_shutdown : std::uint8_t {
  never,
  any, ///< When one of them has ended by itself and for good.
  all, ///< When the last of them has.
};

/// How long each phase of a nursery's stop may take; then the next one begins.
struct stop_limits {
  clock_duration drain = no_limit;  ///< The orderly stop, of all together.
  clock_duration cancel = no_limit; ///< From the cancel to the kill, of all together.
  clock_duration kill = no_limit;   ///< Of each, until who borrows from nobody is abandoned.
};

struct nursery_rules {
  creche::budget budget{};
  creche::strategy strategy = strategy::one_for_one;
  creche::auto_shutdown auto_shutdown = auto_shutdown::any;
  stop_limits limits{};
};

/// What is wrong with these values, as a sentence; empty if nothing is.
std::string_view complaint(const child_rules& r) noexcept;
std::string_view complaint(const stop_limits& l) noexcept;

class nursery_state {
public:
  /// Given again to another child after `forget`; the incarnation tells the two apart.
  using child_id = std::uint32_t;

  /// No child: the body or the nursery in a command, the end of an iteration.
  static constexpr child_id none = 0xffffffff;

  enum class order : std::uint8_t {
    launch,       ///< Run `child` as `incarnation`.
    stop,         ///< Ask it to end in good order.
    cancel,       ///< Cancel it; comes once in an incarnation.
    kill,         ///< End it, shields or not; comes once, after cancel.
    abandon,      ///< It will not end soon: take care of it elsewhere. It is forgotten here.
    wait_until,   ///< Set the child's (none: the nursery's) one timer to `when`, set or not.
    forget_timer, ///< Unset it.
    wait,         ///< The child does not run, and waits for its group, or for who it needs.
    rest,         ///< The child is done; it runs again if its group does.
    forget,       ///< The child is gone; its id may be used again.
    report,       ///< Tell at once that `child` (none: the body) ended as `ended`: see `then`.
    cancel_body,  ///< Cancel the body; comes once.
    kill_body,    ///< The same, after cancel_body.
    finish,       ///< The nursery ends as `ended`. Nothing comes after it.
  };

  /// What follows from a reported end.
  enum class verdict : std::uint8_t {
    restarting, ///< The child is launched again at `when`.
    ignored,    ///< Nothing: it was asked for by `ignore_failure`.
    escalated,  ///< It ends the nursery.
    collected,  ///< The nursery was about to end anyway, and now ends as failed.
  };

  struct command {
    order what;
    how ended = how::completed;         ///< report, finish
    verdict then = verdict::restarting; ///< report
    bool over_budget = false;           ///< report: its policy asked for a restart
    child_id child = none;              ///< all but those of the body and finish
    std::uint32_t incarnation = 0;      ///< the same: the one that is meant, or the last
    time_point when{};                  ///< wait_until, report(restarting)
  };

  /// Events append to a vector that the caller may use again and again. A caller carries out all
  /// commands of an event before it hands in the next one, or keeps to the order of the list.
  using commands = std::vector<command>;

  enum class phase : std::uint8_t { open, draining, cancelling, killing, finished };
  enum class child_phase : std::uint8_t {
    gone,       ///< No such child.
    running,    ///< Launched, not asked to end by name.
    waiting,    ///< For its restart, its group, or who it needs.
    done,       ///< Completed; runs again if its group does.
    draining,   ///< Asked to end in good order.
    cancelling, ///< Cancelled, not ended yet.
    killing,    ///< Killed, not ended yet.
  };

  /// Chance, for the jitter: a number from [0, 1]. None: always 0.
  using random_function = double (*)(void*);

  /// Without a body the nursery stays open while empty, until it is stopped, cancelled or told to
  /// close_when_empty.
  nursery_state(const nursery_rules& rules, bool has_body, random_function random = nullptr,
                void* random_arg = nullptr);

  // ---- events

  /// A new child, the newest, which needs the children `needs`; nullopt when the nursery is closed.
  /// `rules` must outlive the child. REQUIRES: who is needed lives, and is named once.
  [[nodiscard]] std::optional<child_id> add(const child_rules& rules, time_point now, commands& out,
                                            std::span<const child_id> needs = {});

  /// An incarnation says that it is ready. Of those who say it; once.
  void ready(child_id child, std::uint32_t incarnation, time_point now, commands& out);

  /// An incarnation of a child ended (or could not be launched). `observed`: somebody monitors the
  /// child; with no restart left its failure is ignored, as by ignore_failure.
  void ended(child_id child, std::uint32_t incarnation, how h, time_point now, commands& out,
             bool observed = false);

  /// The timer went off that was set for a child in this incarnation, or for the nursery (none).
  void due(child_id child, std::uint32_t incarnation, time_point now, commands& out);

  /// Somebody wants this child to end, in good order or at once.
  void stop_child(child_id child, time_point now, commands& out);
  void cancel_child(child_id child, time_point now, commands& out);

  /// The orderly stop: the body, then the children, newest first, each after the end of the one
  /// before and within its `stop_within`. Idempotent.
  void stop(time_point now, commands& out);

  /// Everything at once, newest first. Idempotent; children added later are cancelled as well.
  void cancel(time_point now, commands& out);

  /// The same, and nobody's shield holds. Idempotent.
  void kill(time_point now, commands& out);

  void body_ended(how h, time_point now, commands& out);

  /// A nursery without a body ends as if its body had completed.
  void close_when_empty(time_point now, commands& out);

  /// Room for so many children without slack.
  void expect(std::size_t children) { rows_.reserve(children); }

  // ---- queries

  phase current_phase() const noexcept { return phase_; }
  bool body_is_live() const noexcept { return body_live_; }
  std::size_t live() const noexcept { return live_; }

  child_phase phase_of(child_id child) const noexcept;
  /// Grows from launch to launch, also when an id is given to another child; 0 if there is none.
  std::uint32_t incarnation(child_id child) const noexcept;
  /// That of the child's first launch: with the id, it names one child for ever.
  std::uint32_t first_incarnation(child_id child) const noexcept;
  std::uint32_t restarts(child_id child) const noexcept;
  std::uint32_t failures_in_a_row(child_id child) const noexcept;
  /// The next launch of a child that waits for it, and not for others.
  std::optional<time_point> next_launch(child_id child) const noexcept;
  /// It was cancelled because it was not ready in time: its end is a failure.
  bool is_late(child_id child) const noexcept;
  /// Whoever it waits for and needs; the first that is not ready, or none.
  child_id waits_for(child_id child) const noexcept;
  /// When the present phase of a child's stop, or of the nursery's (none), ends in the next one.
  std::optional<time_point> phase_ends(child_id child) const noexcept;

  /// Iteration in start order: `for (auto c = n.first(); c != n.none; c = n.next(c))`.
  child_id first() const noexcept { return oldest_; }
  child_id last() const noexcept { return newest_; }
  child_id next(child_id child) const noexcept;

  struct counters {
    std::uint64_t added = 0, refused = 0, restarted = 0, failed = 0, ignored = 0, stale = 0;
    std::uint64_t killed = 0, abandoned = 0; // by the nursery
  };
  counters counts() const noexcept {
    auto c = seen().counts;
    c.added = added_;
    return c;
  }
  const creche::budget& budget() const noexcept { return seen().window.budget(); }
  creche::strategy strategy() const noexcept { return strategy_; }
  creche::auto_shutdown auto_shutdown() const noexcept { return auto_shutdown_; }
  const stop_limits& limits() const noexcept { return seen().limits; }
  /// The orderly stop took longer than `limits.drain`.
  bool overran() const noexcept { return overran_; }

private:
  struct row {
    const child_rules* rules;
    time_point at;         // timed: when its timer goes off; running: since when it is ready
    child_id older, newer; // neighbours in start order; `newer` links the free rows, too
    std::uint32_t incarnation;
    std::uint32_t born; // the first incarnation of this child
    std::uint32_t group;
    std::uint16_t failures; // in a row
    child_phase phase : 3;
    bool timed : 1;   // its timer is set
    bool grouped : 1; // running, draining, cancelling: to be stopped; waiting: to be launched
    bool leaves : 1;  // grouped, and does not come back
    bool in_turn : 1; // the group waits for its end before it stops the next one
    bool unready : 1; // running: has to say that it is ready
    bool late : 1;    // cancelling: because it did not
    bool fresh : 1;   // was never launched
    bool needs : 1, needed : 1;
    bool marked : 1; // by mark_who_needs
  };
  static_assert(sizeof(row) <= 40, "every connection has some");

  struct need {
    child_id child, of;
  };

  // Who restarts together, or stops before one that was stopped by name.
  struct group {
    std::uint32_t ends = 0;   // members that are to end
    std::uint32_t waits = 0;  // that have ended, and wait
    std::uint32_t timers = 0; // of those, who waits for a time
    std::uint32_t turns = 0;  // who was told to end, and is waited for before the next one is told
    child_id next = none;     // nobody newer is left to be told
    bool idle() const noexcept { return ends == 0 && waits == 0 && turns == 0; }
  };

  // What most nurseries never have; every connection is one.
  struct seldom {
    restart_window window{creche::budget{}};
    stop_limits limits{};
    counters counts;         // all but `added`
    time_point at{};         // when the nursery's timer goes off, if it is set
    std::vector<need> needs; // in start order
    std::vector<group> groups;
  };
  struct owned_seldom : detail::box<seldom> { // a table is a value, copied as one
    owned_seldom() = default;
    owned_seldom(const owned_seldom& o) : box(o ? new seldom(*o) : nullptr) {}
    owned_seldom& operator=(const owned_seldom& o) {
      if (this != &o) reset(o ? new seldom(*o) : nullptr);
      return *this;
    }
  };
  static const seldom nothing_seldom;
  const seldom& seen() const noexcept { return seldom_ ? *seldom_ : nothing_seldom; }
  seldom& had() {
    if (!seldom_) seldom_.reset(new seldom);
    return *seldom_;
  }

  row* find(child_id child) noexcept;
  const row* find(child_id child) const noexcept;
  bool is_stale(bool stale);

  void set_timer(child_id child, row& r, time_point when, commands& out);
  void clear_timer(child_id child, row& r, commands& out);
  void set_timer(clock_duration limit, time_point now, commands& out);
  void clear_timer(commands& out);

  void launch(child_id child, row& r, time_point now, commands& out);
  void relaunch(child_id child, row& r, time_point now, commands& out);
  bool restart(child_id child, row& r, how h, time_point now, commands& out);
  static void say_restarting(commands& out, child_id child, const row& r, how h, time_point when);
  void report(child_id child, const row* r, how h, verdict then, bool over_budget, commands& out);
  void stop_row(child_id child, row& r, time_point now, commands& out);
  void cancel_row(child_id child, row& r, time_point now, commands& out);
  void kill_row(child_id child, row& r, time_point now, commands& out);
  void forget(child_id child, row& r, commands& out);
  bool is_last_significant() const noexcept;

  void begin_group(child_id child, row& r, time_point next, time_point now, commands& out);
  std::uint32_t new_group();
  void merge_groups(std::uint32_t to, std::uint32_t from) noexcept;
  void join_group(std::uint32_t g, child_id child, row& r, commands& out);
  void leave_group(row& r) noexcept;
  void stop_with_group(std::uint32_t g, row& r) noexcept;
  void go_on_with_group(std::uint32_t g, time_point now, commands& out);
  void go_on_with_groups(time_point now, commands& out);
  void forget_idle(time_point now, commands& out);

  bool is_ready(child_id child) const noexcept;
  bool has_its_needs(child_id child) const noexcept;
  void wait_for_needs(child_id child, row& r, commands& out);
  void launch_who_waits(time_point now, commands& out);
  void mark_who_needs(child_id child) noexcept;
  std::uint32_t stop_who_needs(child_id child, time_point now, commands& out);
  void forget_needs(child_id child, const row& r);

  void cancel_body(commands& out);
  void cancel_all(time_point now, commands& out);
  void kill_all(time_point now, commands& out);
  void begin_stop(time_point now, commands& out);
  void stop_newest(time_point now, commands& out);
  void finish_if_done(time_point now, commands& out);

  std::vector<row> rows_;
  child_id free_ = none, oldest_ = none, newest_ = none;
  std::uint32_t live_ = 0, waiting_ = 0, done_ = 0, significant_ = 0;
  phase phase_ = phase::open;
  bool timed_ = false; // the nursery's timer is set
  bool overran_ = false;
  bool has_body_, body_live_, body_told_ = false;
  bool held_open_;             // no body, and nobody asked for the end
  bool was_cancelled_ = false; // by cancel(), or by a body that ended so
  bool saw_cancelled_ = false; // somebody ended as cancelled since then
  bool failed_ = false;
  random_function random_;
  void* random_arg_;
  creche::strategy strategy_;
  creche::auto_shutdown auto_shutdown_;
  std::uint64_t added_ = 0;
  owned_seldom seldom_;
};

std::string_view to_text(strategy s) noexcept;
std::string_view to_text(auto_shutdown a) noexcept;
std::string_view to_text(nursery_state::order o) noexcept;
std::string_view to_text(nursery_state::verdict v) noexcept;
std::string_view to_text(nursery_state::phase p) noexcept;
std::string_view to_text(nursery_state::child_phase p) noexcept;

} // namespace creche
