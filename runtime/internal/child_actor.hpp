// child_actor.hpp: what a nursery owns: the record of a logical child, and the actor that is its
// present incarnation.
//
// The record outlives the incarnations and is what handles point to. The actor is told start, stop
// and cancel by letters that are its own members, and tells its nursery that it ended in its last
// turn, never before.
#pragma once

#include "runtime/child.hpp"
#include "runtime/internal/resident.hpp"
#include "runtime/task_local.hpp"

#include <atomic>
#include <mutex>
#include <source_location>

namespace creche::internal {

class nursery_actor;
class runtime_system;
struct tree_sink;

/// Lets threads that are not ours reach a system's loops, or learns that they are gone. Shared by
/// the system and every handle.
struct door {
  std::atomic<std::uint32_t> refs{1};
  std::mutex lock;
  bool closed = false;

  void hold() noexcept { refs.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void close() {
    std::lock_guard hold(lock);
    closed = true;
  }
  /// Runs `f` on the loop's thread; false, and nothing is done, when the system is gone.
  template <class F> bool post(loop& l, F f) {
    std::lock_guard hold(lock);
    if (closed) return false;
    post_call(l, std::move(f));
    return true;
  }
};

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
std::string_view to_text(child_state s) noexcept;

/// What only some children need: those that wait for a restart, have a deadline, failed, or keep
/// their mail across restarts.
struct child_past : timer, detail::pooled {
  child_record* record = nullptr;
  std::uint32_t incarnation = 0; // that the timer was set in
  std::optional<failure> last_failure;
  std::optional<failure> cancel_reason; // the first, because of the later ones
  time_point next = time_point::max();  // launch, or phase of its end; under the tree lock
  std::string waits_for;                // the sibling that it needs; the same
  // mail that waits for the next incarnation; under the tree lock
  letter_list kept;
  std::uint32_t kept_size = 0;
  bool detached = false; // the incarnation has ended, and what comes is kept
};

/// The logical child. Home thread of its nursery, except for the atomics.
struct child_record : detail::pooled {
  detail::wait_list waits;
  std::atomic<child_state> state{child_state::running};
  std::atomic<how> end{how::completed}; // valid once `state` is ended
  /// Somebody wants it cancelled; looked at before every message and at every checkpoint, so that
  /// nothing runs after a cancel, whichever thread it came from.
  std::atomic<bool> cancel_asked{false};
  bool refused = false;        // it was stopped only when what it waited for had ended by itself
  bool abandoned = false;      // for good; under the tree lock
  bool is_body : 1 = false;    // these two are set before anybody else sees the record
  bool numbered : 1 = false;   // the label is followed by the ordinal
  std::uint16_t observers = 0; // who monitors it
  std::atomic<std::uint32_t> refs{1};
  std::atomic<std::uint32_t> restarts{0};
  nursery_actor* nursery = nullptr; // null once forgotten; changes under the tree lock
  loop* nursery_home = nullptr;
  door* gate = nullptr;
  child_actor* actor = nullptr; // the present incarnation, or null
  std::unique_ptr<detail::plan> plan;
  std::unique_ptr<child_past> past;
  std::atomic<letter_counts*> letters{nullptr}; // of all incarnations; null: nothing to tell
  detail::ready_slot* slot = nullptr;           // somebody waits in start_ready
  detail::binding* bindings = nullptr;          // of task_locals; home thread of the child
  const char* label = nullptr;                  // static text; null: the plan's name, or a number
  std::uint64_t ordinal = 0;
  nursery_state::child_id id = nursery_state::none;
  std::uint32_t incarnation = 0;

  void hold() noexcept { refs.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept;
  child_past& history();
  letter_counts& counts(); // on the child's loop
  /// Any thread. Takes over the message.
  send_result send(detail::mail& m) noexcept;
  void add_reason(std::string_view reason, std::source_location where);
  std::string name() const;
  std::string path() const; // any thread, while the child lives

  /// Of a child that keeps its mail: the incarnation takes leave of it, here. Home thread of the
  /// child; under the tree lock.
  void keep_mail(letter_list& mail) noexcept;
  /// What was kept goes to the new incarnation, or to nobody. Home thread of the nursery.
  void hand_over_mail();
  void drop_mail() noexcept;
  bool keeps_mail() const noexcept { return plan && plan->on_restart == restart_mail::keep; }

private:
  send_result offer(detail::mail& m) noexcept;
};
static_assert(sizeof(child_record) <= 128, "one byte more is 32 more for every task");

/// From the public handle to what it stands for.
struct child_access {
  static child_record* record(const child& c) noexcept { return c.record_; }
  static child handle(child_record& r) noexcept { return r.hold(), child(&r); }
};

/// To a child, that it begins; to its nursery, that it has ended.
struct life_letter : letter {};

class child_actor : public resident, public life_letter {
public:
  child_actor(caf::actor_config& cfg, child_record* r);

