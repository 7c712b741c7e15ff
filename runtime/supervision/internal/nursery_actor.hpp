// nursery_actor.hpp: the supervising actor. It decides nothing: events go into nursery_state, and
// the commands that come out are carried out here, in order.
//
// Opened by a task (with_nursery), by run (the root), or a child itself (a listener, a stack).
// Ends only when its table is empty: its down message means that the whole subtree is gone.
#pragma once

#include "runtime/memory/internal/bookkeeping.hpp"
#include "runtime/supervision/internal/child_actor.hpp"
#include "runtime/supervision/internal/nursery_state.hpp"
#include "runtime/supervision/nursery.hpp"

#include <functional>
#include <unordered_map>

namespace creche {
struct tree_node;
} // namespace creche

namespace creche::internal {

class task_actor;

/// What a nursery and its handles share; `actor` belongs to the home loop.
struct nursery_link : detail::counted<nursery_link> {
  std::atomic<bool> over{false};
  const creche::auto_shutdown auto_shutdown; // what children are checked against
  nursery_actor* actor;
  loop* home;
  door_ptr door;

  nursery_link(nursery_actor& of, loop& home);
};

/// Throws std::invalid_argument, with a sentence, if no child can be made of this.
void check(const detail::plan* plan, auto_shutdown choice);

class nursery_actor : public child_actor {
public:
  /// A nursery that is itself a child. Its body is what on_close() ends.
  nursery_actor(caf::actor_config& config, child_record* record, const nursery_rules& rules);
  /// A nursery that a task opened, or the root (no owner).
  nursery_actor(caf::actor_config& config, const nursery_options& options, task_actor* owner,
                detail::nursery_scope* scope, std::source_location where);
  ~nursery_actor() override;

  const char* name() const override { return "nursery"; }
  std::string_view kind() const noexcept override { return "nursery"; }
  std::string path() const; // any thread, while it lives
  /// The same, and the name of a child.
  std::string path_to(std::string below) const;
  std::string label() const;
  nursery& face() noexcept { return face_; }
  nursery_statistics statistics() const noexcept;
  const nursery_state& state() const noexcept { return state_; }
  /// The task that opened it, or null. Any thread, while it lives.
  task_actor* owner() const noexcept { return owner_; }

  /// For a nursery that is not at hand, on a loop that may be gone. Any thread.
  static child_record* make_record(loop& home, const door_ptr& door);
  /// Throws std::logic_error, about `what`, on another thread than our loop's.
  void must_be_home(const char* what) const;

  // ---- events; home thread
  child start(std::unique_ptr<detail::plan> plan, detail::ready_slot* slot = nullptr);
  /// A record made by make_record, with its plan. Throws nursery_closed, or std::invalid_argument
  /// if what it is after is not there, and drops it.
  child start(child_record* record);
  void start_all(std::span<std::unique_ptr<detail::plan>> plans, std::span<child> started);
  /// For handles; made when first asked for. The caller's reference.
  nursery_link* link();
  child start_call(const detail::call_ops& ops, void* call);
  /// The root's body, a task of its own on our loop.
  void start_body(const detail::call_ops& ops, void* call);
  void child_ended(child_actor& actor);
  void child_due(child_record& record, std::uint32_t incarnation);
  void child_ready(child_record& record);
  /// The task that waits in start_ready gives up.
  void starter_left(child_record& record);
  void cancel_child(child_record& record, std::string_view reason = {},
                    std::source_location where = std::source_location::current());
  void stop_child(child_record& record);
  void cancel_all();
  void kill_all();
  void cancel_all(std::string_view reason, std::source_location where);
  void stop_all();
  /// What we are a part of stops: all children are told, those that are started later as well.
  void tell_children_of_stop();
  /// All children in good order, at the same time.
  void stop_children();
  void body_ended(how kind, std::exception_ptr error);
  void keep(std::shared_ptr<void> box) { rare().kept.push_back(std::move(box)); }

  /// The body's failure and those that ended it; taken once, after the end.
  std::vector<failure> take_failures() noexcept {
    return rare_ ? std::move(rare_->failures) : std::vector<failure>();
  }
  /// Called once, at the end of the root, on its loop.
  void on_root_end(std::function<void(how)> call) { rare().on_root_end = std::move(call); }
  /// The same, when everything in the root was cancelled.
  void on_cancelling(std::function<void()> call) { rare().on_cancelling = std::move(call); }

  /// Its children are branches of the task that opened it, and receive what is sent to that one.
  void lend_mail() noexcept { lends_mail_ = true; }
  task_actor* mail_lender() const noexcept { return lends_mail_ ? owner_ : nullptr; }
  /// A message came for them.
  void mail_came() noexcept;

  nursery_state::phase phase() const noexcept { return phase_.load(std::memory_order_relaxed); }

  // ---- for what is inside; home thread
  /// The scope that a child is in; null if there is none, or it is on another loop: then `known` is
  /// the deadline out there, as far as it was told.
  static const detail::boundary* scope_around(const child_record* child,
                                              time_point& known) noexcept;
  /// Why all in it were cancelled: the nearest reason that was given, from here outwards.
  std::optional<failure> why_cancelled() const;

