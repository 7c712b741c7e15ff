#include "runtime/supervision/child_spec.hpp"

#include "runtime/supervision/internal/task_actor.hpp"

#include <algorithm>
#include <stdexcept>

namespace creche {

child_spec::~child_spec() { delete plan_; }

detail::plan& child_spec::made() const {
  if (!plan_) throw std::logic_error("child_spec: it was used up by start()");
  return *plan_;
}

std::string_view child_spec::name() const noexcept {
  return plan_ ? std::string_view(plan_->name) : std::string_view();
}

child_spec&& child_spec::restart(creche::restart policy) && {
  made().rules.restart = policy;
  return std::move(*this);
}
child_spec&& child_spec::backoff(creche::backoff wait) && {
  made().rules.backoff = wait;
  return std::move(*this);
}
child_spec&& child_spec::stop_within(time_span limit) && {
  made().rules.stop_within = limit;
  return std::move(*this);
}
child_spec&& child_spec::cancel_within(time_span limit) && {
  made().rules.cancel_within = limit;
  return std::move(*this);
}
child_spec&& child_spec::ready_within(time_span limit) && {
  made().rules.ready_within = limit;
  return std::move(*this);
}
child_spec&& child_spec::domain(failure_domain& shared) && {
  made().rules.domain = &shared;
  return std::move(*this);
}
child_spec&& child_spec::on_restart(restart_mail choice) && {
  made().on_restart = choice;
  return std::move(*this);
}
child_spec&& child_spec::ignore_failure() && {
  made().rules.ignore_failure = true;
  return std::move(*this);
}
child_spec&& child_spec::significant() && {
  made().rules.significant = true;
  return std::move(*this);
}
child_spec&& child_spec::mailbox_limit(std::uint32_t messages) && {
  made().mailbox = messages;
  return std::move(*this);
}
child_spec&& child_spec::mailbox_bytes(std::size_t bytes) && {
  constexpr std::size_t most = std::size_t(1) << 34;
  made().mailbox_units = std::uint32_t(std::min(bytes, most) / 16);
  return std::move(*this);
}
child_spec&& child_spec::on(placement place) && {
  made().where = place;
  return std::move(*this);
}
void child_spec::add_need(std::string_view sibling) { made().after.emplace_back(sibling); }

namespace detail {

void fail_null_function() { throw std::invalid_argument("a child's function is a null pointer"); }

internal::child_actor* plan::make(internal::child_record& record) {
  return internal::make_resident<internal::task_actor>(*home, &record);
}

} // namespace detail
} // namespace creche