  child_record* record() const noexcept { return record_; }

  // ---- the nursery's orders; from its loop, which need not be ours
  void order_start();
  void order_stop();
  void order_cancel();
  void order_kill();
  bool kill_ordered() const noexcept { return kill_given_; }
  /// The nursery gives us up: we end by ourselves, and tell the system. Home thread of the nursery.
  void order_abandon(std::string path);
  /// Abandoned, and over: nobody but the system need know.
  void leave_abandoned() noexcept;
  bool cancel_ordered() const noexcept { return cancel_given_; }

  std::size_t turn(std::size_t budget) override;
  void on_exit(caf::error reason) override;

  how ended_how() const noexcept { return how_; }
  std::exception_ptr error() const noexcept { return death_ ? death_->error : nullptr; }
  /// Where the error came out of; line 0: not known.
  std::source_location failed_at() const noexcept {
    return death_ ? death_->at : std::source_location();
  }

  /// Any thread, while we are not freed. The message stays the caller's unless it was queued.
  send_result offer_mail(detail::mail& m, std::uint32_t limit) noexcept;
  /// How many messages wait here. Any thread.
  std::uint32_t waiting_mail() const noexcept { return mail_.load(std::memory_order_relaxed); }

  /// What CAF code knows this incarnation by. Home loop of the nursery.
  virtual caf::actor as_caf() { return handle(); }
  /// Null if this is none.
  virtual const nursery_actor* as_nursery() const noexcept { return nullptr; }
  /// What kind of child this is: "task", "nursery", "tcp", … Any thread.
  virtual std::string_view kind() const noexcept = 0;
  /// Adds to a node of the tree what is published. Any thread, under the home loop's tree lock.
  virtual void describe(const tree_sink&) const {}
  /// Bytes that are on their way in it and below it. Any thread, under the tree locks.
  virtual std::uint64_t bytes_inside() const noexcept { return 0; }

protected:
  /// Home thread, in the first turn.
  virtual void on_start() = 0;
  /// End in good order; the default cancels.
  virtual void on_stop() { on_cancel(); }
  virtual void on_cancel() = 0;
  /// In the turn that ends us, before anything is dropped.
  virtual void before_end() {}
  /// Hands what was not received, and what waits, to the next incarnation, if that is what our mail
  /// is meant for; else it stays.
  void keep_mail(letter_list& unreceived) noexcept;
  /// Cancelled before, and still here: the default has no stronger means.
  virtual void on_kill() {}

  /// An exception left a handler of ours. The default: this incarnation failed.
  virtual void on_throw(std::exception_ptr e) { finish(how::failed, std::move(e)); }

  bool cancel_asked() const noexcept {
    return record_ && record_->cancel_asked.load(std::memory_order_relaxed);
  }
  /// This incarnation is over. Home thread, in a turn of ours.
  void finish(how h, std::exception_ptr error = nullptr, std::source_location at = {});
  void let_go() override;
  void not_understood() noexcept override;
  void lost(std::uint32_t n) noexcept override;
  /// A message came. The default: it is not understood. Home thread; takes it over.
  virtual void on_mail(detail::mail& m);

  /// If so, one more is in the mailbox, or on its way there. Any thread.
  bool has_room_for_mail(std::uint32_t limit) noexcept;

  std::atomic<std::uint32_t> mail_{0}; // sent to this incarnation, and not received
  bool killed_ = false;                // by somebody, or by its nursery

private:
  friend struct kill_note;
  void obey_kill();
  [[gnu::noinline]] void obey_cancel();
  void order(std::uint8_t o);
  void obey_orders();
  static const letter_kind start_kind, order_kind, ended_kind, mail_kind;
  static constexpr std::uint8_t to_stop = 1, to_cancel = 2;

  how how_ = how::completed;
  bool start_given_ = false, stop_given_ = false, cancel_given_ = false, kill_given_ = false;
  bool cancel_seen_ = false;
  std::atomic<std::uint8_t> orders_{0}; // not obeyed yet; then the letter is on its way
  child_record* record_;
  struct death : detail::pooled {
    std::exception_ptr error;
    std::source_location at;
  };
  std::unique_ptr<death> death_; // of one that failed
  letter order_{order_kind};
};
static_assert(sizeof(child_actor) <= 256, "every task, nursery and layer is one");

} // namespace creche::internal