  // ---- for the tree; under the tree lock
  const nursery_actor* as_nursery() const noexcept override { return this; }
  std::string policy() const;            // "one_for_all, 3 in 5 s"; empty: the default
  void introduce(tree_node& node) const; // name, kind, state, policy; not its children
  nursery_actor* next_of_task = nullptr;
  void describe(const tree_sink&) const override;
  void look_below(std::vector<const child_actor*>& to) const override;

protected:
  void on_start() override {}
  void on_stop() override { stop_all(); }
  void on_cancel() override { cancel_all(); }
  void on_told_to_stop() override { tell_children_of_stop(); }
  void on_kill() override { kill_all(); }
  void mark() noexcept override;
  void pass_on_mark() noexcept override;
  /// Ends the body: what a service must give up before its children may go. Default: nothing, so
  /// it says at once that it has.
  virtual void on_close() { body_ended(how::completed, nullptr); }
  /// A child has ended for good.
  virtual void on_forget(child_record&) {}

  /// A child whose first actor is there already (or null: its plan makes it). `rules` must outlive
  /// the child. Throws nursery_closed, and releases the actor.
  child add(child_record* record, child_actor* first, const child_rules& rules);
  child_record* make_record();
  /// The actor of the child with that id, or null.
  child_actor* actor_of(nursery_state::child_id id) const noexcept {
    return id < table_.size() && table_[id] ? table_[id]->actor : nullptr;
  }
  /// Ids are below this.
  std::size_t most_ids() const noexcept { return table_.size(); }
  /// Room for so many children without slack.
  void expect(std::size_t children);

private:
  friend class detail::nursery_scope;
  nursery_state::commands& todo() noexcept;
  void carry_out();
  void carry_out(const nursery_state::command& command);
  void carry_out_own(const nursery_state::command& command);
  void launch(child_record& record, std::uint32_t incarnation);
  void not_launched(child_record& record, failure why);
  void set_timer(child_record& record, const nursery_state::command& command);
  void forget_timer(child_record& record);
  void begin_to_wait(child_record& record);
  void abandon(child_record& record);
  void report_end(const nursery_state::command& command);
  void note_spender(const child_record& record);
  void forget(child_record& record, how end);
  void over(how end);

  nursery_state::ending ending_of(how kind, const std::exception_ptr& error) const;
  void root_body_ended(child_actor& actor);
  void note_end(child_actor& actor, how told, bool late);
  std::optional<failure> why_ended(child_actor& actor, how told, bool late) const;
  using child_ids = std::vector<nursery_state::child_id>;
  child_ids dependents_of(const child_record& record);
  void explain_end(const child_record& record, how told, const child_ids& dependents);
  void explain_to(const child_ids& dependents, const child_record& record, how told);
  failure because_of(const child_record& record, how told, std::string_view what) const;
  static void tell_starter(child_record& record, how told);

  std::uint64_t number_for_refusals();
  std::optional<failure> own_reason() const;
  void tell_reason(child_record& record);
  time_point deadline_around() const noexcept;
  bool counts_names() const noexcept { return rare_ && rare_->names; }
  void note_name(const child_record& record, bool there) const; // while they are counted
  nursery_state::child_id id_of(const detail::plan& plan, const std::string& name,
                                bool comes = false) const;
  std::vector<nursery_state::child_id> ids_of(const detail::plan& plan) const;

  child_record* body() const noexcept { return rare_ ? rare_->body : nullptr; }
  nursery_link* let_link_go() noexcept {
    return rare_ ? std::exchange(rare_->link, nullptr) : nullptr;
  }

  nursery face_{*this};
  nursery_state state_;
  nursery_state::commands todo_;     // no memory while there is nothing to do
  std::vector<child_record*> table_; // by id; null: free
  task_actor* owner_ = nullptr;
  detail::nursery_scope* scope_ = nullptr;
  std::source_location where_;
  std::uint64_t ordinal_ = 0;
  std::atomic<nursery_state::phase> phase_{nursery_state::phase::open}; // published
  std::atomic<clock_duration::rep> stop_ends_{0}; // the present phase; published; 0: never
  bool carrying_out_ = false;
  bool told_to_stop_ = false;
  bool marked_ = false; // cancelled, and all below were told
  bool lends_mail_ = false;
  struct stop_timer : timer, detail::pooled {
    nursery_actor* of;
  };
  struct namesakes {
    std::uint32_t count = 0;
    nursery_state::child_id ids = 0; // of all, by exclusive or: of the only one
  };
  using name_index = std::unordered_map<std::string, namesakes>;
  // What most nurseries never have; every connection is one.
  struct rare_parts : detail::pooled {
    std::string name;
    std::vector<failure> failures;
    std::vector<std::shared_ptr<void>> kept;
    std::optional<failure> body_failure, cancel_reason;
    std::vector<std::string> spenders; // of the budget, the last ones
    std::function<void(how)> on_root_end;
    std::function<void()> on_cancelling;
    std::uint64_t refusals = 0;        // its number, once it has refused to start a child
    child_record* body = nullptr;      // the root's
    nursery_link* link = nullptr;      // while there are handles
    std::unique_ptr<stop_timer> timer; // made when a limit is set
    // siblings by name, kept from the first one on that is `.after` another
    std::unique_ptr<name_index> names;
  };
  mutable std::unique_ptr<rare_parts> rare_;
  rare_parts& rare() const {
    if (!rare_) rare_ = std::make_unique<rare_parts>();
    return *rare_;
  }
};

} // namespace creche::internal
