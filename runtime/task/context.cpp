#include "runtime/task/context.hpp"

#include "runtime/task/detail/frame.hpp"

namespace creche {

context context::here() noexcept {
  context found;
  if (auto* run = detail::task_run::current_run()) {
    found.bindings_ = detail::binding_ptr::share(detail::current_bindings());
    found.deadline_ = run->effective_deadline();
  }
  return found;
}

context::adopted::adopted(detail::binding_ptr bindings) noexcept {
  auto* run = detail::task_run::current_run();
  if (!run) return;
  record_ = &run->own_record();
  own_ = std::exchange(record_->bindings, bindings.detach());
}

context::adopted::~adopted() {
  if (!record_) return;
  const detail::binding_ptr others(std::exchange(record_->bindings, own_));
}

} // namespace creche
