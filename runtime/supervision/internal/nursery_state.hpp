// nursery_state.hpp: what a nursery decides: events go in, commands come out, nothing else happens.
//
// Rule 1: everything that a nursery decides about its children is decided in this class.
// Rule 2: this class does not know what a child, a message or a timer is made of.
// Invariant: `finish` is commanded once, as the last command, with no child and no body left.
// Pure; any thread, one at a time.
//
// Where: nursery_state.cpp has the events, nursery_state_steps.cpp what they do to one child and to
// all, nursery_state_group.cpp children that restart together, nursery_state_needs.cpp children
// that need each other, nursery_state_text.cpp the names.
//
// Theory of operation. There is one machine for the nursery and one for each child:
//
//   nursery   open --> draining --> cancelling --> killing --> finished
//   child     running --> draining --> cancelling --> killing --> (forgotten)
//                ^ \________________________________^               ^
//                |  \--> waiting ___________________________________|  (for its restart, for its
//                +---------+  ^                                     |   group, for what it needs)
//                   \--> done +____________________________________|  (transient, completed, and
//                                                                      has a group)
// Both may skip, and never go back. What each event does (c: the child; "-": ignored; "- +1":
// ignored and counted as stale):
//
//   event \ nursery  open                      draining              cancelling, killing finished
//   add              launch; wait, if what it  refused               launch, cancel      refused
//                    needs is not ready                              (and kill)
//   ready            unset its timer; launch   the same              the same            - +1
//                    those that needed only it
//   starter_left     as cancel_child; it can   the same              the same            - +1
//                    no longer become ready
//   ended, running   *                         report if failure,    report if failure,  - +1
//                                              forget, next stop     forget
//   ended, asked     report if failure,        the same              the same            - +1
//                    forget; escalate if so
//   ended, waiting   - +1                      - +1                  - +1                - +1
//   due, waiting     launch, if what it needs  (none waits)          (none waits)        - +1
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
//   stop_child       those that need c, then   the same, of c alone  -                   - +1
//                    c: stop, wait_until;
//                    if waiting: forget
//   cancel_child     those that need c, and c: the same              -                   - +1
//                    cancel;
//                    if waiting: forget
//   stop             forget those that wait,   -                     -                   -
//                    then cancel_body, or stop
//                    of the newest child
//   cancel           cancel_body, cancel all   the same              -                   -
//   kill             cancel, kill_body,        the same              kill_body, kill all -
//                    kill all                                        (- if it kills)
//   body_ended       completed: -              report if failure,    report if failure   - +1
//                    otherwise: escalate       stop of the newest
//
//   and after every event: finish, once body and children have ended.
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
// What an end counts as. A child that was late (not ready in time) has failed, however it ended. A
// child or a body that failed because this nursery, which no longer is open, refused it a sibling,
// was cancelled. A child whose starter waits until it is ready, and that ends before it is, belongs
// to its starter: it leaves its group, is not restarted, and is no failure here.
//
// Groups: with one_for_all the siblings of a child that is restarted are its group, with
// rest_for_one those that were started after it (OTP), and always those that need it. Its members
// are stopped, newest first, each after the end of the one before; temporary ones are forgotten;
// when the last has ended, and its wait is over, all are launched, in the order they were added,
// those that were done before, too. It costs one unit of the budget. A member that ends by itself
// meanwhile has only ended early. A child that is stopped or cancelled by name leaves the group; a
// child that is added meanwhile is not in it. A second child that is to be restarted meanwhile adds
// its group to the first, if they have a member in common; else they do not know of each other.
//
// Needs: a child may need older siblings (systemd's After= and Requires= in one). It is launched
// when all of them are ready: when they have said so, or at once, if they are not of those that say
// it; or have completed for good. It restarts with them, and is stopped before them. If one of them
// ends for good in another way, and the nursery goes on, those that need it are stopped, newest
// first, and do not come back.
//
// Phases of a stop: an orderly stop (drain) may take `stop_within`, then the child is cancelled;
// that may take `cancel_within`, then it is killed: shields do not help it any more. A child that
// still lives after `limits.kill`, and owns all that it uses, is abandoned: forgotten here, as
// killed, and not restarted, for it still uses what it was given.
// The nursery's own limits hold for the stop as a whole.
//
// An event for a child, or an incarnation of it, that is no more is ignored and counted, whenever
// it comes: that is what a late letter looks like.
#pragma once

