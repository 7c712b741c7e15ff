// task_record.hpp: what a task shares with the record that its nursery keeps of it, which outlives
// the task and its restarts.
#pragma once

#include <atomic>

namespace creche::detail {
struct binding;
}

namespace creche::internal {

struct task_record {
  detail::binding* bindings =
      nullptr; // of task_locals; owned by the record; the task's home thread
  /// Somebody, on some thread, wants it cancelled. It is looked at before every message and at
  /// every checkpoint, so that nothing runs after a cancel, whichever thread it came from.
  std::atomic<bool> cancel_asked{false};
};

} // namespace creche::internal
