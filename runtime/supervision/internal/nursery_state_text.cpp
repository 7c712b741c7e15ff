// nursery_state, continued: its words as text.
#include "runtime/supervision/internal/nursery_state.hpp"

namespace creche {

std::string_view to_text(nursery_state::order order) noexcept {
  switch (order) {
  case nursery_state::order::launch: return "launch";
  case nursery_state::order::stop: return "stop";
  case nursery_state::order::cancel: return "cancel";
  case nursery_state::order::kill: return "kill";
  case nursery_state::order::abandon: return "abandon";
  case nursery_state::order::wait_until: return "wait_until";
  case nursery_state::order::forget_timer: return "forget_timer";
  case nursery_state::order::wait: return "wait";
  case nursery_state::order::rest: return "rest";
  case nursery_state::order::forget: return "forget";
  case nursery_state::order::report: return "report";
  case nursery_state::order::cancel_body: return "cancel_body";
  case nursery_state::order::kill_body: return "kill_body";
  case nursery_state::order::finish: return "finish";
  }
  return "unknown";
}

std::string_view to_text(nursery_state::verdict verdict) noexcept {
  switch (verdict) {
  case nursery_state::verdict::restarting: return "restarting";
  case nursery_state::verdict::ignored: return "ignored";
  case nursery_state::verdict::escalated: return "escalated";
  case nursery_state::verdict::collected: return "collected";
  }
  return "unknown";
}

std::string_view to_text(nursery_state::phase phase) noexcept {
  switch (phase) {
  case nursery_state::phase::open: return "open";
  case nursery_state::phase::draining: return "draining";
  case nursery_state::phase::cancelling: return "cancelling";
  case nursery_state::phase::killing: return "killing";
  case nursery_state::phase::finished: return "finished";
  }
  return "unknown";
}

std::string_view to_text(nursery_state::child_phase phase) noexcept {
  switch (phase) {
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
