// embedded.hpp: a tree of creche's inside a program that has a main of its own.
//
// embed() makes one: in a caf::actor_system (caf.hpp), or on an asio::io_context (asio.hpp). It is
// run() without the parts that are the host program's: it takes no signal and does not block; a
// tree that does not end in time is reported, and the process goes on. As in run(), stop() gives
// way to a cancel after run_options::drain.
#pragma once

#include "runtime/memory/function.hpp"
#include "runtime/system/run.hpp"

#include <memory>

namespace creche {

namespace internal {
class embedding;
} // namespace internal

/// Owns the tree. Any thread, one at a time, except where it says otherwise. Moved from, it has
/// ended, and has no result.
class embedded {
public:
  explicit embedded(std::unique_ptr<internal::embedding> made) noexcept;
  embedded(embedded&&) noexcept;
  /// Cancels the tree and waits until it has ended. On the thread of the io_context it lives on, it
  /// runs that one meanwhile. Not within the tree itself.
  ~embedded();

  /// The orderly stop, then the cancel. Idempotent; any thread at any time.
  void stop() noexcept;
  void cancel() noexcept;
  /// Everything has ended. Any thread at any time.
  bool ended() const noexcept;
  /// Waits for that. Throws std::logic_error on a thread that the tree lives on, which would wait
  /// for itself: there, take embed()'s `on_end`; and of one that was moved from.
  const run_result& wait();

private:
  std::unique_ptr<internal::embedding> it_;
};

} // namespace creche
