// nursery_actor.hpp: the supervising actor. It decides nothing: events go into nursery_state, and
// the commands that come out are carried out here, in order.
//
// Opened by a task (with_nursery), by run (the root), or a child itself (a listener, a stack).
// Ends only when its table is empty: its down message means that the whole subtree is gone.
#pragma once

#include "runtime/internal/child_actor.hpp"
#include "runtime/nursery.hpp"

#include <functional>
#include <unordered_map>

namespace creche {
struct tree_node;
} // namespace creche

namespace creche::internal {

class task_actor;

/// What a nursery and its handles share; `actor` belongs to the home loop.
struct nursery_link {
  std::atomic<std::uint32_t> refs{1}; // the nursery's
  std::atomic<bool> over{false};
  const creche::auto_shutdown auto_shutdown; // what children are checked against
  nursery_actor* actor;
  loop* home;
  door* gate;

  nursery_link(nursery_actor& a, loop& l);
  ~nursery_link() { gate->drop(); }
  void hold() noexcept { refs.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
};

/// What a nursery tells the log about an ended child.
struct report {
  const failure& why;
  nursery_state::verdict then;
  std::uint32_t restarts;
  clock_duration delay; // restarting
};

/// Throws std::invalid_argument, with a sentence, if no child can be made of this.
void check(const detail::plan* p, auto_shutdown a);

class nursery_actor : public child_actor {
public:
  /// A nursery that is itself a child (`r`), without a body: open until stopped or cancelled.
  nursery_actor(caf::actor_config& cfg, child_record* r, const nursery_rules& rules);
  /// A nursery with a body, opened by a task, or the root (no owner).
  nursery_actor(caf::actor_config& cfg, const nursery_options& o, task_actor* owner,
                detail::nursery_scope* scope, std::source_location where);
  ~nursery_actor() override;

  const char* name() const override { return "nursery"; }
  std::string_view kind() const noexcept override { return "nursery"; }
  std::string path() const; // any thread, while it lives
  std::string label() const;
  nursery& face() noexcept { return face_; }
  nursery_statistics statistics() const noexcept;
  const nursery_state& state() const noexcept { return state_; }

  /// For a nursery that is not at hand, on a loop that may be gone. Any thread.
  static child_record* make_record(loop& home, door& gate);
  /// Throws std::logic_error on another thread than our loop's.
  void must_be_home() const;

  // ---- events; home thread
  child start(std::unique_ptr<detail::plan> p, detail::ready_slot* slot = nullptr);
  /// A record made by make_record, with its plan. Throws nursery_closed, or std::invalid_argument
  /// if whom it is after is not there, and drops it.
  child start(child_record* r);
  void start_all(std::span<std::unique_ptr<detail::plan>> plans, std::span<child> started);
  /// For handles; made when first asked for. The caller's reference.
  nursery_link* link();
  child start_call(const detail::call_ops& ops, void* call);
  /// The root's body, a task of its own on our loop.
  void start_body(const detail::call_ops& ops, void* call);
  void child_ended(child_actor& c);
  void child_due(child_record& r, std::uint32_t incarnation);
  void child_ready(child_record& r);
  void cancel_child(child_record& r, std::string_view reason = {},
                    std::source_location where = std::source_location::current());
  void stop_child(child_record& r);
  void cancel_all();
  void kill_all();
  void cancel_all(std::string_view reason, std::source_location where);
  void stop_all();
  /// All children in good order, at the same time.
  void stop_children();
  void body_ended(how h, std::exception_ptr error);
  void keep(std::shared_ptr<void> box) { had().kept.push_back(std::move(box)); }

  /// The body's failure and those that ended it; taken once, after the end.
  std::vector<failure> take_failures() noexcept {
    return seldom_ ? std::move(seldom_->failures) : std::vector<failure>();
  }
  /// Called once, at the end of the root, on its loop.
  void on_root_end(std::function<void(how)> f) { had().on_root_end = std::move(f); }
  /// The same, when everything in the root was cancelled.
  void on_cancelling(std::function<void()> f) { had().on_cancelling = std::move(f); }

