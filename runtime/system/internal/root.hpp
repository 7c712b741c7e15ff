// root.hpp: the root nursery of a system: made on loop 0, observed from the thread that runs it.
#pragma once

#include "runtime/system/internal/runtime_system.hpp"
#include "runtime/system/run.hpp"

#include <functional>

namespace creche::internal {

class root_nursery {
public:
  /// `on_end` is called on loop 0, once, when the whole tree has ended.
  root_nursery(runtime_system& system, const run_options& options, detail::root_body body,
               std::source_location where, std::function<void()> on_end);

  /// Any thread; nothing once it has ended.
  void stop();
  void cancel();
  bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
  /// When everything was cancelled; zero: it was not. Any thread.
  time_point cancelling_since() const noexcept {
    return time_point(clock_duration(cancelling_.load(std::memory_order_relaxed)));
  }
  /// Its orderly stop took longer than it may. After the end.
  bool overran() const noexcept { return overran_; }
  /// After the end of the loops, on which `left` actors did not end.
  run_result result(std::size_t left, int signal, bool hurried);
  std::vector<failure> take_failures() { return std::move(failures_); } // after the end

private:
  struct call {
    detail::root_body body;
    nursery* n;
  };
  void open() noexcept;
  // What it is told from outside needs no memory: its letters are here.
  struct order final : wakeup {
    root_nursery* of = nullptr;
    void (*obey)(nursery_actor&) = nullptr;
    std::atomic<bool> posted{false};
  };
  void post(order& given);
  void prepare(order& made, void (*obey)(nursery_actor&)) noexcept;
  nursery_actor* make();
  void begin(nursery_actor& root);

  runtime_system& system_;
  run_options options_;
  detail::root_body body_;
  std::source_location where_;
  std::function<void()> on_end_;
  std::vector<failure> failures_;
  bool overran_ = false;
  order stop_, cancel_;
  std::atomic<bool> ended_{false};
  std::atomic<std::int64_t> cancelling_{0};
};

/// Throws std::invalid_argument, in the name of `whose`, for options that make no sense.
void check(const run_options& options, std::string_view whose);
/// One loop per hardware thread, if nothing else is said; and the log.
system_options system_options_of(const run_options& options);
/// On standard error, as a line of the log.
void log_report(const report& news);

} // namespace creche::internal
