// layer.hpp: a layer of one's own: a small class with the few handlers that it cares about.
//
//   class shout final : public layer {
//     const char* name() const noexcept override { return "shout"; }
//     take received(const slice& in) override {
//       send_up(slice::copy_of(upper(in.view())));
//       return all(in);
//     }
//   };
//   auto s = tcp("127.0.0.1:80") / layered<shout>() / lines();
//
// A layer is entered from one place, its own turn, and nobody is re-entered: whatever a handler
// does (write, close, hold), it has only sent letters. A handler that throws has failed, and that
// ends its stack. Every handler that is not overridden forwards. Flow control is done already: a
// layer is shown nothing while there is no room above, and is given nothing to write while there is
// none below. Runs on the loop of its stack; one thread.
#pragma once

#include "actors/stack/close_record.hpp"
#include "actors/stack/facts.hpp"
#include "actors/stack/hold.hpp"
#include "actors/stack/take.hpp"
#include "runtime/memory/slice.hpp"

#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace creche {

class any_stack;
namespace internal {
class user_layer;
} // namespace internal

/// What passes between two layers. Layers of a stack must agree (stack.hpp).
struct no_speech {}; ///< it is an end of the stack
struct octets {};    ///< a stream of bytes: where it is cut means nothing
struct frames {};    ///< messages: one slice each, whole, perhaps empty

/// What a layer may run out of time with.
enum class time_limit : std::uint8_t {
  handshake,   ///< from attached() until established_above()
  read,        ///< no byte came from below
  write,       ///< nobody above wrote
  both,        ///< neither of the two
  write_stall, ///< bytes wait for room below, and none are taken; told after once to twice that
};
inline constexpr std::size_t time_limits = 5;
std::string_view to_text(time_limit which) noexcept;

class layer {
public:
  // what it speaks; name others in a class of your own
  using speaks_below = octets;
  using speaks_above = octets;
  /// What the stack calls it and the tree shows; static text.
  virtual const char* name() const noexcept = 0;

  layer() noexcept = default;
  layer(const layer&) = delete;
  layer& operator=(const layer&) = delete;
  virtual ~layer() = default;

protected:
  // ---- facts. By default they are passed on.
  /// It has its place in a stack; nothing can flow yet. Once, before everything else.
  virtual void attached() {}
  /// Bytes can flow below. Once. A layer with a handshake of its own calls established_above()
  /// when that is done.
  virtual void established() { established_above(); }
  /// Bytes, or a frame, from below. Shows what was not used before, and more; called again while
  /// something is used and something is left. To use nothing means: more is needed. Frames are
  /// shown one at a time: use it, return all(in); or wait with it, return wait(), or {} and hold.
  virtual take received(const slice& in);
  /// No more will come; not a close. unused() bytes were left. The top layer decides what it means:
  /// by default it closes. Before established_above(): by default the end, ended_by::truncated.
  virtual void eof();
  /// There is room below again, for what this layer writes on its own account.
  virtual void resume_out() {}
  /// There is room above again, for what this layer has to send up without being shown more (one
  /// byte may become thousands). What it has not used is shown to it again anyway.
  virtual void resume_in() {}
  /// No new work is wanted: what came before this still counts, and was shown before it. The top
  /// layer closes.
  virtual void drain();
  /// A live edit below: what it was shown and has not used is another layer's now, and will come
  /// again through that one. A layer that remembers how far it had looked forgets it here.
  virtual void unused_taken() {}
  /// A limit ran out, and begins again. By default that is the end: ended_by::timeout; of a write
  /// stall at once, for what was written cannot be flushed.
  virtual void timed_out(time_limit which, clock_duration after);
  /// The time of wake_at() has come.
  virtual void woken() {}

  // ---- orders from above. By default they are passed on.
  virtual void write(slice bytes) { write_below(static_cast<slice&&>(bytes)); }
  /// Flush, then say our end of the stream; what the peer sends still comes.
  virtual void finish() { finish_below(); }
  /// False: its protocol cannot say its end and still read (TLS before 1.3 cannot). Then the whole
  /// stack cannot: finish() is never called, and connection::can_finish says so to the user.
  virtual bool can_finish() const noexcept { return true; }
  /// Flush, then end. What was written before it has been written.
  virtual void close(ended_by how) { close_below(how); }
  /// End now, and let the peer see that it is no good end.
  virtual void abort(ended_by how) { abort_below(how); }

