// layer_actor.hpp: a layer of a stack: a protocol to the layer below, a transport to the one above.
//
// Neighbours speak by letters only: a layer knows an address and shares the link's gauges, and is
// entered from one place, its own turn. The default handlers forward, with flow control.
//
//   upward (facts):    attached  established  received -> take  eof  resume_out  drain  flushed
//   downward (orders): write  finish  close  abort  resume_in  ask_flushed  edit
#pragma once

#include "actors/stack/hold.hpp"
#include "actors/stack/internal/handover.hpp"
#include "actors/stack/internal/layer_message.hpp"
#include "actors/stack/internal/link.hpp"
#include "actors/stack/take.hpp"
#include "runtime/memory/slice.hpp"
#include "runtime/supervision/internal/child_actor.hpp"

#include <memory>

namespace creche::internal {

class stack_actor;

class layer_actor : public child_actor, protected holds {
public:
  /// Unused bytes that a layer may leave lying before it has failed.
  static constexpr std::uint32_t most_unused = 64 * 1024;
  /// What a frame counts on the gauges beside its bytes.
  static constexpr std::uint16_t frame_cost = 64;
  /// Of a stream: so many pieces wait as they came, of more the small ones are joined.
  static constexpr std::uint16_t most_pieces = 64, small_piece = 512;

  layer_actor(caf::actor_config& cfg, child_record* record, stack_actor& stack);
  ~layer_actor() override;

  /// `upper` is above us from now on. The link is a new one if none is given.
  void join(layer_actor& upper, link_ref link = {});

  stack_actor& stack() const noexcept { return stack_; }
  const char* name() const override { return "layer"; }
  void describe(const tree_sink& out) const override;
  std::uint64_t bytes_inside() const noexcept override;

  /// Can it say its end, and still read? On its loop.
  virtual bool can_finish() const noexcept { return true; }
  /// It is a transport that takes parts of files in place of bytes. Any loop.
  virtual bool sends_files() const noexcept { return false; }
  /// See layer::leaves_slowly.
  virtual bool leaves_slowly() const noexcept { return false; }
  virtual void ask_to_leave() noexcept {}

  /// This layer and the one below it are told at once that the stack drains: it knows best what
  /// still counts.
  virtual bool drains_at_once() const noexcept { return false; }

  // ---- live edits (live_edit.hpp): in a turn of the stack
  const link_ref& link_above() const noexcept { return up_; }
  /// Gives up what the place below it has to do with from now on, or, if it goes, all that it has.
  /// `ticket`: of the edit's question that stopped here, or 0.
  void hand_over(handover& to, edit_role role, std::uint32_t ticket);
  /// Gets what the others gave up.
  void take_over(handover& from, edit_role role);
  /// Is shown nothing, and given nothing, until its own edit is made.
  void park() noexcept { parked_ = true; } // NOLINT(bugprone-virtual-near-miss): no mark()
  void unpark();
  bool is_parked() const noexcept { return parked_; }
  /// Behind what was written before; what is written from now on waits until the edit is made.
  void put_edit(std::uint32_t ticket);
  /// Hands an edit's question to the layer below.
  void pass_edit(std::uint32_t ticket);
  /// The question that waits here is answered in another way.
  void drop_edit() noexcept;
  /// It looks again at what waits in it.
  void kick();
  /// One that was never started: the layers of a stack hold each other.
  void discard() noexcept;
  /// An edit failed half-way: it may have no neighbours, so it is given no turn.
  void give_up() noexcept;

protected:
  friend struct message;
  // ---- facts from below
  /// Shows what came and was not used yet. Called again while something is used and something is
  /// left; the rest is shown again with the next bytes, once there are as many as take::need says.
  /// Of frames one at a time, whole, empty ones as well: it is used, or waited with.
  virtual take received(const slice& in);
  /// No more bytes will come. The top decides what that means; by default it closes.
  virtual void eof();
  /// The same, and it is no good end: those above may still answer, then the top closes.
  virtual void input_lost();
  /// The transport is over, and all that came before was shown.
  virtual void transport_over() { put_above(verb::lost); }
  /// The same, told at once: what is written is lost.
  virtual void output_lost() noexcept {}
  virtual void established() { put_above(verb::established); }
  /// All that came before was shown. The top finishes what it has in hand, then closes.
  virtual void drain();
  /// The layer below takes bytes again.
  virtual void resume_out();
  virtual void flushed(message_ptr fact);
  // ---- orders from above
  virtual void write(message_ptr order);
  virtual void finish_writing() { finish_below(); }
  virtual void close(ended_by how) { close_below(how); }
  virtual void abort(ended_by how) { put_below(verb::abort, how); }
  /// The layer above takes bytes again.
  virtual void resume_in();
  /// What it has written waits until the layer below takes bytes again.
  virtual void wrote_without_room() {}
  /// Kept behind what was written before, whatever waits here.
  virtual void ask_flushed(message_ptr order);
  /// The same; it goes no further than the layer that it is for.
  virtual void edit_came(message_ptr order);

