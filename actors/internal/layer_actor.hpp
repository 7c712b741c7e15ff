// layer_actor.hpp: a layer of a stack: a protocol to the layer below, a transport to the one above.
//
// Neighbours speak by letters only: a layer knows an address and shares the link's gauges, and is
// entered from one place, its own turn. The default handlers forward, with flow control.
//
//   upward (facts):    attached  established  received -> take  eof  resume_out  drain  drained
//   downward (orders): write  finish  close  abort  resume_in  ask_drained  edit
#pragma once

#include "actors/drain_level.hpp"
#include "actors/ended_by.hpp"
#include "actors/hold.hpp"
#include "actors/internal/link.hpp"
#include "actors/take.hpp"
#include "runtime/internal/child_actor.hpp"
#include "runtime/slice.hpp"

#include <memory>

namespace creche::internal {

class layer_actor;
class live_edit;
class stack_actor;

enum class verb : std::uint8_t {
  established, // up: bytes can flow
  received,    // up: bytes
  eof,         // up: no more of them
  resume_out,  // up: there is room again
  lost,        // up: the transport is over; nothing comes behind this
  drain,       // up: no new work is wanted; what came before this still counts
  drained,     // up: what was written before that question has come as far as its level says
  write,       // down: bytes
  finish,      // down: flush, then say our end of the stream; what the peer sends still comes
  close,       // down: flush, then end; with how
  abort,       // down: end now, and let the peer see that it is no good end; with how
  resume_in,   // down: there is room again
  ask_drained, // down: behind what was written; answered with drained
  edit,        // down: behind what was written; whom it is for stops there (live_edit.hpp)
};

/// One pooled letter for all of it; passed on as it is, so forwarding allocates nothing.
struct message final : letter, detail::pooled {
  internal::verb verb;
  ended_by how = ended_by::clean;
  bool owed = false;                      // forwarded: still on the gauge of the link above
  drain_level level = drain_level::stack; // of a question and its answer,
  std::uint32_t ticket = 0;               // and its number; that of an edit
  slice bytes;

  explicit message(internal::verb v, slice&& b = {}) noexcept;
  /// The question of an edit.
  static std::unique_ptr<message> edit(std::uint32_t ticket);
  static const letter_kind letters;
};
using message_ptr = std::unique_ptr<message>;

/// Messages that a layer keeps, in order.
class message_queue {
public:
  message_queue() = default;
  message_queue(const message_queue&) = delete;
  ~message_queue() { clear(); }
  explicit operator bool() const noexcept { return bool(list_); }
  const message* front() const noexcept { return static_cast<const message*>(list_.oldest()); }
  message* newest() noexcept { return static_cast<message*>(list_.newest); }
  message* front() noexcept { return static_cast<message*>(list_.oldest()); }
  message* after(const message& m) const noexcept { return static_cast<message*>(list_.after(m)); }
  void push(message_ptr m) noexcept { list_.push(*m.release()); }
  void push_front(message_ptr m) noexcept { list_.push_front(*m.release()); }
  message_ptr pop() noexcept { return message_ptr(static_cast<message*>(list_.pop())); }
  void clear() noexcept {
    while (pop()) {
    }
  }

private:
  letter_list list_;
};

class layer_actor : public child_actor, protected holds {
public:
  /// Unused bytes that a layer may leave lying before it has failed.
  static constexpr std::uint32_t most_unused = 64 * 1024;
  /// What a frame counts on the gauges beside its bytes.
  static constexpr std::uint16_t frame_cost = 64;
  /// Of a stream: so many pieces wait as they came, of more the small ones are joined.
  static constexpr std::uint16_t most_pieces = 64, small_piece = 512;

  layer_actor(caf::actor_config& cfg, child_record* r, stack_actor& s);
  ~layer_actor() override;

  /// Before the start: `upper` is above us.
  void join(layer_actor& upper);

  const char* name() const override { return "layer"; }
  void describe(const tree_sink& out) const override;
  std::uint64_t bytes_inside() const noexcept override;

  /// Can it say its end, and still read? On its loop.
  virtual bool can_finish() const noexcept { return true; }

  // ---- live edits
  /// Is shown nothing, and given nothing, until its own edit is made.
  void park() noexcept { parked_ = true; }
  bool is_parked() const noexcept { return parked_; }
  /// Behind what was written before; what is written from now on waits until the edit is made.
  void put_edit(std::uint32_t ticket);

protected:
  friend struct message;
  friend class live_edit;
  friend class stack_actor;
  // ---- facts from below
  /// Shows what came and was not used yet. Called again while something is used and something is
  /// left; the rest is shown again with the next bytes, once there are as many as take::need says.
  /// Of frames one at a time, whole, empty ones as well: it is used, or waited with.
  virtual take received(const slice& in);
  /// No more bytes will come. The top decides what that means; by default it closes.
  virtual void eof();
  virtual void established() { put_above(verb::established); }
  /// All that came before was shown. The top finishes what it has in hand, then closes.
  virtual void drain();
  /// It is told at once, and so is whoever is below it: it knows best what still counts.
  virtual bool drains_at_once() const noexcept { return false; }
  /// The layer below takes bytes again.
  virtual void resume_out();
  virtual void drained(message_ptr m);
  // ---- orders from above
  virtual void write(message_ptr m);
  virtual void finish_writing() { finish_below(); }
  virtual void close(ended_by how) { close_below(how); }
  virtual void abort(ended_by how) { put_below(verb::abort, how); }
  /// The layer above takes bytes again.
  virtual void resume_in();
  /// What it has written waits until the layer below takes bytes again.
  virtual void wrote_without_room() {}
  /// Kept behind what was written before, whatever waits here.
  virtual void ask_drained(message_ptr m);
  /// The same; it goes no further than the layer that it is for.
  virtual void edit_came(message_ptr m);

