// nursery_state, continued: its rules and words as text.
#include "runtime/nursery_state.hpp"

namespace creche {

using order = nursery_state::order;

std::string_view complaint(const child_rules& r) noexcept {
  if (auto c = complaint(r.backoff); !c.empty()) return c;
  if (r.stop_within < clock_duration::zero()) return "stop_within is negative";
  if (r.cancel_within < clock_duration::zero()) return "cancel_within is negative";
  if (r.ready_within <= clock_duration::zero()) return "ready_within must be more than nothing";
  if (r.significant && r.restart == restart::permanent)
    return "it is significant, and permanent: it never ends for good";
  return {};
}

std::string_view complaint(const stop_limits& l) noexcept {
  for (auto d : {l.drain, l.cancel, l.kill})
    if (d < clock_duration::zero()) return "a limit of its stop is negative";
  return {};
}

std::string_view to_text(strategy s) noexcept {
  switch (s) {
  case strategy::one_for_one: return "one_for_one";
  case strategy::one_for_all: return "one_for_all";
  case strategy::rest_for_one: return "rest_for_one";
  }
  return "unknown";
}

std::string_view to_text(auto_shutdown a) noexcept {
  switch (a) {
  case auto_shutdown::never: return "never";
  case auto_shutdown::any: return "any";
  case auto_shutdown::all: return "all";
  }
  return "unknown";
}

std::string_view to_text(nursery_state::order o) noexcept {
  switch (o) {
  case order::launch: return "launch";
  case order::stop: return "stop";
  case order::cancel: return "cancel";
  case order::kill: return "kill";
  case order::abandon: return "abandon";
  case order::wait_until: return "wait_until";
  case order::forget_timer: return "forget_timer";
  case order::wait: return "wait";
  case order::rest: return "rest";
  case order::forget: return "forget";
  case order::report: return "report";
  case order::cancel_body: return "cancel_body";
  case order::kill_body: return "kill_body";
  case order::finish: return "finish";
  }
  return "unknown";
}

std::string_view to_text(nursery_state::verdict v) noexcept {
  switch (v) {
  case nursery_state::verdict::restarting: return "restarting";
  case nursery_state::verdict::ignored: return "ignored";
  case nursery_state::verdict::escalated: return "escalated";
  case nursery_state::verdict::collected: return "collected";
  }
  return "unknown";
}

std::string_view to_text(nursery_state::phase p) noexcept {
  switch (p) {
  case nursery_state::phase::open: return "open";
  case nursery_state::phase::draining: return "draining";
  case nursery_state::phase::cancelling: return "cancelling";
  case nursery_state::phase::killing: return "killing";
  case nursery_state::phase::finished: return "finished";
  }
  return "unknown";
}

std::string_view to_text(nursery_state::child_phase p) noexcept {
  switch (p) {
  case nursery_state::child_phase::gone: return "gone";
  case nursery_state::child_phase::running: return "running";
  case nursery_state::child_phase::waiting: return "waiting";
  case nursery_state::child_phase::done: return "done";
  case nursery_state::child_phase::draining: return "draining";
  case nursery_state::child_phase::cancelling: return "cancelling";
  case nursery_state::child_phase::killing: return "killing";
  }
  return "unknown";
}

} // namespace creche
