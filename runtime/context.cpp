#include "runtime/context.hpp"

#include "runtime/internal/task_actor.hpp"

namespace creche {

context context::here() noexcept {
  context c;
  if (auto* t = internal::task_actor::current()) {
    c.bindings_ = detail::current_bindings();
    detail::binding::hold(c.bindings_);
    c.deadline_ = t->effective_deadline();
  }
  return c;
}

context::adopted::adopted(detail::binding* b) noexcept : record_(nullptr) {
  auto* t = internal::task_actor::current();
  auto* r = t ? t->record() : nullptr;
  if (!r) return;
  detail::binding::hold(b);
  own_ = std::exchange(r->bindings, b);
  record_ = r;
}

context::adopted::~adopted() {
  if (auto* r = static_cast<internal::child_record*>(record_))
    detail::binding::drop(std::exchange(r->bindings, own_));
}

} // namespace creche
