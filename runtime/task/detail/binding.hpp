// binding.hpp: what a task_local is bound to, as a list that tasks share.
//
// Each binding points to the one that was bound around it, so the newest stands for all. A child
// shares its starter's newest binding, and what it binds itself is seen by nobody else.
#pragma once

#include "runtime/memory/counted.hpp"

namespace creche::internal {
struct task_record;
}

namespace creche::detail {

struct binding : counted<binding> {
  const void* const key;    // of the task_local
  binding* older = nullptr; // owned

  explicit binding(const void* its_key) noexcept : key(its_key) {}
  virtual ~binding() = default;
  /// Goes along the list, so that a long one needs no deep stack.
  void dispose() noexcept;
};
using binding_ptr = counted_ptr<binding>;

/// The newest one of the running task; null outside tasks, or if nothing is bound.
binding* current_bindings() noexcept;

/// Binds for as long as it lives. In a frame of a task.
class bound_here {
public:
  explicit bound_here(binding* taken) noexcept;
  bound_here(const bound_here&) = delete;
  ~bound_here();

private:
  internal::task_record* record_; // null outside tasks
};

} // namespace creche::detail
