// stack_actor.hpp: a stack is the nursery of its layers and of the tasks that serve them.
//
// One layer's end ends the stack: tasks first, then the layers, top first. Memory of a layer stays
// as long as a neighbour may write to it.
#pragma once

#include "actors/stack/facts.hpp"
#include "actors/stack/internal/layer_actor.hpp"
#include "actors/stack/internal/packed_endpoint.hpp"
#include "actors/stack/stack.hpp"
#include "runtime/supervision/internal/nursery_actor.hpp"

#include <memory>
#include <vector>

namespace creche::internal {

/// How much a transport waits for its peer when all was said.
enum class haste : std::uint8_t {
  none,       // until it says its end, or lingers too long
  is_stopped, // until it has confirmed what was sent
  at_once,
};

enum class edit_kind : std::uint8_t { insert, replace, remove };

class stack_actor : public nursery_actor {
public:
  stack_actor(caf::actor_config& cfg, child_record* record);

  std::string_view kind() const noexcept override { return "stack"; }

  /// A layer says how it ends, and who it is; the first one counts. Any loop of the stack.
  virtual void note_end(ended_by, std::error_code, std::string_view) noexcept {}
  /// A transport's end: are the layers above to be told? Any loop of the stack.
  virtual bool tell_lost() noexcept { return false; }
  virtual bool lost_was_told() const noexcept { return false; }
  /// See layer_actor::drains_at_once; of the top.
  bool drains_at_once() const noexcept {
    return !layers_.empty() && layers_.back() && layers_.back()->drains_at_once();
  }
  /// The top layer's word: bytes can flow.
  virtual void opened() {}
  /// The transport is over, and so is its descriptor. Its loop.
  virtual void transport_ended(ended_by) noexcept {}
  /// What is known of this connection.
  creche::facts& own_facts();
  const std::shared_ptr<creche::facts>& shared_facts() const noexcept { return facts_; }
  /// The same, and behind it what the service knows whose connection it is.
  template <class Fact> const Fact* find_fact() const noexcept {
    if (facts_)
      if (const auto* fact = facts_->find<Fact>()) return fact;
    const auto* service = service_facts();
    return service ? service->find<Fact>() : nullptr;
  }
  virtual const creche::facts* service_facts() const noexcept { return nullptr; }
  /// Before bytes can flow; not changed any more.
  void note_ends(const connection_ends& known) noexcept { ends_ = known; }
  const connection_ends& ends() const noexcept { return ends_; }
  /// What a layer left, or else the socket's. Its loop.
  endpoint peer() const;
  endpoint local() const;

  // ---- for a listener that has no room left; any thread
  /// Its peer is waited for, and nothing is in hand; min(): that is not so.
  void note_idle(time_point since) noexcept {
    idle_since_.store(since.time_since_epoch().count(), std::memory_order_relaxed);
  }
  void note_busy() noexcept { note_idle(time_point::min()); }
  clock_duration::rep idle_since() const noexcept {
    return idle_since_.load(std::memory_order_relaxed);
  }
  static constexpr clock_duration::rep busy = time_point::min().time_since_epoch().count();

  /// Of the transport, at its end. Any thread.
  internal::haste haste() const noexcept { return haste_.load(std::memory_order_relaxed); }
  void hurry(internal::haste how) noexcept {
    if (haste() < how) haste_.store(how, std::memory_order_relaxed);
  }
  /// Can those below this layer say their end and still read?
  bool can_finish_below(const layer_actor& layer) const noexcept;
  /// The layer below this one takes parts of files in place of bytes.
  bool sends_files_below(const layer_actor& layer) const noexcept;
  // ---- live edits
  /// A layer wants what is below it, or itself, changed. Throws what is wrong with that.
  virtual void edit_from(layer_actor& layer, edit_kind kind, any_stack add);
  /// An edit's question came to this layer, behind all that was written before: does it stop here?
  virtual bool edit_reached(layer_actor&, std::uint32_t) noexcept { return false; }
  /// A layer that was asked to leave has said its goodbye.
  virtual void may_leave(layer_actor&) noexcept {}
  /// A layer that knows it already was told that bytes can flow: those below it are new.
  virtual void established_again(layer_actor&) noexcept {}

  /// A layer above those added before; on `where`, or on our loop.
  template <class L, class... A> L& add_layer(const char* label, loop* where, A&&... a) {
    detail::counted_ptr<child_record> record(make_record());
    record->label = label;
    layers_.reserve(layers_.size() + 1); // it must have its place once it is there
    link_ref below(layers_.empty() ? nullptr : new stack_link);
    auto* l = make_resident<L>(where ? *where : home_, record.get(), *this, std::forward<A>(a)...);
    (void)record.detach();
    if (below) layers_.back()->join(*l, std::move(below));
    layers_.push_back(l);
    return *l;
  }
  /// Runs a callable as a child of the stack; told by letter, from any layer on any loop.
  template <class F> void start_task(const char* label, F f);
  /// The same for who talks with the top: when the stack ends it is told, can read what came, and
  /// has its `stop_within`. `rules` outlive it.
  template <class F> void start_handler(const char* label, const child_rules& rules, F f);

protected:
  /// Makes the layers, lowest first, with add_layer. Home thread, in the first turn.
  virtual void build() = 0;
  void on_start() override;
  void on_stop() override; // drain, from the bottom: what has come by now is still answered
  void on_throw(std::exception_ptr error) override { body_ended(how::failed, std::move(error)); }
  void on_forget(child_record& record) override;
  void start_layer(layer_actor& layer);

  std::vector<layer_actor*> layers_; // bottom first; null once ended

private:
  template <class F> struct task_note {
    const char* label;
    const child_rules* rules; // of one that is told; null: cancelled
    F f;
    void operator()(resident& me) {
      static_cast<stack_actor&>(me).run_task(label, rules, detail::call_ops_of<F>, &f);
    }
  };
  void run_task(const char* label, const child_rules* rules, const detail::call_ops& ops,
                void* call);

  std::shared_ptr<creche::facts> facts_; // few connections have any
  connection_ends ends_;
  std::atomic<clock_duration::rep> idle_since_{busy};
  std::atomic<internal::haste> haste_{internal::haste::none};
};

template <class F> void stack_actor::start_task(const char* label, F f) {
  tell<task_note<F>, lane::data>(*this, label, nullptr, std::move(f));
}
template <class F>
void stack_actor::start_handler(const char* label, const child_rules& rules, F f) {
  tell<task_note<F>, lane::data>(*this, label, &rules, std::move(f));
}

} // namespace creche::internal
