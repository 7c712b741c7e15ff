// memory.hpp: transports without a socket: a pair of ends, or a wire whose other end the test
// holds.
//
//   auto ends = memory_pair({.to_b = {.split = 1, .reset_at = 100}});
//   auto a = co_await open(n, ends.a / lines(line_end::lf));
//   auto b = co_await open(n, ends.b / lines(line_end::lf));
//
// Deterministic on the virtual clock. All of it belongs to one loop, that of the stacks.
#pragma once

#include "actors/stack/stack.hpp"
#include "runtime/time/clock.hpp"

#include <string>
#include <string_view>

namespace creche::testing {

/// What goes wrong on the way to one end. Bytes are counted from the first one on.
struct faults {
  static constexpr std::size_t never = ~std::size_t{0};
  std::size_t split = never;       ///< in pieces of at most so many bytes
  time_span delay{};               ///< every piece comes so much later
  std::size_t drop_at = never;     ///< from this byte on ...
  std::size_t drop_bytes = never;  ///< ... so many are lost, and nobody is told
  std::size_t truncate_at = never; ///< after so many bytes comes the end of the stream
  std::size_t reset_at = never;    ///< after so many bytes the connection is reset
};

/// Where the two ends stand to each other.
struct memory_options {
  faults to_a{}, to_b{};
  std::size_t capacity = 64 * 1024; ///< bytes that lie between them, in each direction
  /// No more than one packet is under way, from a write until the layer above the other end has
  /// used it: as little buffering as can be. Finds deadlocks.
  bool lockstep = false;
};

/// Each end is opened once.
struct memory_ends {
  stack_of<no_speech, octets> a, b;
};
memory_ends memory_pair(const memory_options& o = {});
inline memory_ends lockstep_pair(memory_options o = {}) {
  o.lockstep = true;
  return memory_pair(o);
}

namespace detail {
struct memory_link;
}

/// A transport whose peer is the test. Outlives its stack.
class memory_wire {
public:
  static constexpr std::size_t no_end = ~std::size_t{0};

  explicit memory_wire(bool lockstep = false);
  memory_wire(const memory_wire&) = delete;
  ~memory_wire();
  /// The transport; opened once.
  stack_of<no_speech, octets> transport();

  // ---- what the peer does
  /// It is not connected until connect() is called.
  void connect_later() noexcept;
  void connect();
  void feed(std::string_view bytes); ///< one packet
  void eof();
  void reset();
  /// It takes so many bytes more; no_end, as in the beginning: all.
  void take(std::size_t n);
  /// The transport itself fails: throws in its next turn.
  void fail();

  // ---- what it sees
  const std::string& got() const noexcept; ///< all that the stack has sent
  std::size_t given() const noexcept;      ///< bytes that the stack took from what was fed
  bool finished() const noexcept;          ///< the stack has said its end; it may still read
  std::size_t late() const noexcept;       ///< bytes that it wrote behind that; they are lost
  bool closed() const noexcept;            ///< flushed, and ended
  bool aborted() const noexcept;
  bool over() const noexcept;    ///< the transport lives no more
  ended_by how() const noexcept; ///< as it was told to end, or how it ended

private:
  creche::detail::shared<detail::memory_link> link_;
  detail::memory_link& state() const noexcept;
};

} // namespace creche::testing
