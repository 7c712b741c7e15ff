// user_layer.hpp: the shell around a layer of a user's: calls its handlers, and does for it what
// every layer must: flow control in both directions, order of writes and close, time.
#pragma once

#include "actors/stack/internal/stack_actor.hpp"
#include "actors/stack/layer.hpp"

namespace creche::internal {

class user_layer final : public layer_actor, timer {
public:
  user_layer(caf::actor_config& cfg, child_record* record, stack_actor& stack,
             std::unique_ptr<creche::layer> l, bool frames_above);
  ~user_layer() override;

  const char* name() const override { return "layer"; }
  std::string_view kind() const noexcept override { return name_; }
  void describe(const tree_sink& out) const override;
  bool can_finish() const noexcept override;
  bool leaves_slowly() const noexcept override;
  void ask_to_leave() noexcept override;

  // ---- for the user's layer
  using layer_actor::close_below, layer_actor::finish_below, layer_actor::has_above,
      layer_actor::look_again, layer_actor::may_need, layer_actor::pause_in,
      layer_actor::room_above, layer_actor::room_below, layer_actor::send_up,
      layer_actor::send_up_within, layer_actor::unused, layer_actor::wait_for_room_above,
      layer_actor::write_below;
  void drain_above() { layer_actor::drain(); }
  void eof_above();
  void established_above();
  bool can_finish_below() const noexcept { return stack().can_finish_below(*this); }
  /// Whatever it has said it needs.
  void look_again() noexcept {
    forget_need();
    layer_actor::look_again();
  }
  bool told_established() const noexcept { return told_established_; }
  void abort_below(ended_by how) { layer_actor::abort(how); }
  creche::facts& known() { return stack().own_facts(); }
  void note_idle(bool on) noexcept {
    on ? stack().note_idle(home_.burst_time()) : stack().note_busy();
  }
  void edit(edit_kind kind, any_stack add) { stack().edit_from(*this, kind, std::move(add)); }
  void may_leave() noexcept { stack().may_leave(*this); }
  void end(ended_by how, std::error_code why, bool at_once = false);
  void end_input(ended_by how, std::error_code why);
  hold pause_out(const char* why) noexcept { return hold(held_out_, why); }
  void put_back(slice&& rest);
  void limit(time_limit which, clock_duration time);
  void wake_at(time_point when);

private:
  struct out_holds final : holds {
    user_layer& me;
    explicit out_holds(user_layer& layer) noexcept : me(layer) {}
    using holds::forget_holds;
    void released() noexcept override;
    void must_be_home(const char* why) const noexcept override;
  };
  struct watch {
    clock_duration limit = no_limit;
    time_point since{}; // it was set, or told
  };

  void attached() override;
  void established() override;
  take received(const slice& in) override;
  void eof() override;
  void input_lost() override;
  void drain() override;
  void resume_out() override;
  void resume_in() override;
  void wrote_without_room() override { note_stall(); }
  void unused_taken() override;
  void write(message_ptr order) override;
  void finish_writing() override;
  void close(ended_by how) override;
  void abort(ended_by how) override;
  void ask_flushed(message_ptr order) override;
  void edit_came(message_ptr order) override;
  void give_orders(message_queue& to) noexcept override;
  void take_orders(message_queue& orders) noexcept override;
  void left() noexcept override;
  void on_marks() override;
  void on_over() noexcept override;

  static const letter_kind go_on_kind;
  struct leave_note {
    void operator()(resident& me) const;
  };
  bool may_write() { return !is_parked() && !held_out_.any() && room_below(); }
  void go_on();
  void go_on_later() noexcept;
  void tell_write(message_ptr order);
  void keep_rest(message_ptr order, std::uint32_t given);
  void tell_finish();
  void note_stall();
  bool watched(time_limit which) const noexcept {
    return watches_[std::size_t(which)].limit != no_limit;
  }
  // How long those above may still answer, after end_input(): one of the limits, of our own.
  static constexpr auto answers = time_limit(time_limits);
  static constexpr clock_duration time_to_answer = std::chrono::seconds(5);
  // A bit of late_ behind those of all limits.
  static constexpr auto wakes = std::uint8_t(1u << (time_limits + 1));
  void arm_by(time_point when);
  bool runs(time_limit which) const noexcept;
  bool goes_on() noexcept;
  time_point begun(time_limit which) const noexcept;
  void timed_out();

  std::unique_ptr<creche::layer> layer_;
  std::string_view name_;
  message_queue orders_;     // writes and closes that wait for room below, or for a hold
  message* given_ = nullptr; // what write() is called with, unless it was put back
  out_holds held_out_{*this};
  watch watches_[time_limits + 1];
  time_point last_in_{}, last_out_{};
  time_point wake_at_ = time_point::max();
  std::uint64_t taken_ = 0; // below, when a stall began or was looked at
  std::uint8_t late_ = 0;   // a bit for each limit that ran out, and `wakes`
  bool limits_ = false;     // there are any
  bool stalled_ = false, told_established_ = false, told_eof_ = false, ending_ = false,
       eof_came_ = false;
  bool going_on_ = false;
  letter go_on_{go_on_kind}; // to ourselves
  // no byte is looked at any more, and how it ends is said: it closes as this
  bool input_over_ = false;
  ended_by how_ = ended_by::clean;
};

} // namespace creche::internal