  // ---- for received()
  static take all(const slice& in) noexcept { return {in.size(), 0, true}; }
  /// Nothing used: shown again when there is room above. (While there is some: nothing used.)
  take wait() noexcept;
  /// In eof(): how many bytes were shown and not used.
  std::uint32_t unused() const noexcept;
  /// In attached(): the most that take::need will ask for. 64 KiB if nothing is said; more than
  /// that unused, or asked for, is this layer's failure.
  void may_need(std::uint32_t bytes) noexcept;

  // ---- upward
  /// Counted when sent; may be called while there is no room, up to twice the usual high mark
  /// (64 KiB); past that it throws std::length_error.
  void send_up(slice bytes);
  bool room_above() noexcept;
  void established_above();
  void eof_above();

  // ---- downward
  /// Accepted without room up to twice the usual high mark (64 KiB); past that it throws
  /// std::length_error.
  void write_below(slice bytes);
  /// The same for what belongs together: if there is room for the first, all of it goes.
  void write_below(slice* parts, std::size_t n);
  /// In write(): the end of what it was given, or a whole frame, that is not to go yet. It is given
  /// again, before all else, once there is room below and no hold (pause_out) lasts. To put back
  /// all of it and to hold nothing is this layer's failure.
  void put_back(slice rest);
  bool room_below() noexcept;
  void finish_below();
  /// Can all layers below say their end and still read?
  bool can_finish_below() const noexcept;
  void close_below(ended_by how);
  void abort_below(ended_by how);
  /// What comes is not looked at any more, what was written is flushed, and then the stack ends.
  /// The first layer that says so is the one in the close record.
  void end(ended_by how, std::error_code why = {});
  /// What comes is not looked at any more: it is at a bad end. Who talks with the top gets what was
  /// sent up before this, then connection_lost; what is written until it closes, for at most 5 s,
  /// still comes here and goes out. Then the stack ends, as with end().
  void end_input(ended_by how, std::error_code why = {});

  // ---- what is known of the connection
  /// Left by layers below, for those above and the task; of the whole stack.
  creche::facts& facts();
  /// The other side: what a layer below has left, or else the socket's. Of a transport without
  /// addresses empty.
  endpoint peer() const;
  /// The peer is waited for, and nothing is in hand: at a listener's cap such a connection may go,
  /// the longest idle first. Not so unless it is said.
  void idle(bool on) noexcept;

  // ---- flow. A hold belongs to this layer's loop, and vanishes with the layer.
  /// Shown nothing until it is released. `why` is static text.
  [[nodiscard]] hold pause_in(const char* why) noexcept;
  /// Given nothing to write until it is released: the layers above wait.
  [[nodiscard]] hold pause_out(const char* why) noexcept;
  /// Shown what is there, in a turn of its own: after a change that makes received() answer
  /// otherwise.
  void look_again() noexcept;

  // ---- live edits: of a stack that was opened from a value. Made when the handler that asks for
  // it has returned: what it has not used then is the new layer's. What was written before goes as
  // it is, what is written after through the new one. Throws std::invalid_argument, with a
  // sentence, if that does not fit, std::logic_error for a second one before the first is made.
  /// Layers between this one and the one below. They are told established(), and this layer is not
  /// told again: hold what you write (pause_out) if they have a handshake of their own.
  void insert_below(any_stack stack);
  /// These in this one's place. Orders that it was not given yet are theirs.
  void replace_with(any_stack stack);
  /// The two neighbours go on without this layer.
  void remove();
  /// True: a task that removes or replaces this layer waits until it has called may_leave(). Asked
  /// when all that was written before has been given to it; then leave() is told.
  virtual bool leaves_slowly() const noexcept { return false; }
  /// Says its goodbye. Until may_leave() it is shown what comes, and is given nothing to write.
  virtual void leave() {}
  /// The edit is made; what it has not used is its successor's.
  void may_leave() noexcept;

  // ---- time
  /// From now on; no_limit: none. Costs a comparison per turn and a timer per layer, however many
  /// limits there are and however many bytes flow. Zero: runs out
  /// at once, in a turn of its own, and once. Less throws std::invalid_argument.
  void limit(time_limit which, time_span time);
  /// woken() is called then, in a turn of its own, and once; at once if that was before now(). In
  /// place of what was asked for before; time_point::max(): not at all. Shares the limits' timer.
  void wake_at(time_point when);

private:
  friend class internal::user_layer;
  internal::user_layer& shell() const;
  internal::user_layer* shell_ = nullptr;
};

} // namespace creche
