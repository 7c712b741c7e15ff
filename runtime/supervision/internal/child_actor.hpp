// child_actor.hpp: what a nursery owns: the record of a logical child, and the actor that is its
// present incarnation.
//
// The record outlives the incarnations and is what handles point to. The actor is told start, stop
// and cancel by letters that are its own members, and tells its nursery that it ended in its last
// turn, never before.
#pragma once

#include "runtime/loop/internal/loop_owner.hpp"
#include "runtime/loop/internal/resident.hpp"
#include "runtime/supervision/child.hpp"
#include "runtime/supervision/internal/nursery_state.hpp"
#include "runtime/task/detail/task_record.hpp"

#include <atomic>
#include <source_location>
#include <vector>

namespace creche::internal {

class nursery_actor;
struct room_waiter;
struct tree_sink;

enum class child_state : std::uint8_t {
  starting, // not ready yet
  running,
  waiting, // for its restart, or for others
  done,
  draining,
  cancelling,
  killing,
  ended,
};
std::string_view to_text(child_state state) noexcept;

/// How much mail may wait for a child. In an empty mailbox there is room for any message.
struct mail_limits {
  std::uint32_t messages;
  std::uint32_t units; // of weight
};

inline constexpr mail_limits no_mail_limits{0xffffffff, 0xffffffff};

/// How much mail waits for an incarnation, or is on its way there, and whether senders wait for
/// room; in one word, so that a sender that begins to wait and a receiver that makes room cannot
/// miss each other. Any thread.
class mail_load {
public:
  /// Takes the room for one more, if it is there.
  bool take(std::uint32_t weight, const mail_limits& limits) noexcept {
    if (fits(load_.fetch_add(one + weight), weight, limits)) return true;
    load_.fetch_sub(one + weight);
    return false;
  }
  /// True if senders wait for that.
  bool give(std::uint32_t weight) noexcept { return load_.fetch_sub(one + weight) & wanted; }
  /// A sender waits from now on. True if there is room after all.
  bool want(std::uint32_t weight, const mail_limits& limits) noexcept {
    return fits(load_.fetch_or(wanted), weight, limits);
  }
  void want_no_more() noexcept { load_.fetch_and(~wanted); }
  bool is_wanted() const noexcept { return load_.load() & wanted; }
  std::uint32_t messages() const noexcept { return count(load_.load(std::memory_order_relaxed)); }
  std::uint64_t bytes() const noexcept {
    return 16 * (load_.load(std::memory_order_relaxed) & units);
  }

private:
  static constexpr std::uint64_t one = std::uint64_t(1) << 32, wanted = std::uint64_t(1) << 63,
                                 units = one - 1;
  static std::uint32_t count(std::uint64_t load) noexcept {
    return std::uint32_t((load & ~wanted) >> 32);
  }
  static bool fits(std::uint64_t load, std::uint32_t weight, const mail_limits& limits) noexcept {
    const auto waiting = count(load);
    return waiting < limits.messages && (waiting == 0 || (load & units) + weight <= limits.units);
  }
  std::atomic<std::uint64_t> load_{0};
};

/// What only some children need: those that wait for a restart, have a deadline, failed, or keep
/// their mail across restarts.
struct child_past : timer, detail::pooled {
  child_record* record = nullptr;
  std::uint32_t incarnation = 0; // that the timer was set in
  std::optional<failure> last_failure;
  std::optional<failure> cancel_reason; // the first, because of the later ones
  time_point next = time_point::max();  // launch, or phase of its end; under the tree lock
  // of the scopes that its nursery is in, when it was launched on another loop
  time_point deadline_outside = time_point::max();
  std::string waits_for; // the sibling that it needs; the same
  // mail that waits for the next incarnation; under the tree lock
  letter_list kept;
  mail_load kept_load;
  bool detached = false; // the incarnation has ended, and what comes is kept
};

/// The logical child. Home thread of its nursery, except for the atomics.
struct child_record : task_record, detail::counted<child_record>, detail::pooled {
  // In an order that leaves no gaps.
  [[no_unique_address]] detail::wait_list waits;
  std::atomic<child_state> state{child_state::running};
  std::atomic<how> end{how::completed}; // valid once `state` is ended
  std::uint32_t observers = 0;          // how many monitor it
  std::atomic<std::uint32_t> restarts{0};
  nursery_state::child_id id = nursery_state::none;
  nursery_actor* nursery = nullptr; // null once forgotten; changes under the tree lock
  loop* nursery_home = nullptr;
  door_ptr door;
  child_actor* actor = nullptr; // the present incarnation, or null
  std::unique_ptr<detail::plan> plan;
  std::unique_ptr<child_past> past;
  std::atomic<letter_counts*> letters{nullptr}; // of all incarnations; null: nothing to tell
  detail::ready_slot* slot = nullptr;           // somebody waits in start_ready
  const char* label = nullptr;                  // static text; null: the plan's name, or a number
  std::uint64_t ordinal = 0;
  std::uint32_t incarnation = 0;
  bool refused = false;      // it was stopped only when what it waited for had ended by itself
  bool abandoned = false;    // for good; under the tree lock
  bool is_body : 1 = false;  // these two are set before anybody else sees the record
  bool numbered : 1 = false; // the label is followed by the ordinal

