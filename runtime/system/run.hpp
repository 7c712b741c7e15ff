// run.hpp: from main() into a root nursery and back.
//
// run() starts loops and CAF's system, runs `main(nursery&)` as the body of the root nursery, and
// returns when the whole tree has ended. The calling thread keeps the watch meanwhile: it takes
// signals, notices loops that are stuck in a handler, and prints the tree even then.
#pragma once

#include "runtime/loop/detail/asio_check.hpp"
#include "runtime/messages/ledger.hpp"
#include "runtime/supervision/nursery.hpp"

#include <optional>
#include <source_location>
#include <string>
#include <string_view>

namespace creche {

struct run_options {
  std::string_view name = "app"; ///< the root of every path
  /// Threads with a loop. 0: one for each CPU that the affinity mask and the CPU quota of the
  /// control group allow.
  unsigned loops = 0;
  creche::budget budget{};                                  ///< of the root nursery
  creche::strategy strategy = strategy::one_for_one;        ///< the same
  creche::auto_shutdown auto_shutdown = auto_shutdown::any; ///< the same
  /// creche: SIGINT or SIGTERM once drains, twice cancels, three times exits with 130; SIGUSR1
  /// prints the tree on standard error. none: signals are left alone.
  enum class signals_are { creche, none } signals = signals_are::creche;
  // The phases of the root's stop; a signal, nursery::stop or a failure begins it.
  time_span drain = std::chrono::seconds(10); ///< the orderly stop; then all are cancelled
  time_span cancel = std::chrono::seconds(5); ///< then all are killed
  /// Then those of its own children that are on another loop are abandoned. If the tree does not
  /// end by that, or an abandoned one still keeps its loop as long again, it is printed and the
  /// process ends.
  time_span kill = std::chrono::seconds(1);
  bool log = true; ///< failures and restarts on standard error, as they happen
};

class run_result {
public:
  enum class kind : std::uint8_t {
    completed,
    interrupted, ///< by a signal; no failure
    failed,
  };

  run_result(kind how_it_ended, std::vector<failure> failures, int signal, bool hurried,
             creche::ledger counts = {});

  run_result::kind how() const noexcept { return kind_; }
  /// Of every letter, after the end.
  const creche::ledger& ledger() const noexcept { return ledger_; }
  const failure_group* failures() const noexcept { return failures_ ? &*failures_ : nullptr; }
  /// 0: completed, or drained after one signal. 1: failed. 128 + signal: the drain was cut short,
  /// by a second signal or because it took too long.
  int exit_code() const noexcept;
  /// For the end of main(): prints the failure chains on standard error; after a drain that was cut
  /// short ends the process by the signal; otherwise returns exit_code().
  int finish() const;

private:
  kind kind_;
  bool hurried_;
  int signal_;
  std::optional<failure_group> failures_;
  creche::ledger ledger_;
};

namespace detail {

struct root_body {
  task<> (*invoke)(void* main, nursery& n);
  void* main;
};
run_result run_root(const run_options& options, root_body body, std::source_location where);

template <class F> root_body root_body_of(F& body) noexcept {
  static_assert(std::is_invocable_r_v<task<>, F&, nursery&>,
                "run(main): main is called with the root nursery& and returns a task<>");
  return {[](void* main, nursery& n) { return (*static_cast<F*>(main))(n); },
          const_cast<void*>(static_cast<const void*>(std::addressof(body)))};
}

} // namespace detail

/// Blocks until the tree has ended. Several may run in one process, on threads of their own,
/// without knowing of each other; then at most one of them may handle signals. Throws
/// std::invalid_argument for options that make no sense.
template <class F>
run_result run(run_options options, F main,
               std::source_location where = std::source_location::current()) {
  if constexpr (std::is_function_v<std::remove_pointer_t<F>>) {
    auto call = [main](nursery& n) { return main(n); };
    return detail::run_root(options, detail::root_body_of(call), where);
  } else {
    return detail::run_root(options, detail::root_body_of(main), where);
  }
}

} // namespace creche
