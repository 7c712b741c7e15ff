#include "runtime/task/task_local.hpp"

#include "runtime/task/detail/frame.hpp"

namespace creche::detail {

void binding::dispose() noexcept {
  for (auto* at = this;;) {
    auto* next = at->older;
    delete at;
    if (!next || !next->gave_up_last()) return;
    at = next;
  }
}

binding* current_bindings() noexcept {
  auto* run = task_run::current_run();
  return run ? run->own_record().bindings : nullptr;
}

bound_here::bound_here(binding* taken) noexcept : record_(nullptr) {
  auto* run = task_run::current_run();
  if (!run) {
    taken->release();
    return;
  }
  record_ = &run->own_record();
  taken->older = std::exchange(record_->bindings, taken);
}

bound_here::~bound_here() {
  if (!record_) return;
  auto* bound = record_->bindings;
  record_->bindings = bound->older;
  if (bound->older) bound->older->add_ref(); // children may share `bound`, which keeps its own
  bound->release();
}

} // namespace creche::detail