#include "runtime/memory/box.hpp"
#include "runtime/supervision/detail/restart_window.hpp"
#include "runtime/supervision/rules.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace creche {

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
    wait,         ///< The child does not run, and waits for its group, or for what it needs.
    rest,         ///< The child is done; it runs again if its group does.
    forget,       ///< The child is gone, as `ended`; its id may be used again.
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
    how ended = how::completed;         ///< report, forget, finish
    verdict then = verdict::restarting; ///< report
    bool over_budget = false;           ///< report: its policy asked for a restart
    bool spends = false;                ///< the first of a restart that cost a unit of a budget
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
    waiting,    ///< For its restart, its group, or what it needs.
    done,       ///< Completed; runs again if its group does.
    draining,   ///< Asked to end in good order.
    cancelling, ///< Cancelled, not ended yet.
    killing,    ///< Killed, not ended yet.
  };

  /// What is known of an end.
  struct ending {
    constexpr ending(how way) noexcept : kind(way) {}
    how kind;
    bool refused = false;  ///< It failed with this nursery's refusal to start a sibling.
    bool observed = false; ///< Somebody monitors the child: with no restart left, it is ignored.
  };

  /// Chance, for the jitter: a number from [0, 1]. None: always 0.
  using random_function = double (*)(void*);

  explicit nursery_state(const nursery_rules& rules, random_function random = nullptr,
                         void* random_arg = nullptr);

  // ---- events

  /// A new child, the newest, which needs the children `needs`; nullopt when the nursery is closed.
  /// `awaited`: its starter waits until it is ready. `rules` must outlive the child.
  /// REQUIRES: what is needed lives, and is named once.
  [[nodiscard]] std::optional<child_id> add(const child_rules& rules, time_point now, commands& out,
                                            std::span<const child_id> needs = {},
                                            bool awaited = false);

  /// An incarnation says that it is ready. Only for those that say it; once. False if that comes
  /// too late to count.
  bool ready(child_id child, std::uint32_t incarnation, time_point now, commands& out);

  /// An incarnation of a child ended (or could not be launched). Returns what that counts as.
  how ended(child_id child, std::uint32_t incarnation, ending end, time_point now, commands& out);

  /// The timer went off that was set for a child in this incarnation, or for the nursery (none).
  void due(child_id child, std::uint32_t incarnation, time_point now, commands& out);

  /// Somebody wants this child to end, in good order or at once.
  void stop_child(child_id child, time_point now, commands& out);
  void cancel_child(child_id child, time_point now, commands& out);

  /// The starter that waits until it is ready gives up: it is cancelled, and its end is still the
  /// starter's.
  void starter_left(child_id child, time_point now, commands& out);

  /// The orderly stop: the body, then the children, newest first, each after the end of the one
  /// before and within its `stop_within`. Idempotent.
  void stop(time_point now, commands& out);

  /// Everything at once, newest first. Idempotent; children added later are cancelled as well.
  void cancel(time_point now, commands& out);

  /// The same, and no shield holds. Idempotent.
  void kill(time_point now, commands& out);

  /// Returns what that counts as.
  how body_ended(ending end, time_point now, commands& out);

  /// Room for so many children without slack.
  void expect(std::size_t children) { rows_.reserve(children); }

  // ---- queries

  phase current_phase() const noexcept { return phase_; }
  std::size_t live() const noexcept { return live_; }

  child_phase phase_of(child_id child) const noexcept;
  /// Grows from launch to launch, also when an id is given to another child; 0 if there is none.
  std::uint32_t incarnation(child_id child) const noexcept;
  std::uint32_t failures_in_a_row(child_id child) const noexcept;
  /// The next launch of a child that waits for it, and not for others.
  std::optional<time_point> next_launch(child_id child) const noexcept;
  /// It was cancelled because it was not ready in time: its end is a failure.
  bool is_late(child_id child) const noexcept;
  /// The first child that it waits for, needs, and that is not ready; or none.
  child_id waits_for(child_id child) const noexcept;
  /// Those that need it, and those that need them, the newest first. REQUIRES: it lives.
  std::vector<child_id> dependents_of(child_id child);
  /// When the present phase of a child's stop, or of the nursery's (none), ends in the next one.
  std::optional<time_point> phase_ends(child_id child) const noexcept;

  /// Iteration in start order: `for (auto c = n.first(); c != n.none; c = n.next(c))`.
  child_id first() const noexcept { return oldest_; }
  child_id last() const noexcept { return newest_; }
  child_id next(child_id child) const noexcept;

  struct counters {
    std::uint64_t added = 0, refused = 0, restarted = 0, failed = 0, ignored = 0, stale = 0;
    std::uint64_t completed = 0, cancelled = 0; // of those that were forgotten
    std::uint64_t killed = 0, abandoned = 0;    // by the nursery
  };
  counters counts() const noexcept;
  const creche::budget& budget() const noexcept { return rare_or_none().window.budget(); }
  creche::strategy strategy() const noexcept { return strategy_; }
  creche::auto_shutdown auto_shutdown() const noexcept { return auto_shutdown_; }
  const stop_limits& limits() const noexcept { return rare_or_none().limits; }
  /// The orderly stop took longer than `limits.drain`.
  bool overran() const noexcept { return overran_; }

