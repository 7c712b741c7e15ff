#include "runtime/supervision/internal/nursery_actor.hpp"

#include "runtime/supervision/internal/ready_slot.hpp"
#include "runtime/supervision/internal/supervised_system.hpp"
#include "runtime/supervision/internal/task_actor.hpp"
#include "runtime/supervision/internal/tree_sink.hpp"

#include <mutex>

namespace creche::internal {

namespace {

// All of it: nothing but refusals by this nursery, also if they come in groups of nurseries
// between.
bool was_refused(const std::exception_ptr& error, std::uint64_t by) {
  std::vector<std::exception_ptr> left{error};
  while (!left.empty()) {
    const auto next = std::move(left.back());
    left.pop_back();
    try {
      std::rethrow_exception(next);
    } catch (const nursery_closed& refusal) {
      if (refusal.nursery() != by) return false;
    } catch (const failure_group& group) {
      for (const auto& inner : group.failures()) {
        if (!inner.exception()) return false;
        left.push_back(inner.exception());
      }
    } catch (...) {
      return false;
    }
  }
  return true;
}

// What became of a child that was cancelled because it was not ready.
std::exception_ptr not_ready(const child_record& record) {
  return std::make_exception_ptr(
      std::system_error(make_error_code(errc::timed_out),
                        "not ready within " + span_text(record.plan->rules.ready_within)));
}

nursery_rules rules_of(const nursery_options& options) {
  return {options.budget, options.strategy, options.auto_shutdown, options.limits};
}

double any_random(void* system) { return static_cast<loop_owner*>(system)->random(); }

} // namespace

nursery_actor::nursery_actor(caf::actor_config& config, child_record* record,
                             const nursery_rules& rules)
    : child_actor(config, record), state_(rules, &any_random, home_.owner) {}

nursery_actor::nursery_actor(caf::actor_config& config, const nursery_options& options,
                             task_actor* owner, detail::nursery_scope* scope,
                             std::source_location where)
    : child_actor(config, nullptr), state_(rules_of(options), &any_random, home_.owner),
      owner_(owner), scope_(scope), where_(where) {
  if (!options.name.empty()) rare().name = options.name;
  if (!owner_) return;
  told_to_stop_ = owner_->told_to_stop();
  std::lock_guard hold(home_.tree());
  next_of_task = std::exchange(owner_->nurseries, this);
}

nursery_actor::~nursery_actor() {
  if (auto* link = let_link_go()) { // asked for after the end
    link->actor = nullptr;
    link->release();
  }
  for (auto* record : table_)
    if (record) record->release();
  if (body()) body()->release();
}

nursery_link::nursery_link(nursery_actor& of, loop& on)
    : auto_shutdown(of.state().auto_shutdown()), actor(&of), home(&on),
      door(door_ptr::share(&on.owner->door())) {}

nursery_link* nursery_actor::link() {
  must_be_home("remote");
  auto& link = rare().link;
  if (!link) {
    link = new nursery_link(*this, home_);
    link->over.store(dead_, std::memory_order_relaxed);
  }
  link->add_ref();
  return link;
}

std::string nursery_actor::label() const {
  return record() ? record()->name() : rare_ ? rare_->name : std::string();
}

std::string nursery_actor::path() const { return path_to({}); }

// Of a deep tree the path has the last names only: a failure that goes up would tell all of them at
// each level.
std::string nursery_actor::path_to(std::string below) const {
  constexpr unsigned most_names = 64;
  std::string path = std::move(below);
  const auto add = [&path](std::string name) {
    if (!path.empty()) (name += '/') += path;
    path = std::move(name);
  };
  const nursery_actor* at = this;
  for (unsigned names = 0; at; ++names) {
    if (names >= most_names) return ".../" + path;
    const auto* as_child = at->record();
    add(as_child ? as_child->name() : at->label());
    if (!as_child && at->owner_) {
      as_child = at->owner_->record();
      if (!as_child->is_body) add(as_child->name()); // the body of the root is the root itself
    }
    at = as_child ? as_child->nursery : nullptr;
  }
  return path;
}

std::string nursery_actor::policy() const {
  std::string text;
  if (state_.strategy() != strategy::one_for_one) text = to_text(state_.strategy());
  const auto& limit = state_.budget();
  const creche::budget usual;
  if (limit.restarts != usual.restarts || limit.within != usual.within)
    text += (text.empty() ? "at most " : ", at most ") + std::to_string(limit.restarts) +
            " restarts in " + span_text(limit.within);
  return text;
}

nursery_statistics nursery_actor::statistics() const noexcept {
  const auto counts = state_.counts();
  return {state_.live(),  counts.added,     counts.restarted, counts.failed, counts.ignored,
          counts.refused, counts.completed, counts.cancelled, counts.killed, counts.abandoned};
}

// ---- events: ends

// What is known of it. To look at the error costs a throw, so it is done only where something was
// refused.
nursery_state::ending nursery_actor::ending_of(how kind, const std::exception_ptr& error) const {
  nursery_state::ending end = kind;
  end.refused = error && rare_ && rare_->refusals != 0 && was_refused(error, rare_->refusals);
  return end;
}

void nursery_actor::child_ended(child_actor& actor) {
  const bookkeeping books;
  auto& record = *actor.record();
  if (record.actor != &actor) return actor.leave_abandoned(); // in the same moment
  obey_cancel_first();                                        // then it ended because of that
  if (record.is_body) {
    root_body_ended(actor);
  } else {
    auto end = ending_of(actor.ended_how(), actor.error());
    end.observed = record.observers > 0;
    const bool late = state_.is_late(record.id);
    const auto now = record.plan ? home_.now() : home_.burst_time();
    const bool open = state_.current_phase() == nursery_state::phase::open;
    // looked for now, before it has gone; but of a chain that completes each had all behind it
    const bool takes_along = end.kind != how::completed || late || record.slot;
    const auto dependents = takes_along ? dependents_of(record) : child_ids();
    const auto told = state_.ended(record.id, record.incarnation, end, now, todo());
    if (told != how::completed || record.plan) note_end(actor, told, late);
    if (open && record.plan) explain_end(record, told, dependents);
    tell_starter(record, told);
    // before its record may go
    if (actor.load().is_wanted() && !record.keeps_mail()) system_of(home_).room.refuse(record);
    const auto phase = state_.phase_of(record.id);
    const bool again = phase == nursery_state::child_phase::waiting || // with its group
                       phase == nursery_state::child_phase::running;
    if (again && actor.cancel_ordered()) // it was for this incarnation only
      record.cancel_asked.store(false, std::memory_order_relaxed);
    carry_out();
  }
  intrusive_ptr_release(actor.ctrl()); // no reader of the tree finds it in the table any more
}

void nursery_actor::root_body_ended(child_actor& actor) {
  const auto told =
      state_.body_ended(ending_of(actor.ended_how(), actor.error()), home_.now(), todo());
  note_end(actor, told, false);
  auto& past = actor.record()->past;
  if (past && past->last_failure) rare().body_failure = past->last_failure;
  carry_out();
}

void nursery_actor::note_end(child_actor& actor, how told, bool late) {
  auto& record = *actor.record();
  auto why = why_ended(actor, told, late);
  std::lock_guard hold(home_.tree());
  if (why) record.history().last_failure = std::move(why);
  record.actor = nullptr;
}

std::optional<failure> nursery_actor::why_ended(child_actor& actor, how told, bool late) const {
  const auto& record = *actor.record();
  const auto at = actor.failed_at().line() ? actor.failed_at() : where_;
  if (late && actor.ended_how() != how::failed)
    return failure::from(not_ready(record), record.path(), at);
  if (told == how::failed) return failure::from(actor.error(), record.path(), at);
  if (told != how::killed) return std::nullopt;
  return failure(errc::killed,
                 actor.kill_ordered() ? "killed: its cancel did not end it in time"
                                      : "killed from outside",
                 record.path(), where_);
}

nursery_actor::child_ids nursery_actor::dependents_of(const child_record& record) {
  return record.plan ? state_.dependents_of(record.id) : child_ids();
}

// Those that go because of another's end, in an open nursery, go with a reason.
void nursery_actor::explain_end(const child_record& record, how told, const child_ids& dependents) {
  const auto phase = state_.current_phase();
  if (phase == nursery_state::phase::draining && !rare().cancel_reason)
    rare().cancel_reason = because_of(record, told, ", which is significant,");
  const bool is_gone = state_.phase_of(record.id) == nursery_state::child_phase::gone;
  if (phase == nursery_state::phase::open && is_gone && (told != how::completed || record.slot))
    explain_to(dependents, record, told);
}

void nursery_actor::explain_to(const child_ids& dependents, const child_record& record, how told) {
  for (const auto id : dependents) {
    auto why = because_of(record, told, ", which it needs,");
    std::lock_guard hold(home_.tree());
    auto& reason = table_[id]->history().cancel_reason;
    if (!reason) reason = std::move(why);
  }
}

failure nursery_actor::because_of(const child_record& record, how told,
                                  std::string_view what) const {
  const char* const word = told == how::cancelled || told == how::killed ? " was " : " ";
  failure why(errc::cancelled, record.name().append(what).append(word).append(to_text(told)),
              path(), where_);
  if (!record.past) return why;
  const auto& first = is_failure(told) ? record.past->last_failure : record.past->cancel_reason;
  return first && told != how::completed ? why.because(*first) : why;
}

// It never said that it is ready: the task that waits for that is told.
void nursery_actor::tell_starter(child_record& record, how told) {
  if (record.slot) record.slot->failed(record, told);
}

void nursery_actor::body_ended(how kind, std::exception_ptr error) {
  const bookkeeping books;
  const auto told = state_.body_ended(ending_of(kind, error), home_.now(), todo());
  if (error && is_failure(told)) rare().body_failure = failure::from(error, path(), where_);
  carry_out();
}

// ---- events: others

void nursery_actor::child_ready(child_record& record) {
  const bookkeeping books;
  if (!state_.ready(record.id, record.incarnation, home_.now(), todo())) return;
  record.slot->answered(record);
  auto starting = child_state::starting; // unless it is to end
  record.state.compare_exchange_strong(starting, child_state::running, std::memory_order_relaxed);
  carry_out();
}

void nursery_actor::starter_left(child_record& record) {
  const bookkeeping books;
  if (record.nursery != this) return;
  state_.starter_left(record.id, home_.now(), todo());
  carry_out();
}

void nursery_actor::mark() noexcept {
  if (dead_ || std::exchange(marked_, true)) return;
  if (record()) record()->cancel_asked.store(true, std::memory_order_relaxed);
  join_wave();
}

// Its own order has not come yet, so its table is as it was: it only marks what is there.
void nursery_actor::pass_on_mark() noexcept {
  for (const auto* record : table_)
    if (record && record->actor) record->actor->mark_cancel();
  if (body() && body()->actor) body()->actor->mark_cancel();
}

void nursery_actor::child_due(child_record& record, std::uint32_t incarnation) {
  const bookkeeping books;
  obey_cancel_first();
  state_.due(record.id, incarnation, home_.now(), todo());
  carry_out();
}

void nursery_actor::cancel_child(child_record& record, std::string_view reason,
                                 std::source_location where) {
  const bookkeeping books;
  if (record.nursery != this || record.is_body) return;
  record.add_reason(reason, where);
  const auto dependents = dependents_of(record);
  state_.cancel_child(record.id, home_.now(), todo());
  explain_to(dependents, record, how::cancelled);
  carry_out();
}

void nursery_actor::stop_child(child_record& record) {
  const bookkeeping books;
  if (record.nursery != this || record.is_body) return;
  state_.stop_child(record.id, home_.now(), todo());
  carry_out();
}

void nursery_actor::cancel_all() {
  const bookkeeping books;
  state_.cancel(home_.now(), todo());
  carry_out();
}

void nursery_actor::cancel_all(std::string_view reason, std::source_location where) {
  const bookkeeping books;
  if (!reason.empty() && !rare().cancel_reason)
    rare().cancel_reason = failure(errc::cancelled, std::string(reason), path(), where);
  cancel_all();
}

void nursery_actor::kill_all() {
  const bookkeeping books;
  state_.kill(home_.now(), todo());
  carry_out();
}

void nursery_actor::stop_all() {
  const bookkeeping books;
  state_.stop(home_.now(), todo());
  carry_out();
}

void nursery_actor::tell_children_of_stop() {
  if (std::exchange(told_to_stop_, true)) return;
  for (auto* record : table_)
    if (record && record->actor) record->actor->tell_of_stop();
}

void nursery_actor::stop_children() {
  const bookkeeping books;
  for (auto id = state_.first(); id != nursery_state::none; id = state_.next(id))
    state_.stop_child(id, home_.now(), todo());
  carry_out();
}

void nursery_actor::mail_came() noexcept {
  if (!lends_mail_) return;
  for (const auto* record : table_)
    if (record && record->actor) static_cast<task_actor*>(record->actor)->mail_came();
}

// ---- for the tree

void nursery_actor::look_below(std::vector<const child_actor*>& to) const {
  for (const auto* record : table_)
    if (record && record->actor) to.push_back(record->actor);
  if (body() && body()->actor) to.push_back(body()->actor);
}

void nursery_actor::describe(const tree_sink& out) const {
  std::size_t shown = 0;
  for (const auto* record : table_) {
    if (!record) continue;
    if (shown++ < out.bounds.most_children)
      out.child(*record);
    else
      ++out.node.hidden;
  }
  if (!body() || !body()->actor) return;
  tell_stuck(out.node, *body()->actor);
  body()->actor->describe(out);
}

} // namespace creche::internal