  child_record() = default;
  ~child_record();
  child_past& history();
  letter_counts& counts(); // on the child's loop
  /// Any thread. Takes over the message.
  send_result send(detail::mail& message) noexcept;
  /// The same, but if there is no room the message stays the sender's, which is told when it has
  /// gone. Any loop.
  send_result send_or_wait(detail::mail& message, room_waiter& sender) noexcept;
  /// The same, but a sender without room does not wait, and nothing is counted.
  send_result try_send(detail::mail& message) noexcept;
  /// A sender gives up. False if its news is on the way.
  bool leave_room(room_waiter& sender) noexcept;
  mail_limits limits() const noexcept;
  void add_reason(std::string_view reason, std::source_location where);
  std::string name() const;
  std::string path() const; // any thread, while the child lives
  /// Of a child on another loop than its nursery's: the deadline around the nursery, as it was when
  /// the child was launched. Home thread of the child.
  time_point deadline_outside() const noexcept {
    return past ? past->deadline_outside : time_point::max(); // made before the launch, if at all
  }

  /// Of a child that keeps its mail: the incarnation takes leave of it, here. Home thread of the
  /// child; under the tree lock.
  void keep_mail(letter_list& mail) noexcept;
  /// What was kept goes to the new incarnation, or to nobody. Home thread of the nursery.
  void hand_over_mail();
  void drop_mail() noexcept;
  bool keeps_mail() const noexcept { return plan && plan->on_restart == restart_mail::keep; }

private:
  template <class Offer> send_result with_actor(Offer offer) noexcept;
  send_result offer(detail::mail& message) noexcept;
  bool is_detached() const noexcept { return past && past->detached; }
  /// What comes now reaches an incarnation, or waits for one. Under the tree lock.
  bool is_reached() const noexcept { return nursery && (is_detached() || actor); }
  void count_undelivered() noexcept;
};
static_assert(sizeof(child_record) <= 128, "one byte more is 32 more for every task");

/// From the public handle to what it stands for.
struct child_access {
  static child_record* record(const child& of) noexcept { return of.record_; }
  static child handle(child_record& of) noexcept { return of.add_ref(), child(&of); }
};

/// To a child, that it begins; to its nursery, that it has ended.
struct life_letter : letter {};

class child_actor : public resident, public life_letter {
public:
  child_actor(caf::actor_config& cfg, child_record* record);

  child_record* record() const noexcept { return record_; }

  // ---- the nursery's orders; from its loop, which need not be ours
  void order_start();
  void order_stop();
  /// The stop of what it is a part of has begun.
  void tell_of_stop() { order(to_be_told); }
  void order_cancel();
  void order_kill();
  bool kill_ordered() const noexcept { return kill_given_; }
  /// The nursery gives us up: we end by ourselves, and tell the system. Home thread of the nursery.
  void order_abandon(std::string path);
  /// Abandoned, and over: nobody but the system need know.
  void leave_abandoned() noexcept;
  bool cancel_ordered() const noexcept { return cancel_given_; }

  /// What a cancel does before the canceller goes on: no checkpoint of ours, and of what we own,
  /// passes any more. Only marks; our nursery's order comes as a letter. Any thread of the system.
  void mark_cancel() noexcept;

  std::size_t turn(std::size_t budget) override;
  void on_exit(caf::error reason) override;

  how ended_how() const noexcept { return how_; }
  std::exception_ptr error() const noexcept { return death_ ? death_->error : nullptr; }
  /// Where the error came out of; line 0: not known.
  std::source_location failed_at() const noexcept {
    return death_ ? death_->at : std::source_location();
  }