private:
  struct child_row {
    const child_rules* rules;
    time_point at;         // timed: when its timer goes off; running: since when it is ready
    child_id older, newer; // neighbours in start order; `newer` links the free rows, too
    std::uint32_t incarnation;
    std::uint32_t ordinal; // in start order
    std::uint32_t group;
    std::uint16_t failures; // in a row
    child_phase phase : 3;
    bool timed : 1;    // its timer is set
    bool grouped : 1;  // running, draining, cancelling: to be stopped; waiting: to be launched
    bool awaited : 1;  // its starter waits until it is ready
    bool disowned : 1; // and has given up: it is cancelled, and what it says is of no use
    bool leaves : 1;   // grouped, and does not come back
    bool in_turn : 1;  // the group waits for its end before it stops the next one
    bool unready : 1;  // running: has to say that it is ready
    bool late : 1;     // cancelling: because it did not
    bool fresh : 1;    // was never launched
    bool needs : 1, needed : 1; // has needs, has dependents
    bool marked : 1;            // by dependents_of
  };
  static_assert(sizeof(child_row) <= 40, "every connection has some");

  // That `child` needs `of`. In a ring of the child's needs, which begins with one that was not
  // ready when it was last looked at, and in a list of the dependents of `of`, the oldest first.
  struct need {
    child_id child, of;
    std::uint32_t next, previous; // of the child; `next` links the free ones, too
    std::uint32_t next_dependent, previous_dependent;
  };
  struct need_lists { // of one child
    std::uint32_t needs, dependents, last_dependent;
  };

  // Children that restart together, or stop before one that was stopped by name. Each is in one of
  // the lists; those that have left the group, or are gone, may still be there.
  struct restart_group {
    std::uint32_t ends = 0;   // members that are to end
    std::uint32_t waits = 0;  // that have ended, and wait
    std::uint32_t timers = 0; // of those, how many wait for a time
    std::uint32_t turns = 0;  // told to end, and waited for before the next one is told
    bool sorted = true;       // `untold` is
    bool free = false;
    std::vector<child_id> untold; // are to be told to end, the newest last
    std::vector<child_id> told;
    std::vector<child_id> waiting;
    bool idle() const noexcept { return ends == 0 && waits == 0 && turns == 0; }
  };

  // What most nurseries never have; every connection is one.
  struct rare_parts {
    restart_window window{creche::budget{}};
    stop_limits limits{};
    counters counts; // all but those that every nursery has
    time_point at{}; // when the nursery's timer goes off, if it is set
    std::vector<need> needs;
    std::vector<need_lists> lists; // by child
    std::uint32_t free_need = none;
    std::vector<restart_group> groups;
    std::vector<std::uint32_t> free_groups;
    std::vector<std::uint32_t> touched; // groups that may be able to go on
  };
  struct owned_rare_parts : detail::box<rare_parts> { // a table is a value, copied as one
    owned_rare_parts() = default;
    owned_rare_parts(const owned_rare_parts& other)
        : box(other ? new rare_parts(*other) : nullptr) {}
    owned_rare_parts& operator=(const owned_rare_parts& other) {
      if (this != &other) reset(other ? new rare_parts(*other) : nullptr);
      return *this;
    }
  };
  static const rare_parts no_rare_parts;
  const rare_parts& rare_or_none() const noexcept { return rare_ ? *rare_ : no_rare_parts; }
  rare_parts& rare() {
    if (!rare_) rare_.reset(new rare_parts);
    return *rare_;
  }

  child_row* find(child_id child) noexcept;
  const child_row* find(child_id child) const noexcept;
  bool is_stale(bool stale);

  // ---- steps
  void set_timer(child_id child, child_row& row, time_point when, commands& out);
  void clear_timer(child_id child, child_row& row, commands& out);
  void set_timer(clock_duration limit, time_point now, commands& out);
  void clear_timer(commands& out);

  /// What the end counts as; `end` becomes what the nursery acts on.
  how judge(child_row& row, ending& end);
  void launch(child_id child, child_row& row, time_point now, commands& out);
  void relaunch(child_id child, child_row& row, time_point now, commands& out);
  bool restart(child_id child, child_row& row, how end, time_point now, commands& out);
  static void say_restarting(commands& out, child_id child, const child_row& row, how end,
                             time_point when);
  void report(child_id child, const child_row* row, how end, verdict then, bool over_budget,
              commands& out);
  void stop_row(child_id child, child_row& row, time_point now, commands& out);
  void cancel_row(child_id child, child_row& row, time_point now, commands& out);
  void kill_row(child_id child, child_row& row, time_point now, commands& out);
  void rest(child_id child, child_row& row, commands& out);
  void forget(child_id child, child_row& row, how end, commands& out);
  bool is_last_significant() const noexcept;

  void cancel_body(commands& out);
  void cancel_all(time_point now, commands& out);
  void kill_all(time_point now, commands& out);
  void begin_stop(time_point now, commands& out);
  void stop_newest(time_point now, commands& out);
  void finish_if_done(time_point now, commands& out);

  // ---- groups
  void begin_group(child_id child, child_row& row, time_point next, time_point now, commands& out);
  std::uint32_t new_group();
  void merge_groups(std::uint32_t to, std::uint32_t from);
  void join_group(std::uint32_t index, child_id child, child_row& row, commands& out);
  void leave_group(child_row& row);
  void stop_with_group(std::uint32_t index, child_id child, child_row& row);
  void end_turn(child_row& row);
  void go_on_with_group(std::uint32_t index, time_point now, commands& out);
  void stop_next_of(std::uint32_t index, time_point now, commands& out);
  void launch_group(std::uint32_t index, time_point now, commands& out);
  void go_on_with_groups(time_point now, commands& out);
  void forget_idle(time_point now, commands& out);

  // ---- needs
  bool is_ready(child_id child) const noexcept;
  bool needs_are_met(child_id child) noexcept;
  void wait_for_needs(child_id child, child_row& row, commands& out);
  void launch_dependents(child_id child, time_point now, commands& out);
  void launch_waiting(std::vector<child_id> candidates, time_point now, commands& out);
  void add_dependents(child_id child, std::vector<child_id>& to) const;
  std::uint32_t stop_dependents(child_id child, time_point now, commands& out);
  void add_need(child_id child, child_id of);
  void forget_needs(child_id child, child_row& row);
  void unlink(std::uint32_t index);
  bool is_older(child_id one, child_id other) const noexcept {
    return std::int32_t(rows_[one].ordinal - rows_[other].ordinal) < 0;
  }

  std::vector<child_row> rows_;
  child_id free_ = none, oldest_ = none, newest_ = none;
  std::uint32_t live_ = 0, waiting_ = 0, done_ = 0, significant_ = 0;
  phase phase_ = phase::open;
  bool timed_ = false; // the nursery's timer is set
  bool overran_ = false;
  bool body_live_ = true, body_told_ = false;
  bool was_cancelled_ = false; // by cancel(), or by a body that ended so
  bool saw_cancelled_ = false; // a child or the body ended as cancelled since then
  bool failed_ = false;
  random_function random_;
  void* random_arg_;
  creche::strategy strategy_;
  creche::auto_shutdown auto_shutdown_;
  std::uint64_t added_ = 0, completed_ = 0, cancelled_ = 0;
  owned_rare_parts rare_;
};

std::string_view to_text(nursery_state::order order) noexcept;
std::string_view to_text(nursery_state::verdict verdict) noexcept;
std::string_view to_text(nursery_state::phase phase) noexcept;
std::string_view to_text(nursery_state::child_phase phase) noexcept;

} // namespace creche