  nursery_state::phase phase() const noexcept { return phase_.load(std::memory_order_relaxed); }

  // ---- for the tree; under the tree lock
  const nursery_actor* as_nursery() const noexcept override { return this; }
  std::string policy() const;         // "one_for_all, 3 in 5 s"; empty: the default
  void introduce(tree_node& n) const; // name, kind, state, policy; not its children
  nursery_actor* next_of_task = nullptr;
  void describe(const tree_sink&) const override;
  std::uint64_t bytes_inside() const noexcept override;

protected:
  void on_start() override {}
  void on_stop() override { stop_all(); }
  void on_cancel() override { cancel_all(); }
  void on_kill() override { kill_all(); }
  /// No body to cancel: what a service must give up before its children may go. Default: says at
  /// once that it has.
  virtual void on_close() { body_ended(how::completed, nullptr); }
  /// A child has ended for good.
  virtual void on_forget(child_record&) {}

  /// A child whose first actor is there already (or null: its plan makes it). `rules` must outlive
  /// the child. Throws nursery_closed, and releases the actor.
  child add(child_record* r, child_actor* first, const child_rules& rules);
  child_record* make_record();
  /// Room for so many children without slack.
  void expect(std::size_t children) {
    state_.expect(children);
    table_.reserve(children);
  }

private:
  friend class detail::nursery_scope;
  nursery_state::commands& todo() noexcept;
  void carry_out();
  void carry_out(const nursery_state::command& c);
  void launch(child_record& r, std::uint32_t incarnation);
  void carry_out_own(const nursery_state::command& c);
  void abandon(child_record& r);
  how settle_slot(child_record& r, how h);
  void note_name(const child_record& r, bool there) const;
  nursery_state::child_id id_of(const detail::plan& p, const std::string& name,
                                bool comes = false) const;
  std::vector<nursery_state::child_id> ids_of(const detail::plan& p) const;
  std::optional<failure> why_ended(child_actor& c, how& h) const;
  void report_end(const nursery_state::command& c);
  void forget(child_record& r);
  void over(how h);
  child_record* body() const noexcept { return seldom_ ? seldom_->body : nullptr; }
  nursery_link* let_link_go() noexcept {
    return seldom_ ? std::exchange(seldom_->link, nullptr) : nullptr;
  }

  nursery face_{*this};
  nursery_state state_;
  nursery_state::commands todo_;     // no memory while there is nothing to do
  std::vector<child_record*> table_; // by id; null: free
  task_actor* owner_ = nullptr;
  detail::nursery_scope* scope_ = nullptr;
  std::source_location where_;
  std::uint64_t ordinal_ = 0;
  std::uint64_t completed_ = 0, cancelled_ = 0;
  std::atomic<nursery_state::phase> phase_{nursery_state::phase::open}; // published
  std::atomic<clock_duration::rep> stop_ends_{0}; // the present phase; published; 0: never
  bool carrying_out_ = false;
  struct stop_timer : timer, detail::pooled {
    nursery_actor* self;
  };
  struct namesakes {
    std::uint32_t count = 0;
    nursery_state::child_id ids = 0; // of all, by exclusive or: of the only one
  };
  using name_index = std::unordered_map<std::string, namesakes>;
  // What most nurseries never have; every connection is one.
  struct seldom : detail::pooled {
    std::string name;
    std::vector<failure> failures;
    std::vector<std::shared_ptr<void>> kept;
    std::optional<failure> body_failure, cancel_reason;
    std::function<void(how)> on_root_end;
    std::function<void()> on_cancelling;
    child_record* body = nullptr;      // the root's
    nursery_link* link = nullptr;      // while there are handles
    std::unique_ptr<stop_timer> timer; // made when a limit is set
    // siblings by name, kept from the first one on that is `.after` another
    std::unique_ptr<name_index> names;
  };
  mutable std::unique_ptr<seldom> seldom_;
  seldom& had() const {
    if (!seldom_) seldom_ = std::make_unique<seldom>();
    return *seldom_;
  }
};

} // namespace creche::internal
