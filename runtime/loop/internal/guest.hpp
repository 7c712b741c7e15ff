// guest.hpp: how a loop lives on an io_context that somebody else runs.
//
// The first thread that runs one of its handlers becomes the loop's, for as long as the loop lives:
// also the user's own handlers are at home there. One burst a handler, and the next one is posted
// behind what else is ready; between bursts one timer of asio's stands for the wheel.
// Home thread, except for what says "any thread".
#pragma once

#include "runtime/loop/internal/handler_slot.hpp"
#include "runtime/loop/internal/loop.hpp"

#include <asio/steady_timer.hpp>

#include <functional>
#include <optional>
#include <thread>

namespace creche::internal {

class guest : public std::enable_shared_from_this<guest> {
public:
  guest(loop& on, asio::io_context& io) : loop_(&on), io_(io), alarm_(io) {}

  /// Any thread. Called by the thread that took the loop out of its sleep.
  void post_burst();
  /// Called after every burst; true if the loop has ended, and this was its last one.
  std::function<bool(bool more)> after_burst;
  /// There shall be a burst at that time, whatever the wheel says; the past: never.
  void look_again(time_point at) noexcept { again_ = at; }
  /// The loop has gone: handlers that are still queued do nothing.
  void leave();

  /// The thread that became the loop's, or none yet. Any thread.
  std::thread::id thread() const noexcept { return thread_.load(); }

private:
  void burst();
  void be_home();
  void rest();

  loop* loop_; // null when it has gone
  asio::io_context& io_;
  handler_slot posted_, waiting_;
  std::optional<asio::steady_timer> alarm_;
  time_point alarm_at_ = time_point::max(), again_{};
  std::atomic<std::thread::id> thread_{};
};

} // namespace creche::internal
