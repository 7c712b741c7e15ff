// opened_stack.hpp: the stack of a value, and how it is changed while it lives (live_edit.hpp).
//
// A task's edit is a question that goes down behind what was written, and stops at the layers
// around its place; they write no more until it is made. A layer's own is made at once, at the byte
// that it has come to.
#pragma once

#include "actors/stack/internal/top_layer.hpp"

namespace creche::internal {

/// An edit that was to be made at a layer which has left.
struct place_left final : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

class opened_stack : public stack_actor {
public:
  opened_stack(caf::actor_config& cfg, child_record* record, any_stack value);
  ~opened_stack() override { state_.release(); }
  void note_end(ended_by how, std::error_code why, std::string_view layer) noexcept override;
  void opened() override;
  bool tell_lost() noexcept override { return lost_ = true; }
  bool lost_was_told() const noexcept override { return lost_; }

  /// The name of a layer that cannot say its end and still read; empty: all can.
  std::string_view cannot_finish() const noexcept;

  // ---- live edits
  /// By a task in open().
  bool is_awaited() noexcept { return record()->slot != nullptr; }
  /// As it is now.
  const any_stack& value() const noexcept { return value_; }
  /// For the task, which waits in its top_state. Throws std::invalid_argument with a sentence.
  void order_edit(edit_kind kind, bool above, std::string layer, any_stack add);
  void order_edit(edit_kind kind, std::size_t at, any_stack add);
  void edit_from(layer_actor& layer, edit_kind kind, any_stack add) override;
  bool edit_reached(layer_actor& layer, std::uint32_t ticket) noexcept override;
  void may_leave(layer_actor& layer) noexcept override;
  void established_again(layer_actor& layer) noexcept override;

protected:
  /// Is there a task that talks with the top? Else what comes out of it is dropped.
  virtual bool has_user() const noexcept { return record()->slot != nullptr; }
  connection handle();

private:
  struct place { // parts from `at` on: none, or one that goes
    std::size_t at, count;
  };
  struct ordered { // by the task
    edit_kind kind;
    bool above;
    layer_actor* by; // the place is there, or above it; compared only
    any_stack add;
    place where;
    std::uint32_t ticket = 0;
    layer_actor* upper = nullptr;
    bool passed_on = false, reached = false, asked = false, made = false;
  };
  struct wish_note;
  struct due_note;

  void build() override;
  void on_forget(child_record& record) override;
  std::size_t named(std::string_view layer) const;
  place find(edit_kind kind, bool above, const layer_actor* by) const;
  static place find(edit_kind kind, std::size_t at);
  any_stack changed(place where, const any_stack& add) const;
  void order(edit_kind kind, bool above, std::size_t by, any_stack add);
  void send_order();
  void order_due();
  void order_done(std::exception_ptr error);
  void make_own(layer_actor& layer, edit_kind kind, const any_stack& add, std::uint32_t ticket);
  bool edit(place where, const any_stack& add, std::uint32_t ticket);
  std::vector<layer_actor*> make_layers(const any_stack& stack);

  any_stack value_; // its parts are looked at as long as their layers live
  top_state& state_;
  std::unique_ptr<ordered> order_;
  std::vector<std::pair<child_record*, detail::part>> leaving_;
  std::uint32_t tickets_ = 0;
  bool lost_ = false; // all layers of ours live on one loop
};

} // namespace creche::internal