  // ---- while the stack is changed around us, in its turn
  /// The layer below will be another one; then it is.
  virtual void below_changes() noexcept {}
  virtual void below_changed() noexcept {}
  /// What was sent up to us and nobody has used, but for what lies in front of us.
  virtual void give_back(message_queue&) {}
  /// What we were shown and have not used was taken away.
  virtual void unused_taken() {}
  /// What came from above and waits here goes to the layer that takes our place, or takes over.
  virtual void give_orders(message_queue&) noexcept {}
  virtual void take_orders(message_queue& orders) noexcept { orders.clear(); }
  /// We have no place in the stack any more, and are about to be stopped.
  virtual void left() noexcept {}

  void on_start() override { attached(); }
  void on_stop() override { // one that was inserted is stopped before the top
    if (!stop_waits()) on_cancel();
  }
  void on_cancel() override { over(how::cancelled); }
  void on_throw(std::exception_ptr error) override { over(how::failed, std::move(error)); }
  virtual void attached() {}
  /// First in a turn that wake_up() asked for: what timers and completion handlers have marked.
  virtual void on_marks() {}
  void wake_up() noexcept {
    marked_ = true;
    child_actor::wake_up();
  }
  /// Whatever ended us: what others might still reach us by, references that may lead back to us,
  /// and slices, which must be freed at home.
  virtual void on_over() noexcept {}

  // ---- what a layer does
  /// Bytes upward; counted when sent.
  void send_up(slice&& bytes);
  void send_up(const slice& bytes) { send_up(slice(bytes)); }
  /// The same, but throws if more than twice the usual mark are under way.
  void send_up_within(slice&& bytes);
  /// Bytes downward; accepted also while there is no room, up to twice the high mark: beyond it
  /// this layer fails.
  void write_below(slice&& bytes);
  /// The same for what belongs together: if there is room for the first, all of it goes.
  void write_below(slice* parts, std::size_t n);
  /// A part of a file. REQUIRES: room_below(), and the layer below sends files.
  void write_below(file_part&& part);
  bool room_above() noexcept { return !above_ || up_->up.room(up_->marks); }
  bool room_below() noexcept { return !unsent_ && down_->down.room(down_->marks); }
  /// Not shown any bytes until the hold is released. Then bytes are shown that are left, if any
  /// are: what needs no byte to be told must not wait for that.
  hold pause_in(const char* why) noexcept { return hold(*this, why); }
  /// For received(): not shown any bytes until there is room above. (To use nothing means: more is
  /// needed.)
  take wait_for_room_above() noexcept { return blocked_ = true, take{}; }
  /// Bytes that were shown and not used. In eof(): what the stream ended in the middle of.
  std::uint32_t unused() const noexcept { return rest_.size(); }
  /// From its constructor: what goes to the layer above are frames, not bytes.
  void speak_frames() noexcept { frames_above_ = true; }
  /// It may ask for so many bytes with take::need; 64 KiB if nothing is said.
  void may_need(std::uint32_t bytes) noexcept { most_needed_ = std::max(most_unused, bytes); }
  /// Frames that came and were not shown, in their order.
  message_ptr take_unshown() noexcept;
  void must_be_home(const char* why) const noexcept override;
  /// Shows what is there; after a change that makes received() give another answer.
  void look_again() noexcept; // allocates nothing
  void forget_need() noexcept { need_ = 0; }
  bool waits_below() const noexcept { return bool(unsent_); } // what was written without room
  bool all_shown() const noexcept { return !in_ && rest_.empty(); }
  /// For received(): nothing has come behind the bytes that it is shown.
  bool none_behind() const noexcept { return !in_; }
  void drop_input() noexcept;
  /// The end of the stream will be told again.
  void forget_eof() noexcept { eof_told_ = false; }
  bool is_established() const noexcept { return established_came_; }
  void close_below(ended_by how) { put_behind(verb::close, how); }
  void finish_below() { put_behind(verb::finish, ended_by::clean); }
  /// This layer is over. No handler is called after this.
  void over(how end = how::completed, std::exception_ptr error = nullptr);

