// top_layer.hpp: the layer at the top of a stack that a task talks with, and what the two share.
//
// Both live on one loop: the task looks at the state, and what it wants of the layer goes down as
// letters, or marks it.
#pragma once

#include "actors/connection.hpp"
#include "actors/internal/stack_actor.hpp"

#include <deque>

namespace creche::internal {

class top_layer;

struct top_state : detail::pooled {
  std::uint32_t refs = 1;     // plain: one loop
  top_layer* layer = nullptr; // until it is over
  creche::child stack;
  std::deque<slice> inbox;
  std::uint32_t weight = 0; // of the inbox
  std::uint32_t per_frame = 0;
  bool eof = false, finished = false, closed = false;
  parking readers, writers, drainers;
  std::uint32_t asked[drain_levels] = {}, answered[drain_levels] = {}; // numbers of questions
  time_point began{};
  std::optional<close_record> record; // once somebody said how it ends

  void hold() noexcept { ++refs; }
  void drop() noexcept {
    if (--refs == 0) delete this;
  }
  static connection handle(top_state& s) noexcept { return s.hold(), connection(&s); }
  static void name_child(connection& c, creche::child stack) noexcept {
    c.in_.state_->stack = std::move(stack);
  }
  bool over() const noexcept { return layer == nullptr; }
  close_record last_record() const;
};

class top_layer final : public layer_actor {
public:
  static constexpr std::uint32_t high = 64 * 1024, low = 16 * 1024; // of the inbox

  top_layer(caf::actor_config& cfg, child_record* r, stack_actor& s, top_state& state,
            bool frames_below);
  ~top_layer() override;
  std::string_view kind() const noexcept override { return "top"; }

  // ---- for the task
  using layer_actor::room_below, layer_actor::write_below;
  void taken() { resume_in(); }
  std::uint32_t ask(drain_level level);
  void finish_now() { finish_below(); }
  void close_now() { close_below(ended_by::clean); }
  void abort_now() { layer_actor::abort(ended_by::local); }

private:
  take received(const slice& in) override;
  void established() override { stack().opened(); }
  void eof() override;
  void resume_out() override;
  void drain() override;
  void drained(message_ptr m) override;
  void on_stop() override {
    if (!stop_waits()) on_cancel();
  }
  void on_over() noexcept override;
  void keep(slice b);

  top_state& state_;
};

/// The stack of a value.
class opened_stack final : public stack_actor {
public:
  opened_stack(caf::actor_config& cfg, child_record* r, any_stack value);
  ~opened_stack() override { state_.drop(); }
  void note_end(ended_by how, std::error_code why, std::string_view layer) noexcept override;
  void opened() override;
  bool tell_lost() noexcept override { return lost_ = true; }
  bool lost_was_told() const noexcept override { return lost_; }

private:
  void build() override;
  any_stack value_; // its parts are looked at as long as we live
  top_state& state_;
  bool lost_ = false; // all layers of ours live on one loop
};

} // namespace creche::internal
