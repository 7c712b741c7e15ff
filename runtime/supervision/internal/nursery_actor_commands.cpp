// nursery_actor, continued: the commands of its nursery_state, carried out.
#include "runtime/supervision/failure_domain.hpp"
#include "runtime/supervision/internal/nursery_actor.hpp"
#include "runtime/supervision/internal/ready_slot.hpp"
#include "runtime/supervision/internal/spenders.hpp"
#include "runtime/supervision/internal/supervised_system.hpp"
#include "runtime/supervision/internal/task_actor.hpp"
#include "runtime/task/scope.hpp"

#include <algorithm>
#include <mutex>

namespace creche::internal {

namespace {

using order = nursery_state::order;

// The memory of commands that were carried out, for the next nursery of this thread that has some.
thread_local nursery_state::commands spare_commands;

void keep_memory_of(nursery_state::commands& done) noexcept {
  done.clear();
  if (spare_commands.capacity() < done.capacity()) spare_commands.swap(done);
  if (done.capacity() != 0) nursery_state::commands().swap(done);
}

} // namespace

nursery_state::commands& nursery_actor::todo() noexcept {
  if (todo_.capacity() == 0) todo_.swap(spare_commands);
  return todo_;
}

// Commands may cause events (a factory that throws); what these command comes after.
void nursery_actor::carry_out() {
  if (std::exchange(carrying_out_, true)) return;
  const auto phase = state_.current_phase();
  if (phase != phase_.load(std::memory_order_relaxed)) {
    phase_.store(phase, std::memory_order_relaxed);
    if (phase == nursery_state::phase::cancelling && rare_ && rare_->on_cancelling)
      rare_->on_cancelling();
  }
  for (std::size_t i = 0; i < todo_.size(); ++i) {
    const auto command = todo_[i];
    if (command.what == order::finish) {
      keep_memory_of(todo_);
      return over(command.ended); // nothing comes after it
    }
    carry_out(command);
  }
  keep_memory_of(todo_);
  carrying_out_ = false;
}

void nursery_actor::carry_out(const nursery_state::command& command) {
  if (command.what == order::report) {
    if (command.spends) note_spender(*table_[command.child]);
    return report_end(command);
  }
  if (command.child == nursery_state::none) return carry_out_own(command);
  auto& record = *table_[command.child];
  if (command.spends) note_spender(record);
  switch (command.what) {
  case order::launch: return launch(record, command.incarnation);
  case order::stop:
    record.state.store(child_state::draining, std::memory_order_relaxed);
    if (record.actor) record.actor->order_stop();
    return;
  case order::cancel:
    record.state.store(child_state::cancelling, std::memory_order_relaxed);
    if (!record.actor) return;
    if (&record.actor->home() != &home_) tell_reason(record); // those below it cannot look here
    return record.actor->order_cancel();
  case order::kill:
    record.state.store(child_state::killing, std::memory_order_relaxed);
    if (record.actor) record.actor->order_kill();
    return;
  case order::abandon: return abandon(record);
  case order::wait_until: return set_timer(record, command);
  case order::forget_timer: return forget_timer(record);
  case order::wait: return begin_to_wait(record);
  case order::rest:
    record.end.store(how::completed, std::memory_order_relaxed);
    record.state.store(child_state::done, std::memory_order_release);
    return record.waits.end();
  case order::forget: return forget(record, command.ended);
  default: return; // not of a child
  }
}

void nursery_actor::carry_out_own(const nursery_state::command& command) {
  switch (command.what) {
  case order::cancel_body:
    if (scope_) return scope_->cancel();
    if (!body()) return on_close();
    if (body()->actor) body()->actor->order_cancel();
    return;
  case order::kill_body:
    if (scope_) return scope_->kill();
    if (body() && body()->actor) body()->actor->order_kill();
    return;
  case order::wait_until: {
    auto& timer = rare().timer;
    if (!timer) {
      timer = std::make_unique<stop_timer>();
      timer->of = this;
      timer->fire = [](creche::timer& fired) {
        const bookkeeping books;
        auto& self = *static_cast<stop_timer&>(fired).of;
        self.state_.due(nursery_state::none, 0, self.home_.now(), self.todo());
        self.carry_out();
      };
    }
    home_.disarm(*timer);
    home_.arm(*timer, command.when);
    stop_ends_.store(command.when.time_since_epoch().count(), std::memory_order_relaxed);
    return;
  }
  case order::forget_timer:
    home_.disarm(*rare().timer);
    stop_ends_.store(0, std::memory_order_relaxed);
    return;
  default: return; // of a child
  }
}

// ---- of a child

void nursery_actor::launch(child_record& record, std::uint32_t incarnation) {
  if (incarnation != record.incarnation && record.incarnation != 0)
    record.restarts.fetch_add(1, std::memory_order_relaxed);
  record.incarnation = incarnation;
  if (record.plan && record.plan->wants_ready && !record.slot)
    record.slot = detail::ready_slot::make(*this, record);
  record.state.store(record.slot ? child_state::starting : child_state::running,
                     std::memory_order_relaxed);
  if (record.past && !record.past->waits_for.empty()) {
    std::lock_guard hold(home_.tree());
    record.past->waits_for.clear();
  }
  if (!record.actor) {
    try {
      const bookkeeping::pause theirs;
      auto* made = record.plan->make(record);
      std::lock_guard hold(home_.tree());
      record.actor = made;
    } catch (...) {
      return not_launched(record, failure::from(std::current_exception(), record.path(), where_));
    }
  }
  record.hand_over_mail();
  if (&record.actor->home() != &home_) record.history().deadline_outside = deadline_around();
  record.actor->order_start();
  if (told_to_stop_) record.actor->tell_of_stop();
}

void nursery_actor::not_launched(child_record& record, failure why) {
  {
    std::lock_guard hold(home_.tree());
    record.history().last_failure = std::move(why);
  }
  nursery_state::ending end = how::failed;
  end.observed = record.observers > 0;
  const bool open = state_.current_phase() == nursery_state::phase::open;
  const auto dependents = dependents_of(record);
  const auto told = state_.ended(record.id, record.incarnation, end, home_.now(), todo());
  if (open) explain_end(record, told, dependents);
  tell_starter(record, told);
}

void nursery_actor::set_timer(child_record& record, const nursery_state::command& command) {
  std::lock_guard hold(home_.tree());
  auto& past = record.history();
  home_.disarm(past);
  past.incarnation = command.incarnation;
  past.next = command.when;
  past.waits_for.clear();
  home_.arm(past, command.when);
  if (state_.phase_of(command.child) == nursery_state::child_phase::waiting)
    record.state.store(child_state::waiting, std::memory_order_relaxed);
}

void nursery_actor::forget_timer(child_record& record) {
  if (!record.past) return;
  home_.disarm(*record.past);
  std::lock_guard hold(home_.tree());
  record.past->next = time_point::max();
}

void nursery_actor::begin_to_wait(child_record& record) {
  std::lock_guard hold(home_.tree());
  if (const auto of = state_.waits_for(record.id); of != nursery_state::none)
    record.history().waits_for = table_[of]->name();
  if (record.past) record.past->next = home_.now();
  if (record.state.load(std::memory_order_relaxed) == child_state::done) record.waits.begin();
  record.state.store(child_state::waiting, std::memory_order_relaxed);
}

// It stays where it is, borrows nothing, and tells the system when it has ended.
void nursery_actor::abandon(child_record& record) {
  failure why(errc::stuck, "abandoned: neither a cancel nor a kill ended it in time", record.path(),
              where_);
  if (record.actor) {
    record.actor->order_abandon(record.path());
    system_of(home_).room.refuse(record); // nobody comes to wait any more
  }
  std::lock_guard hold(home_.tree());
  record.history().last_failure = std::move(why);
}

void nursery_actor::report_end(const nursery_state::command& command) {
  auto* record = command.child == nursery_state::none ? nullptr : table_[command.child];
  auto why = record  ? (record->past ? record->past->last_failure : std::nullopt)
             : rare_ ? rare_->body_failure
                     : std::nullopt;
  if (!is_failure(command.ended)) why = std::nullopt; // of an earlier life
  if (command.over_budget) {
    const auto* domain = record->plan ? record->plan->rules.domain : nullptr;
    failure spent(errc::budget_exhausted,
                  exhausted_text(domain ? domain->limit() : state_.budget()) +
                      spent_text(domain ? domain->spenders() : rare().spenders),
                  record->path(), where_);
    why = why ? spent.because(*why) : spent;
  }
  if (!why) why = failure(errc::unknown, "ended", record ? record->path() : path(), where_);
  using verdict = nursery_state::verdict;
  if (command.then == verdict::escalated || command.then == verdict::collected)
    rare().failures.push_back(*why);
  const auto delay = command.then == verdict::restarting
                         ? std::max(command.when - home_.now(), clock_duration::zero())
                         : clock_duration::zero();
  system_of(home_).tell({*why, command.then, record ? record->restarts.load() : 0, delay});
}

void nursery_actor::note_spender(const child_record& record) {
  auto* domain = record.plan ? record.plan->rules.domain : nullptr;
  if (domain)
    domain->note_spender(record.path());
  else
    keep_last(rare().spenders, record.name(), state_.budget().restarts);
}

void nursery_actor::forget(child_record& record, how end) {
  record.end.store(end, std::memory_order_relaxed);
  if (end == how::cancelled && !record.has_one_reference()) tell_reason(record);
  if (record.past) home_.disarm(*record.past);
  tell_starter(record, how::cancelled); // it was never launched
  if (counts_names()) note_name(record, false);
  if (record.plan && !record.abandoned) record.plan->let_go(); // or it still runs
  on_forget(record);
  bool wanted = record.keeps_mail();
  {
    std::lock_guard hold(home_.tree());
    table_[record.id] = nullptr;
    record.nursery = nullptr; // from now on nobody can begin to wait for room
    wanted = wanted || (record.actor && record.actor->load().is_wanted());
  }
  if (wanted) system_of(home_).room.refuse(record);
  if (record.keeps_mail()) record.drop_mail();
  record.state.store(child_state::ended, std::memory_order_release);
  record.waits.end();
  record.release();
}

void nursery_actor::tell_reason(child_record& record) {
  if (record.past && record.past->cancel_reason) return; // its own
  auto why = why_cancelled();
  if (!why) return;
  std::lock_guard hold(home_.tree());
  record.history().cancel_reason = std::move(why);
}

// ---- what its children are inside of

// A nursery that is a child itself has no scope: then it is in that of its own nursery.
const detail::boundary* nursery_actor::scope_around(const child_record* child,
                                                    time_point& known) noexcept {
  while (child) {
    if (!child->nursery_home || !child->nursery_home->at_home()) {
      known = child->deadline_outside();
      return nullptr;
    }
    if (child->slot) known = std::min(known, child->slot->deadline_of_starter());
    const auto* nursery = child->nursery;
    if (!nursery || nursery->scope_) return nursery ? nursery->scope_ : nullptr;
    child = nursery->record();
  }
  return nullptr;
}

std::optional<failure> nursery_actor::own_reason() const {
  if (rare_ && rare_->cancel_reason) return rare_->cancel_reason;
  if (!rare_ && !lends_mail_) return std::nullopt;
  if (scope_ ? scope_->pending_outside() : cancel_asked()) return std::nullopt; // that was first
  const auto* first = rare_ && !rare_->failures.empty() ? &rare_->failures.front() : nullptr;
  if (!first && rare_ && rare_->body_failure) first = &*rare_->body_failure;
  if (first)
    return failure(errc::cancelled, "a failure ended its nursery", path(), where_).because(*first);
  if (lends_mail_ && state_.current_phase() >= nursery_state::phase::cancelling)
    return failure(errc::cancelled, "another branch completed first", path(), where_);
  return std::nullopt;
}

// From scope to scope of the task that opened the nursery, then from that task to its nursery.
std::optional<failure> nursery_actor::why_cancelled() const {
  for (const auto* nursery = this; nursery;) {
    if (auto why = nursery->own_reason()) return why;
    const nursery_actor* outer = nullptr;
    for (auto* b = nursery->scope_ ? nursery->scope_->up : nullptr; b && !outer; b = b->up) {
      if (!b->cancelled) continue;
      if (auto* reason = b->reason())
        return failure(errc::cancelled, reason->what, nursery->path(), reason->where);
      outer = b->nursery_here();
    }
    if (!outer) {
      const auto* task = nursery->owner_ ? nursery->owner_->record() : nursery->record();
      if (!task || !task->nursery_home) return std::nullopt;
      const std::lock_guard hold(task->nursery_home->tree());
      if (task->past && task->past->cancel_reason) return task->past->cancel_reason;
      if (task->nursery_home->at_home()) outer = task->nursery;
    }
    nursery = outer;
  }
  return std::nullopt;
}

time_point nursery_actor::deadline_around() const noexcept {
  auto known = time_point::max();
  const detail::boundary* around = scope_ ? scope_ : scope_around(record(), known);
  return std::min(known, detail::task_run::deadline_from(around));
}

// ---- of the nursery

void nursery_actor::over(how end) {
  if (owner_) {
    std::lock_guard hold(home_.tree());
    auto** at = &owner_->nurseries;
    while (*at != this) at = &(*at)->next_of_task;
    *at = next_of_task;
  }
  if (auto* link = let_link_go()) {
    link->actor = nullptr;
    link->over.store(true, std::memory_order_release);
    link->release();
  }
  while (rare_ && !rare_->kept.empty()) rare_->kept.pop_back(); // newest first, as locals
  if (scope_) { // the scope takes the failures, then ends us
    auto* scope = std::exchange(scope_, nullptr);
    // A cancel that came before the last child ended, were it its last act, stops the wait for it.
    if (scope->pending_outside()) scope->told_ = true;
    return scope->run_.ready(scope->join_);
  }
  if (record()) {
    auto failures = take_failures();
    auto error =
        failures.empty() ? nullptr : std::make_exception_ptr(failure_group(std::move(failures)));
    return finish(end, std::move(error));
  }
  rare_->on_root_end(end);
  finish(end);
}

} // namespace creche::internal
