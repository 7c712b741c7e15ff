// top_layer.hpp: the layer at the top of a stack that a task talks with, and what the two share.
//
// Both live on one loop: the task looks at the state, and what it wants of the layer goes down as
// letters, or marks it.
#pragma once

#include "actors/stack/connection.hpp"
#include "actors/stack/internal/stack_actor.hpp"

#include <deque>

namespace creche::internal {

class opened_stack;
class top_layer;

/// A task waits until its edit is made.
struct edit_wait {
  parking waiters;
  bool done = false;
  std::exception_ptr error;
};

struct top_state : detail::counted<top_state, detail::counted_on::one_thread>, detail::pooled {
  top_layer* layer = nullptr; // until it is over
  creche::child stack;
  std::deque<slice> inbox;
  std::uint32_t weight = 0; // of the inbox: its bytes, and something for every piece
  bool eof = false, finished = false, closed = false;
  bool input_lost = false;  // nothing comes behind the inbox, and it is no good end
  bool output_lost = false; // what is sent goes nowhere
  parking readers, writers, flush_waiters;
  std::unique_ptr<edit_wait> edit;
  std::uint32_t asked[flush_levels] = {}, answered[flush_levels] = {}; // numbers of questions
  time_point began{};
  connection_ends ends;                 // once bytes can flow
  std::shared_ptr<creche::facts> facts; // once it is over
  std::optional<close_record> record;   // once somebody said how it ends

  static connection handle(top_state& state) noexcept {
    return state.add_ref(), connection(&state);
  }
  static void name_child(connection& c, creche::child stack) noexcept {
    c.in_.state_->stack = std::move(stack);
  }
  bool over() const noexcept { return layer == nullptr; }
  bool no_more_goes() const noexcept { return over() || output_lost; }
  bool is_ending() const noexcept { return no_more_goes() || input_lost; }
  close_record last_record() const;
};

class top_layer final : public layer_actor {
public:
  static constexpr std::uint32_t high = 64 * 1024, low = 16 * 1024; // of the inbox

  top_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack, top_state& state);
  ~top_layer() override;
  std::string_view kind() const noexcept override { return "top"; }

  // ---- for the task
  using layer_actor::room_below, layer_actor::write_below;
  void taken() { resume_in(); }
  std::uint32_t ask(flush_level level);
  void finish_now() { finish_below(); }
  void close_now() { close_below(ended_by::clean); }
  void abort_now() { layer_actor::abort(ended_by::local); }
  /// Somebody waits for what comes next.
  void asked();
  void not_asked() noexcept;
  void read_ahead(bool on);
  opened_stack& whole() const noexcept;

private:
  take received(const slice& in) override;
  void established() override {
    state_.ends = stack().ends();
    stack().opened();
  }
  void eof() override;
  void input_lost() override;
  void transport_over() override;
  void output_lost() noexcept override;
  void resume_out() override;
  void drain() override;
  void flushed(message_ptr fact) override;
  void on_stop() override;
  void on_cancel() override;
  void on_over() noexcept override;
  void below_changes() noexcept override;
  void below_changed() noexcept override;
  void give_back(message_queue& to) override;
  void keep(slice bytes);
  void end_early(ended_by how);
  void step_by_step() noexcept;
  void all_at_once() noexcept;
  void owe() noexcept;

  top_state& state_;
  // Not read ahead: there is room for what is asked for, and no more.
  marks usual_;
  bool drained_ = false; // that is why the task was told the end
  bool steps_ = false;   // wanted
  bool owes_ = false;    // one byte on the gauge, so that there is no room
};

} // namespace creche::internal
