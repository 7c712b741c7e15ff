// stack_actor.hpp: a stack is the nursery of its layers and of the tasks that serve them.
//
// One layer's end ends the stack: tasks first, then the layers, top first. Memory of a layer stays
// as long as a neighbour may write to it.
#pragma once

#include "actors/internal/layer_actor.hpp"
#include "actors/stack.hpp"
#include "runtime/internal/nursery_actor.hpp"

#include <array>

namespace creche::internal {

/// What a listener counts of its connections; any thread.
struct connection_counters {
  std::atomic<std::uint64_t> accepted{0}, requests{0}, refused_requests{0}, failed_requests{0},
      turned_away{0};
  std::atomic<std::uint32_t> in_hand{0};                    // requests with a handler
  std::array<std::atomic<std::uint64_t>, 64> refused_for{}; // by number of the http1::errc
  std::array<std::atomic<std::uint64_t>, ended_by_kinds> closed{};

  void note_closed(ended_by h) noexcept {
    closed[std::size_t(h)].fetch_add(1, std::memory_order_relaxed);
  }
};

enum class edit_kind : std::uint8_t { insert, replace, remove };

class stack_actor : public nursery_actor {
public:
  stack_actor(caf::actor_config& cfg, child_record* r);

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
  /// Of the listener, if it has one.
  virtual connection_counters* counters() noexcept { return nullptr; }
  /// Can those below this layer say their end and still read?
  bool can_finish_below(const layer_actor& l) const noexcept;
  // ---- live edits
  /// A layer wants what is below it, or itself, changed. Throws what is wrong with that.
  virtual void edit_from(layer_actor& l, edit_kind k, any_stack add);
  /// An edit's question came to this layer, behind all that was written before: does it stop here?
  virtual bool edit_reached(layer_actor&, std::uint32_t) noexcept { return false; }
  /// A layer that knows it already was told that bytes can flow: those below it are new.
  virtual void established_again(layer_actor&) noexcept {}

  /// A layer above those added before; on `where`, or on our loop.
  template <class L, class... A> L& add_layer(const char* label, loop* where, A&&... a) {
    auto* r = make_record();
    r->label = label;
    auto* l = make_resident<L>(where ? *where : home_, r, *this, std::forward<A>(a)...);
    if (!layers_.empty()) layers_.back()->join(*l);
    layers_.push_back(l);
    return *l;
  }
  /// Runs a callable as a child of the stack; told by letter, from any layer on any loop.
  template <class F> void start_task(const char* label, F f);

protected:
  /// Makes the layers, lowest first, with add_layer. Home thread, in the first turn.
  virtual void build() = 0;
  void on_start() override;
  void on_stop() override; // drain, from the bottom: what has come by now is still answered
  void on_throw(std::exception_ptr e) override { body_ended(how::failed, std::move(e)); }
  void on_forget(child_record& r) override;
  void start_layer(layer_actor& l);

  std::vector<layer_actor*> layers_; // bottom first; null once ended

private:
  template <class F> struct task_note {
    const char* label;
    F f;
    void operator()(resident& r) {
      static_cast<stack_actor&>(r).run_task(label, detail::call_ops_of<F>, &f);
    }
  };
  void run_task(const char* label, const detail::call_ops& ops, void* call);
};

template <class F> void stack_actor::start_task(const char* label, F f) {
  tell<task_note<F>, lane::data>(*this, label, std::move(f));
}

} // namespace creche::internal
