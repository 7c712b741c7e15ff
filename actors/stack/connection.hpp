// connection.hpp: a stack that was opened, as the task sees it that talks with its top.
//
//   auto s = tcp("127.0.0.1:80") / lines(line_end::crlf);
//   auto c = co_await open(n, s);
//   co_await c.send("HELO me");
//   while (auto line = co_await c.frames().next()) ...
//
// The stack is a child of the nursery: it ends before the nursery does, and is cancelled with it.
// On the loop of that nursery; one thread.
#pragma once

#include "actors/stack/close_record.hpp"
#include "actors/stack/facts.hpp"
#include "actors/stack/flush_level.hpp"
#include "actors/stack/stack.hpp"
#include "runtime/supervision/child.hpp"
#include "runtime/supervision/nursery.hpp"
#include "runtime/task/detail/op.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace creche {

namespace internal {
class top_layer;
enum class edit_kind : std::uint8_t;
struct top_state;
} // namespace internal

/// The stack came to an end that was not the peer's or our own good one. code() is the record's
/// `why`, or what fits best.
class connection_lost final : public std::system_error {
public:
  explicit connection_lost(close_record record);
  const close_record& record() const noexcept { return *record_; }

private:
  detail::shared<close_record> record_; // exceptions are copied
};

/// What comes out of the top of a stack.
class incoming {
public:
  class next_awaiter;
  using next_op = detail::op<next_awaiter, internal::top_state*>;
  /// The next frame, whole, perhaps empty (of a stack that speaks octets: the next piece, as it
  /// came, never empty). nullopt: the peer has said its end, or the stack ended well; then send()
  /// may still go. What came before a bad end is given first, then connection_lost is thrown. While
  /// nobody asks, 64 KiB are kept and the peer is held. Of several that wait each gets another one.
  /// Checkpoint.
  next_op next() noexcept;
  /// What came, and nobody has asked for.
  std::size_t unread() const noexcept;

private:
  friend class connection;
  friend struct internal::top_state;
  explicit incoming(internal::top_state* state) noexcept : state_(state) {}
  internal::top_state* state_;
};

/// Movable. When it dies, the stack is closed: what was sent is flushed, what comes is dropped.
class connection {
public:
  connection(connection&& o) noexcept : in_(std::exchange(o.in_.state_, nullptr)) {}
  connection& operator=(connection&& o) noexcept {
    std::swap(in_.state_, o.in_.state_);
    return *this;
  }
  ~connection();

  incoming& frames() noexcept { return in_; }

  class send_awaiter;
  using send_op = detail::op<send_awaiter, internal::top_state*, slice>;
  /// Hands on a frame, or bytes, and waits first while there is no room below (64 KiB). A cancelled
  /// send has sent nothing. Throws connection_lost when the stack has ended, std::logic_error after
  /// finish() and close(). Checkpoint.
  send_op send(slice bytes) noexcept;
  send_op send(std::string_view text);

  class flushed_awaiter;
  using flushed_op = detail::op<flushed_awaiter, internal::top_state*, flush_level>;
  /// Waits until all that was sent before has come so far; what is sent meanwhile counts for later
  /// calls. (send() waits for room only.) Any number may wait. At `kernel`, tcp looks every 1 to 64
  /// ms, and only while a call is not answered. Throws connection_lost when the stack ends first.
  /// Checkpoint.
  flushed_op flushed(flush_level level = flush_level::stack) const noexcept;

  /// Flush, then say our end of the stream: what the peer still sends can be read, and nothing be
  /// sent any more. Idempotent; not a checkpoint. Throws std::logic_error, and has done nothing, if
  /// a layer's protocol knows no such thing: then close() is all there is.
  void finish();
  /// All layers that are there now can say their end and still read.
  bool can_finish() const noexcept;
  /// Flush, then end. What comes is dropped. Idempotent; not a checkpoint.
  void close() noexcept;
  /// End now, and let the peer see that it is no good end. Not a checkpoint.
  void abort() noexcept;
  /// Waits for the end of the stack. Checkpoint.
  [[nodiscard]] task<close_record> ended() const;

  // ---- live edits: the stack is changed while bytes flow (STARTTLS, CONNECT, an upgrade).
  // What was sent before goes as it is, what is sent after through the new layer. What came, and
  // the layer above the place has not used, is the new layer's: with read_ahead(false), exactly
  // what is behind the last frame that was read. Wait until bytes can flow through what is new.
  // Layers go by the names that the tree shows. Throw std::invalid_argument, with a sentence, if
  // there is no such layer or that does not fit, connection_lost when the stack ends first,
  // std::logic_error for a second one at the same time, and after finish() and close(). A cancelled
  // one may be made all the same. Checkpoints.
  [[nodiscard]] task<> insert_above(std::string layer, any_stack stack);
  [[nodiscard]] task<> insert_below(std::string layer, any_stack stack);
  [[nodiscard]] task<> replace(std::string layer, any_stack stack);
  [[nodiscard]] task<> remove(std::string layer);
  /// Makes the stack this one, with as few of these edits as it takes (stack_difference.hpp); what
  /// was made before one fails stays made. Checkpoint.
  [[nodiscard]] task<> change_to(any_stack stack);
  /// False: no frame is cut from what came before it is asked for with next(); what the peer sends
  /// early stays bytes. (True, as in the beginning: up to 128 KiB of frames wait.) Not a
  /// checkpoint.
  void read_ahead(bool on) noexcept;
  /// The stack as it is now; empty when it has ended.
  any_stack value() const;

  /// The other side, and ours. Of a transport without addresses, as one in memory, empty.
  endpoint peer() const;
  endpoint local() const;
  /// What its layers have left: TLS's names, a proxy's addresses. Stays after the end.
  const creche::facts& facts() const;
  /// The stack, as its nursery knows it.
  const child& stack() const noexcept;

private:
  friend class internal::top_layer;
  friend struct internal::top_state;
  explicit connection(internal::top_state* state) noexcept
      : in_(state) {} // takes over one reference
  task<> edit(internal::edit_kind kind, bool above, std::string layer, any_stack stack);
  static task<> edited(internal::top_state* state);
  incoming in_;
};

/// Opens a stack as a child of `n`, and waits until bytes can flow through all of its layers. A
/// stack that ends before that throws here, and is nobody else's failure. Later a layer that fails
/// (throws) fails the stack, and so the nursery; what the peer does never does. Throws
/// std::invalid_argument if its lowest layer is no transport. Checkpoint.
[[nodiscard]] task<connection> open(nursery& n, any_stack s, std::string name = {});

template <class Below, class Above>
[[nodiscard]] task<connection> open(nursery& n, const stack_of<Below, Above>& s,
                                    std::string name = {}) {
  static_assert(std::is_same_v<Below, no_speech>,
                "the lowest layer of a stack that is opened is a transport, like tcp(..)");
  static_assert(!std::is_same_v<Above, no_speech>,
                "there is nothing to say to the top layer of this stack: start it as a child");
  return open(n, static_cast<const any_stack&>(s), std::move(name));
}

/// The stack as a child to be started: for one whose top layer speaks to nobody (no_speech), or
/// that lives by itself: what comes out of its top is then dropped.
child_spec as_child(any_stack s, std::string name = "stack");

} // namespace creche

#include "actors/stack/detail/connection_awaiters.hpp"
