#include "runtime/task_local.hpp"

#include "runtime/internal/task_actor.hpp"

namespace creche::detail {

void binding::drop(binding* b) noexcept {
  while (b && b->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    auto* older = b->older;
    delete b;
    b = older;
  }
}

binding* current_bindings() noexcept {
  auto* t = internal::task_actor::current();
  return t && t->record() ? t->record()->bindings : nullptr;
}

bound_here::bound_here(binding* b) noexcept : record_(nullptr) {
  auto* t = internal::task_actor::current();
  auto* r = t ? t->record() : nullptr;
  if (!r) {
    binding::drop(b);
    return;
  }
  b->older = std::exchange(r->bindings, b);
  record_ = r;
}

bound_here::~bound_here() {
  auto* r = static_cast<internal::child_record*>(record_);
  if (!r) return;
  auto* b = r->bindings;
  r->bindings = b->older;
  binding::hold(r->bindings); // `b` may be shared, and keeps its own
  binding::drop(b);
}

} // namespace creche::detail