  /// A transport, before its end: tells those above, behind all that it has sent them.
  void tell_lost();
  /// For on_stop(): true if the transport's last words are still on their way here; then
  /// on_cancel() is called behind them.
  bool stop_waits() noexcept;

  /// To the layer that asked.
  void tell_flushed(message_ptr order);
  // What is said with a verb alone is said even when there is no memory (bookkeeping.hpp).
  void put_above(verb what);
  void put_below(verb what, ended_by how = ended_by::clean);
  /// In attached(): of the link above, on one loop.
  void marks_above(const internal::marks& limits) noexcept {
    if (up_) up_->marks = limits;
  }
  bool has_above() const noexcept { return above_ != nullptr; }
  bool has_below() const noexcept { return below_ != nullptr; }
  /// The link below; null for a transport.
  stack_link* link_below() const noexcept { return down_ ? &*down_ : nullptr; }

  /// The receiver's side of the link above: bytes that we need no more.
  void took_above(std::uint32_t n) {
    if (up_ && up_->down.take(n, up_->marks, up_->two_loops)) put_above(verb::resume_out);
  }
  void took_below(std::uint32_t n) {
    if (down_ && down_->up.take(n, down_->marks, down_->two_loops)) put_below(verb::resume_in);
  }
  /// The same for one whole message of that many bytes.
  void took_above_frame(std::uint32_t n) { took_above(n + (up_ ? up_->per_frame : 0)); }

private:
  static const letter_kind look_kind;
  std::size_t turn(std::size_t budget) final;
  void look_at_marks();
  void open(message_ptr fact);
  // ---- layer_upward.cpp
  void show();
  void came(message_ptr fact);
  void drain_came(message_ptr fact);
  void push_in(message_ptr fact);
  bool use(message& fact);
  void keep(message_ptr fact);
  void show_rest();
  take shown(const slice& bytes);
  void lost_came();
  bool lost_is_due() const noexcept;
  void tell_ends();
  // ---- layer_downward.cpp
  void put_behind(verb what, ended_by how);
  void hand_on(message_ptr order);
  // ---- layer_edit.cpp
  void give_facts(handover& to, bool goes);
  void give_orders_before(handover& to, std::uint32_t ticket);
  void give_all_orders(handover& to);
  void give_up_place(handover& to);
  void take_facts_unshown(handover& from);
  void take_facts_behind(handover& from);
  void take_sent(handover& from);
  void take_orders_before_own(handover& from);
  void owe(message& order);
  void sift(bool facts, letter_list& to);
  void hear(letter_list& letters);
  void count_anew(std::uint32_t cost_before) noexcept;
  static void cut(resident*& address) noexcept;
  bool is_held() const noexcept { return blocked_ || parked_ || any(); }
  void released() noexcept override { look_again(); }
  static void put(resident& to, message_ptr order) { to.send(*order.release()); }
  void own_for_loop_of(resident& to, slice& bytes) const {
    if (&to.home() != &home_) [[unlikely]]
      bytes = bytes.private_copy();
  }

  std::uint32_t unsent_bytes_ = 0;
  stack_actor& stack_;
  resident* below_ = nullptr; // addresses: one reference each, until we are over
  resident* above_ = nullptr;
  link_ref down_, up_;
  message_queue in_;       // came, not shown
  message_queue unsent_;   // forwarded downward once there is room
  receive_buffer rest_;    // shown, not used
  std::uint32_t need_ = 0; // take::need of the last time
  std::uint32_t most_needed_ = most_unused;
  std::uint16_t pieces_ = 0; // that came since in_ was empty
  // bits: every connection has some layers
  bool frames_above_ : 1 = false;
  bool stop_waits_ : 1 = false;
  bool lost_came_ : 1 = false, lost_told_ : 1 = false;
  bool input_lost_came_ : 1 = false, input_lost_told_ : 1 = false;
  bool parked_ : 1 = false, blocked_ : 1 = false;
  bool established_came_ : 1 = false, eof_came_ : 1 = false, marked_ : 1 = false;
  bool looking_ = false, eof_told_ = false, rest_is_news_ = false, showing_ = false;
  letter look_{look_kind}; // to ourselves: show what is there, in a turn of its own
};

} // namespace creche::internal