  /// Any thread, while we are not freed. The message stays the caller's unless it was queued; if
  /// there is no room for it nothing is counted.
  send_result offer_mail(detail::mail& message, const mail_limits& limits) noexcept;
  /// What waits here. Any thread.
  const mail_load& load() const noexcept { return load_; }
  mail_load& load() noexcept { return load_; }
  /// A message of a sender that waited for room, which it has now. Home thread.
  virtual void admit(detail::mail& message) noexcept { on_mail(message); }

  /// What CAF code knows this incarnation by. Home loop of the nursery.
  virtual caf::actor as_caf() { return handle(); }
  /// Null if this is none.
  virtual const nursery_actor* as_nursery() const noexcept { return nullptr; }
  /// What kind of child this is: "task", "nursery", "tcp", … Any thread.
  virtual std::string_view kind() const noexcept = 0;
  /// Adds to a node of the tree what is published. Any thread, under the home loop's tree lock.
  virtual void describe(const tree_sink&) const {}
  /// Bytes that are on their way in it. Any thread, under the tree locks.
  virtual std::uint64_t bytes_inside() const noexcept { return 0; }
  /// Adds the actors right below it. The same.
  virtual void look_below(std::vector<const child_actor*>&) const {}

protected:
  /// Marks us, and joins the wave if there is something below. The default: we obey the order only,
  /// in our own way (a layer ends after those above it). Home thread.
  virtual void mark() noexcept {}
  /// Has pass_on_mark() called, for all below in turn, so that a deep tree needs no deep stack.
  void join_wave() noexcept;
  virtual void pass_on_mark() noexcept {}
  /// Home thread, in the first turn.
  virtual void on_start() = 0;
  /// End in good order; the default cancels.
  virtual void on_stop() { on_cancel(); }
  /// The stop of what we are a part of has begun; ours may come later.
  virtual void on_told_to_stop() {}
  virtual void on_cancel() = 0;
  /// In the turn that ends us, before anything is dropped.
  virtual void before_end() {}
  /// Hands what was not received, and what waits, to the next incarnation, if that is what our mail
  /// is meant for; else it stays.
  void keep_mail(letter_list& unreceived) noexcept;
  /// Cancelled before, and still here: the default has no stronger means.
  virtual void on_kill() {}

  /// An exception left a handler of ours. The default: this incarnation failed.
  virtual void on_throw(std::exception_ptr thrown) { finish(how::failed, std::move(thrown)); }

  bool cancel_asked() const noexcept {
    return record_ && record_->cancel_asked.load(std::memory_order_relaxed);
  }
  /// A cancel that was marked is obeyed before anything else that comes.
  void obey_cancel_first() {
    if (cancel_asked() && !cancel_seen_) [[unlikely]]
      obey_cancel();
  }
  /// This incarnation is over. Home thread, in a turn of ours.
  void finish(how result, std::exception_ptr error = nullptr, std::source_location at = {});
  void let_go() override;
  void not_understood() noexcept override;
  void lost(std::uint32_t n) noexcept override;
  /// A message came. The default: it is not understood. Home thread; takes it over.
  virtual void on_mail(detail::mail& message);
  /// One has left the mailbox: there may be room for a sender that waits.
  void has_left(const detail::mail& message) noexcept;

  mail_load load_;      // sent to this incarnation, and not received
  bool killed_ = false; // by somebody, or by its nursery

private:
  friend struct kill_note;
  void obey_kill();
  [[gnu::noinline]] void obey_cancel();
  void order(std::uint8_t wanted);
  void obey_orders();
  static const letter_kind start_kind, order_kind, ended_kind, mail_kind;
  static constexpr std::uint8_t to_stop = 1, to_cancel = 2, to_be_told = 4;

  how how_ = how::completed;
  bool start_given_ = false, stop_given_ = false, cancel_given_ = false, kill_given_ = false;
  bool cancel_seen_ = false;
  std::atomic<std::uint8_t> orders_{0}; // not obeyed yet; then the letter is on its way
  child_record* record_;
  child_actor* next_in_wave_ = nullptr;
  struct death : detail::pooled {
    std::exception_ptr error;
    std::source_location at;
  };
  std::unique_ptr<death> death_; // of one that failed
  letter order_{order_kind};
};
static_assert(sizeof(child_actor) <= sizeof(resident) + 72, "every task, nursery and layer is one");

} // namespace creche::internal
