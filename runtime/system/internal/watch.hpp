// watch.hpp: the thread that waits for signals and looks after the loops from outside.
#pragma once

#include "runtime/system/internal/root.hpp"

#include <csignal>

namespace creche::internal {

class watch {
public:
  /// Blocks creche's signals in this thread, and so in all threads it starts. Throws
  /// std::system_error.
  explicit watch(const run_options& options);
  /// In somebody else's process: takes no signals, and ends nothing but the tree.
  struct in_a_guest {};
  watch(const run_options& options, in_a_guest);
  ~watch();
  watch(const watch&) = delete;

  /// Any thread: the root has ended.
  void root_ended() noexcept;
  /// Before keep(), which must not fail.
  void expect(std::size_t loops) { seen_.resize(loops); }
  /// Keeps the watch until then. Ends the process when the root does not end in time; in a guest it
  /// says so, and goes on.
  void keep(runtime_system& system, root_nursery& root);

  int signal() const noexcept { return signal_; }
  /// What was asked for in good order was cut short by a second signal.
  bool hurried() const noexcept { return signals_ > 1; }

private:
  watch(const run_options& options, bool guest);
  struct loop_seen {
    std::uint64_t bursts = 0;
    time_point since{};
    bool told = false;
  };
  void on_signal(int signo, runtime_system& system, root_nursery& root);
  void look_at_loops(runtime_system& system);
  void look_at_deadlines(runtime_system& system, root_nursery& root);
  static void print_what_is_left(runtime_system& system);

  const run_options options_;
  const bool guest_;
  bool overran_ = false; // and it was said
  sigset_t before_{};
  int signal_fd_ = -1, ended_fd_ = -1;
  int signal_ = 0;
  unsigned signals_ = 0;
  time_point phase_ends_ = time_point::max();
  std::vector<loop_seen> seen_;
};

} // namespace creche::internal