  // ---- while the stack is changed around us, in its turn
  /// The layer below will be another one; then it is.
  virtual void below_changes() noexcept {}
  virtual void below_changed() noexcept {}
  /// What was sent up to us and nobody has used, but for what lies in front of us.
  virtual void give_back(message_queue&) {}
  /// What we were shown and have not used was taken away.
  virtual void unused_taken() {}
  /// What came from above and waits here goes to who takes our place, or takes over.
  virtual void give_orders(message_queue&) noexcept {}
  virtual void take_orders(message_queue& orders) noexcept { orders.clear(); }
  /// We have no place in the stack any more, and are about to be stopped.
  virtual void left() noexcept {}

  void on_start() override { attached(); }
  void on_stop() override { // one that was inserted is stopped before the top
    if (!stop_waits()) on_cancel();
  }
  void on_cancel() override { over(how::cancelled); }
  void on_throw(std::exception_ptr e) override { over(how::failed, std::move(e)); }
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
  void send_up(slice&& b);
  void send_up(const slice& b) { send_up(slice(b)); }
  /// The same, but throws if more than twice the usual mark are under way.
  void send_up_within(slice&& b);
  /// Bytes downward; accepted also while there is no room: who goes on past twice the high mark
  /// fails.
  void write_below(slice&& b);
  /// The same for what belongs together: if there is room for the first, all of it goes.
  void write_below(slice* parts, std::size_t n);
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
  void look_again() noexcept;
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
  void over(how h = how::completed, std::exception_ptr e = nullptr);

  /// A transport, before its end: tells those above, behind all that it has sent them.
  void tell_lost();
  /// For on_stop(): true if the transport's last words are still on their way here; then
  /// on_cancel() is called behind them.
  bool stop_waits() noexcept;

  /// To whom asked.
  void tell_drained(message_ptr m);
  void put_above(verb v);
  void put_below(verb v, ended_by how = ended_by::clean);
  /// In attached(): of the link above, on one loop.
  void marks_above(const internal::marks& m) noexcept {
    if (up_) up_->marks = m;
  }
  bool has_above() const noexcept { return above_ != nullptr; }
  bool has_below() const noexcept { return below_ != nullptr; }
  stack_actor& stack() const noexcept { return stack_; }
  /// The link below; null for a transport.
  stack_link* link_below() const noexcept { return down_ ? &*down_ : nullptr; }

  /// The receiver's side of the link above: bytes that we need no more.
  void took_above(std::uint32_t n);
  void took_below(std::uint32_t n);
  /// The same for one whole message of that many bytes.
  void took_above_frame(std::uint32_t n) { took_above(n + (up_ ? up_->per_frame : 0)); }

private:
  std::size_t turn(std::size_t budget) final;
  void look_at_marks();
  void open(message_ptr m);
  void show();
  void came(message_ptr m);
  void drain_came(message_ptr m);
  void push_in(message_ptr m);
  bool use(message& m);
  void keep(message_ptr m);
  void show_rest();
  take shown(const slice& b);
  void lost_came();
  void put_behind(verb v, ended_by how);
  void hand_on(message_ptr m);
  bool is_held() const noexcept { return blocked_ || parked_ || any(); }
  void released() noexcept override { look_again(); }
  static void put(resident& to, message_ptr m) { to.send(*m.release()); }
  void own_for_loop_of(resident& to, slice& b) const {
    if (&to.home() != &home_) [[unlikely]]
      b = b.private_copy();
  }

  std::uint32_t unsent_bytes_ = 0;
  stack_actor& stack_;
  resident* below_ = nullptr; // addresses: one reference each, until we are over
  resident* above_ = nullptr;
  link_ref down_, up_;
  message_queue in_;         // came, not shown
  message_queue unsent_;     // forwarded downward once there is room
  receive_buffer rest_;      // shown, not used
  std::uint16_t pieces_ = 0; // that came since in_ was empty
  std::uint32_t need_ = 0;   // take::need of the last time
  std::uint32_t most_needed_ = most_unused;
  bool frames_above_ = false, lost_came_ = false, stop_waits_ = false, parked_ = false,
       established_came_ = false;
  bool blocked_ = false, looking_ = false, eof_came_ = false, eof_told_ = false,
       rest_is_news_ = false, showing_ = false, marked_ = false;
};

} // namespace creche::internal
