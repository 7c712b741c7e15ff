#include "runtime/internal/nursery_actor.hpp"

#include "runtime/internal/ready_slot.hpp"
#include "runtime/internal/runtime_system.hpp"
#include "runtime/internal/task_actor.hpp"
#include "runtime/internal/tree_sink.hpp"
#include "runtime/start_order.hpp"

#include <algorithm>
#include <mutex>

namespace creche::internal {

namespace {

const child_rules plain_rules{};

bool was_refused(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const nursery_closed&) {
    return true;
  } catch (...) {
    return false;
  }
}

// What became of a child that was cancelled because it was not ready.
std::exception_ptr not_ready(const child_record& r) {
  return std::make_exception_ptr(
      std::system_error(make_error_code(errc::timed_out),
                        "not ready within " + span_text(r.plan->rules.ready_within)));
}

nursery_rules rules_of(const nursery_options& o) {
  return {o.budget, o.strategy, o.auto_shutdown, o.limits};
}

// The memory of commands that were carried out, for whoever of this thread has some next.
thread_local nursery_state::commands spare_commands;

void lend_again(nursery_state::commands& c) noexcept {
  c.clear();
  if (spare_commands.capacity() < c.capacity()) std::swap(spare_commands, c);
  nursery_state::commands().swap(c);
}

double any_random(void* system) { return static_cast<runtime_system*>(system)->random(); }

} // namespace

nursery_actor::nursery_actor(caf::actor_config& cfg, child_record* r, const nursery_rules& rules)
    : child_actor(cfg, r), state_(rules, true, &any_random, home_.owner) {}

nursery_actor::nursery_actor(caf::actor_config& cfg, const nursery_options& o, task_actor* owner,
                             detail::nursery_scope* scope, std::source_location where)
    : child_actor(cfg, nullptr), state_(rules_of(o), true, &any_random, home_.owner), owner_(owner),
      scope_(scope), where_(where) {
  if (!o.name.empty()) had().name = o.name;
  if (!owner_) return;
  std::lock_guard hold(home_.tree());
  next_of_task = std::exchange(owner_->nurseries, this);
}

nursery_link::nursery_link(nursery_actor& a, loop& l)
    : auto_shutdown(a.state().auto_shutdown()), actor(&a), home(&l), gate(&l.owner->gate()) {
  gate->hold();
}
nursery_link* nursery_actor::link() {
  must_be_home();
  auto& link = had().link;
  if (!link) {
    link = new nursery_link(*this, home_);
    link->over.store(dead_, std::memory_order_relaxed);
  }
  link->hold();
  return link;
}

nursery_actor::~nursery_actor() {
  if (auto* l = let_link_go()) { // asked for after the end
    l->actor = nullptr;
    l->drop();
  }
  for (auto* r : table_)
    if (r) r->drop();
  if (auto* b = body()) b->drop();
}

std::string nursery_actor::label() const {
  return record() ? record()->name() : seldom_ ? seldom_->name : std::string();
}

std::string nursery_actor::path() const {
  if (auto* r = record()) return r->path();
  if (!owner_) return label();
  auto* r = owner_->record();
  // the body of the root is the root itself
  return (r->is_body ? r->nursery->path() : r->path()) + "/" + label();
}

std::string nursery_actor::policy() const {
  std::string text;
  if (state_.strategy() != strategy::one_for_one) text = to_text(state_.strategy());
  const auto& b = state_.budget();
  if (const creche::budget usual; b.restarts != usual.restarts || b.within != usual.within)
    text += (text.empty() ? "" : ", ") + std::to_string(b.restarts) + " in " + span_text(b.within);
  return text;
}

nursery_statistics nursery_actor::statistics() const noexcept {
  const auto c = state_.counts();
  return {state_.live(), c.added,    c.restarted, c.failed, c.ignored,
          c.refused,     completed_, cancelled_,  c.killed, c.abandoned};
}

// ---- starting

void nursery_actor::must_be_home() const {
  if (!home_.at_home())
    throw std::logic_error("nursery::start was called from another thread than its loop's");
}

child_record* nursery_actor::make_record(loop& home, door& gate) {
  auto* r = new child_record;
  r->nursery_home = &home;
  r->gate = &gate;
  r->gate->hold();
  r->bindings = detail::current_bindings();
  detail::binding::hold(r->bindings);
  return r;
}
child_record* nursery_actor::make_record() {
  auto* r = make_record(home_, home_.owner->gate());
  r->nursery = this;
  r->ordinal = ++ordinal_;
  return r;
}

child nursery_actor::add(child_record* r, child_actor* first, const child_rules& rules) {
  if (first) r->actor = first;
  std::vector<nursery_state::child_id> needs;
  if (r->plan && !r->plan->after.empty()) {
    try {
      needs = ids_of(*r->plan);
    } catch (...) {
      r->drop();
      throw;
    }
  }
  const auto now = rules.ready_within == no_limit ? home_.burst_time() : home_.now();
  const auto id = dead_ ? std::nullopt : state_.add(rules, now, todo(), needs);
  if (!id) {
    const auto where = dead_ ? label() : path();
    if (first) intrusive_ptr_release(first->ctrl()); // never started, nobody knows it
    r->drop();
    throw nursery_closed(where);
  }
  r->id = *id;
  r->hold(); // the handle's
  {
    std::lock_guard hold(home_.tree());
    if (*id >= table_.size()) table_.resize(*id + 1);
    table_[*id] = r;
  }
  note_name(*r, true);
  carry_out();
  return child(r);
}

child nursery_actor::start_call(const detail::call_ops& ops, void* call) {
  must_be_home();
  auto* r = make_record();
  return add(r, make_task(home_, r, ops, call), plain_rules);
}

void check(const detail::plan* p, auto_shutdown a) {
  if (!p) throw std::invalid_argument("start: the spec was used up");
  if (auto c = complaint(p->rules); !c.empty())
    throw std::invalid_argument(p->name + ": " + std::string(c));
  if (p->rules.ready_within != no_limit && !p->wants_ready)
    throw std::invalid_argument(p->name + ": ready_within, but its function takes no ready<R>, so "
                                          "it cannot say that it is ready");
  if (p->rules.significant && a == auto_shutdown::never)
    throw std::invalid_argument(p->name + ": it is significant, and its nursery never shuts down "
                                          "by itself: auto_shutdown is never");
}

// The one sibling of that name; none, if it is to be started with this one.
nursery_state::child_id nursery_actor::id_of(const detail::plan& p, const std::string& name,
                                             bool comes) const {
  auto& names = had().names;
  if (!names) {
    names = std::make_unique<name_index>();
    for (auto* r : table_)
      if (r) note_name(*r, true);
  }
  const auto at = names->find(name);
  const auto n = (at == names->end() ? 0 : at->second.count) + comes;
  if (n == 1) return comes ? nursery_state::none : at->second.ids;
  throw std::invalid_argument(p.name + " is after " + name + ", and " + label() +
                              (n == 0 ? " has no child of that name: start that one first, or both "
                                        "with start_all"
                                      : " has more than one child of that name"));
}

void nursery_actor::note_name(const child_record& r, bool there) const {
  if (!seldom_ || !seldom_->names || !r.plan || r.plan->name.empty()) return;
  auto& names = *seldom_->names;
  const auto at = names.try_emplace(r.plan->name).first;
  at->second.ids ^= r.id;
  there ? ++at->second.count : --at->second.count;
  if (at->second.count == 0) names.erase(at);
}

// Who is needed.
std::vector<nursery_state::child_id> nursery_actor::ids_of(const detail::plan& p) const {
  std::vector<nursery_state::child_id> ids;
  for (const auto& name : p.after)
    if (const auto id = id_of(p, name); std::find(ids.begin(), ids.end(), id) == ids.end())
      ids.push_back(id);
  return ids;
}

child nursery_actor::start(std::unique_ptr<detail::plan> p, detail::ready_slot* slot) {
  must_be_home();
  check(p.get(), state_.auto_shutdown());
  auto* r = make_record();
  r->plan = std::move(p);
  r->slot = slot;
  if (slot) slot->record = r;
  return start(r);
}

child nursery_actor::start(child_record* r) {
  if (!r->nursery) { // it was made far from here
    std::lock_guard hold(home_.tree());
    r->nursery = this;
    r->ordinal = ++ordinal_;
  }
  auto& p = *r->plan;
  p.home = p.where == placement::any_loop ? &home_.owner->roomiest() : &home_;
  p.rules.says_ready = p.wants_ready;
  p.rules.owns_all = p.where == placement::any_loop && !r->slot; // its answer goes to our loop
  if (r->keeps_mail()) r->history().detached = true;             // until it is launched
  return add(r, nullptr, p.rules);
}

void nursery_actor::start_all(std::span<std::unique_ptr<detail::plan>> plans,
                              std::span<child> started) {
  must_be_home();
  std::unordered_map<std::string_view, std::size_t> place;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    const auto* p = plans[i].get();
    check(p, state_.auto_shutdown());
    if (!p->name.empty() && !place.emplace(p->name, i).second)
      throw std::invalid_argument("start_all: two children are called " + p->name);
  }
  std::vector<std::vector<std::size_t>> needs(plans.size());
  for (std::size_t i = 0; i < plans.size(); ++i)
    for (const auto& name : plans[i]->after) {
      const auto at = place.find(name);
      id_of(*plans[i], name, at != place.end());
      if (at != place.end()) needs[i].push_back(at->second);
    }
  const auto found = start_order_of(needs);
  if (!found.cycle.empty()) {
    std::string path;
    for (auto i : found.cycle) path += plans[i]->name + " after ";
    throw std::invalid_argument("start_all: a cycle: " + path + plans[found.cycle.front()]->name);
  }
  for (auto i : found.order) started[i] = start(std::move(plans[i]));
}

void nursery_actor::start_body(const detail::call_ops& ops, void* call) {
  auto* b = make_record();
  b->is_body = true;
  b->actor = make_task(home_, b, ops, call);
  had().body = b;
  b->actor->order_start();
}

// ---- events

void nursery_actor::child_ended(child_actor& c) {
  auto& r = *c.record();
  if (r.actor != &c) return c.leave_abandoned(); // in the same moment
  auto h = c.ended_how();
  if (h == how::failed && state_.current_phase() != nursery_state::phase::open &&
      was_refused(c.error()))
    h = how::cancelled; // by us: it wanted to start a sibling while we stop
  if (h != how::completed || r.plan || r.is_body) {
    auto f = why_ended(c, h);
    std::lock_guard hold(home_.tree());
    if (f) r.history().last_failure = std::move(f);
    r.actor = nullptr;
  }
  r.end.store(h, std::memory_order_release);
  if (r.is_body) {
    body_ended(h, nullptr);
  } else {
    h = settle_slot(r, h);
    state_.ended(r.id, r.incarnation, h, r.plan ? home_.now() : home_.burst_time(), todo(),
                 r.observers > 0);
    const auto p = state_.phase_of(r.id);
    const bool again = p == nursery_state::child_phase::waiting || // with its group
                       p == nursery_state::child_phase::running;
    if (again && c.cancel_ordered())
      r.cancel_asked.store(false, std::memory_order_relaxed); // it was for this incarnation only
    carry_out();
  }
  intrusive_ptr_release(c.ctrl()); // what a reader of the tree saw of it is out of the table now
}

// What is to be told of it; it may set `h` right: late is failed.
std::optional<failure> nursery_actor::why_ended(child_actor& c, how& h) const {
  auto& r = *c.record();
  const auto at = c.failed_at().line() ? c.failed_at() : where_;
  if (h != how::failed && !r.is_body && state_.is_late(r.id)) {
    h = how::failed;
    return failure::from(not_ready(r), r.path(), at);
  }
  if (h == how::failed) return failure::from(c.error(), r.path(), at);
  if (h != how::killed) return std::nullopt;
  return failure(errc::killed,
                 c.kill_ordered() ? "killed: its cancel did not end it in time"
                                  : "killed from outside",
                 r.path(), where_);
}

// Of a child that ended: if it never said that it is ready, whoever waits for that is told, and
// nobody else, and it is not restarted.
how nursery_actor::settle_slot(child_record& r, how h) {
  if (!r.slot || !r.slot->failed(r, h)) return h;
  if (state_.phase_of(r.id) != nursery_state::child_phase::running) // late, or of a group
    state_.cancel_child(r.id, home_.now(), todo());
  return how::cancelled;
}

void nursery_actor::child_ready(child_record& r) {
  auto starting = child_state::starting; // unless it is to end
  r.state.compare_exchange_strong(starting, child_state::running, std::memory_order_relaxed);
  r.plan->rules.owns_all = r.plan->where == placement::any_loop;
  state_.ready(r.id, r.incarnation, home_.now(), todo());
  carry_out();
}

void nursery_actor::child_due(child_record& r, std::uint32_t incarnation) {
  state_.due(r.id, incarnation, home_.now(), todo());
  carry_out();
}
void nursery_actor::cancel_child(child_record& r, std::string_view reason,
                                 std::source_location where) {
  if (r.nursery != this || r.is_body) return;
  r.add_reason(reason, where);
  state_.cancel_child(r.id, home_.now(), todo());
  carry_out();
}
void nursery_actor::stop_child(child_record& r) {
  if (r.nursery != this || r.is_body) return;
  state_.stop_child(r.id, home_.now(), todo());
  carry_out();
}
void nursery_actor::cancel_all() {
  state_.cancel(home_.now(), todo());
  carry_out();
}
void nursery_actor::kill_all() {
  state_.kill(home_.now(), todo());
  carry_out();
}
void nursery_actor::cancel_all(std::string_view reason, std::source_location where) {
  if (!reason.empty() && !had().cancel_reason)
    had().cancel_reason = failure(errc::cancelled, std::string(reason), path(), where);
  cancel_all();
}
void nursery_actor::stop_all() {
  state_.stop(home_.now(), todo());
  carry_out();
}
void nursery_actor::stop_children() {
  for (auto c = state_.first(); c != nursery_state::none; c = state_.next(c))
    state_.stop_child(c, home_.now(), todo());
  carry_out();
}
void nursery_actor::body_ended(how h, std::exception_ptr error) {
  if (error && state_.current_phase() != nursery_state::phase::open && was_refused(error)) {
    h = how::cancelled;
    error = nullptr;
  }
  if (error) had().body_failure = failure::from(error, path(), where_);
  if (auto* b = body(); b && b->past && b->past->last_failure)
    had().body_failure = b->past->last_failure;
  state_.body_ended(h, home_.now(), todo());
  carry_out();
}

// ---- commands

nursery_state::commands& nursery_actor::todo() noexcept {
  if (todo_.capacity() == 0) std::swap(todo_, spare_commands);
  return todo_;
}

// Commands may cause events (a factory that throws); what these command comes after.
void nursery_actor::carry_out() {
  if (std::exchange(carrying_out_, true)) return;
  if (const auto p = state_.current_phase(); p != phase_.load(std::memory_order_relaxed)) {
    phase_.store(p, std::memory_order_relaxed);
    if (p == nursery_state::phase::cancelling && seldom_ && seldom_->on_cancelling)
      seldom_->on_cancelling();
  }
  for (std::size_t i = 0; i < todo_.size(); ++i) {
    const auto c = todo_[i];
    if (c.what == nursery_state::order::finish) {
      lend_again(todo_);
      return over(c.ended); // nothing comes after it
    }
    carry_out(c);
  }
  lend_again(todo_);
  carrying_out_ = false;
}

void nursery_actor::carry_out(const nursery_state::command& c) {
  using order = nursery_state::order;
  if (c.what == order::report) return report_end(c);
  if (c.child == nursery_state::none) return carry_out_own(c);
  auto* r = table_[c.child];
  switch (c.what) {
  case order::launch: return launch(*r, c.incarnation);
  case order::stop:
    r->state.store(child_state::draining, std::memory_order_relaxed);
    if (r->actor) r->actor->order_stop();
    return;
  case order::cancel:
    r->state.store(child_state::cancelling, std::memory_order_relaxed);
    if (r->actor) r->actor->order_cancel();
    return;
  case order::kill:
    r->state.store(child_state::killing, std::memory_order_relaxed);
    if (r->actor) r->actor->order_kill();
    return;
  case order::abandon: return abandon(*r);
  case order::wait_until: {
    std::lock_guard hold(home_.tree());
    auto& p = r->history();
    home_.disarm(p);
    p.incarnation = c.incarnation;
    p.next = c.when;
    p.waits_for.clear();
    home_.arm(p, c.when);
    if (state_.phase_of(c.child) == nursery_state::child_phase::waiting)
      r->state.store(child_state::waiting, std::memory_order_relaxed);
    return;
  }
  case order::wait: {
    std::lock_guard hold(home_.tree());
    if (const auto of = state_.waits_for(c.child); of != nursery_state::none)
      r->history().waits_for = table_[of]->name();
    if (r->past) r->past->next = home_.now();
    if (r->state.load(std::memory_order_relaxed) == child_state::done) r->waits.begin();
    r->state.store(child_state::waiting, std::memory_order_relaxed);
    return;
  }
  case order::rest:
    r->state.store(child_state::done, std::memory_order_release);
    return r->waits.end();
  case order::forget_timer:
    if (!r->past) return;
    home_.disarm(*r->past);
    {
      std::lock_guard hold(home_.tree());
      r->past->next = time_point::max();
    }
    return;
  case order::forget: return forget(*r);
  default: return; // not of a child
  }
}

void nursery_actor::carry_out_own(const nursery_state::command& c) {
  using order = nursery_state::order;
  switch (c.what) {
  case order::cancel_body:
    if (scope_) return scope_->cancel();
    if (!body()) return on_close();
    if (body()->actor) body()->actor->order_cancel();
    return;
  case order::kill_body:
    if (scope_) return scope_->kill();
    if (auto* b = body(); b && b->actor) b->actor->order_kill();
    return;
  case order::wait_until: {
    auto& timer = had().timer;
    if (!timer) {
      timer = std::make_unique<stop_timer>();
      timer->self = this;
      timer->fire = [](creche::timer& t) {
        auto* n = static_cast<stop_timer&>(t).self;
        n->state_.due(nursery_state::none, 0, n->home_.now(), n->todo());
        n->carry_out();
      };
    }
    home_.disarm(*timer);
    home_.arm(*timer, c.when);
    stop_ends_.store(c.when.time_since_epoch().count(), std::memory_order_relaxed);
    return;
  }
  case order::forget_timer:
    home_.disarm(*had().timer);
    stop_ends_.store(0, std::memory_order_relaxed);
    return;
  default: return; // of a child
  }
}

// It stays where it is, borrows from nobody, and tells the system when it has ended.
void nursery_actor::abandon(child_record& r) {
  failure f(errc::stuck, "abandoned: neither a cancel nor a kill ended it in time", r.path(),
            where_);
  if (r.actor) r.actor->order_abandon(r.path());
  r.end.store(how::killed, std::memory_order_relaxed);
  std::lock_guard hold(home_.tree());
  r.history().last_failure = std::move(f);
}

void nursery_actor::launch(child_record& r, std::uint32_t incarnation) {
  if (incarnation != r.incarnation && r.incarnation != 0)
    r.restarts.fetch_add(1, std::memory_order_relaxed);
  r.incarnation = incarnation;
  if (r.plan && r.plan->wants_ready && !r.slot) r.slot = detail::ready_slot::make(*this, r);
  r.state.store(r.slot ? child_state::starting : child_state::running, std::memory_order_relaxed);
  if (r.past && !r.past->waits_for.empty()) {
    std::lock_guard hold(home_.tree());
    r.past->waits_for.clear();
  }
  if (!r.actor) {
    try {
      auto* made = r.plan->make(r);
      std::lock_guard hold(home_.tree());
      r.actor = made;
    } catch (...) {
      auto f = failure::from(std::current_exception(), r.path(), where_);
      {
        std::lock_guard hold(home_.tree());
        r.history().last_failure = std::move(f);
      }
      r.end.store(how::failed, std::memory_order_relaxed);
      return state_.ended(r.id, incarnation, settle_slot(r, how::failed), home_.now(), todo(),
                          r.observers > 0);
    }
  }
  r.hand_over_mail();
  r.actor->order_start();
}

void nursery_actor::report_end(const nursery_state::command& c) {
  auto* r = c.child == nursery_state::none ? nullptr : table_[c.child];
  auto why = r         ? (r->past ? r->past->last_failure : std::nullopt)
             : seldom_ ? seldom_->body_failure
                       : std::nullopt;
  if (!is_failure(c.ended)) why = std::nullopt; // of an earlier life
  if (c.over_budget) {
    const auto* domain = r->plan ? r->plan->rules.domain : nullptr;
    failure f(errc::budget_exhausted, exhausted_text(domain ? domain->limit() : state_.budget()),
              r->path(), where_);
    why = why ? f.because(*why) : f;
  }
  if (!why) why = failure(errc::unknown, "ended", r ? r->path() : path(), where_);
  using verdict = nursery_state::verdict;
  if (c.then == verdict::escalated || c.then == verdict::collected) had().failures.push_back(*why);
  const auto delay = c.then == verdict::restarting
                         ? std::max(c.when - home_.now(), clock_duration::zero())
                         : clock_duration::zero();
  home_.owner->tell({*why, c.then, r ? r->restarts.load() : 0, delay});
}

void nursery_actor::forget(child_record& r) {
  if (r.state.load(std::memory_order_relaxed) == child_state::waiting)
    r.end.store(how::cancelled, std::memory_order_relaxed); // for its restart, which nobody wants
  const auto h = r.end.load(std::memory_order_relaxed);
  if (h == how::completed) ++completed_;
  if (h == how::cancelled) {
    ++cancelled_;
    if (seldom_ && seldom_->cancel_reason && !(r.past && r.past->cancel_reason)) {
      std::lock_guard hold(home_.tree());
      r.history().cancel_reason = seldom_->cancel_reason;
    }
  }
  if (r.past) home_.disarm(*r.past);
  if (r.slot) r.slot->failed(r, how::cancelled); // it was never launched
  if (r.keeps_mail()) r.drop_mail();
  note_name(r, false);
  if (r.plan && !r.abandoned) r.plan->let_go(); // or it still runs
  on_forget(r);
  {
    std::lock_guard hold(home_.tree());
    table_[r.id] = nullptr;
    r.nursery = nullptr;
  }
  r.state.store(child_state::ended, std::memory_order_release);
  r.waits.end();
  r.drop();
}

void nursery_actor::over(how h) {
  if (owner_) {
    std::lock_guard hold(home_.tree());
    auto** at = &owner_->nurseries;
    while (*at != this) at = &(*at)->next_of_task;
    *at = next_of_task;
  }
  if (auto* l = let_link_go()) {
    l->actor = nullptr;
    l->over.store(true, std::memory_order_release);
    l->drop();
  }
  while (seldom_ && !seldom_->kept.empty()) seldom_->kept.pop_back(); // newest first, as locals
  if (scope_) { // the scope takes the failures, then ends us
    auto* s = std::exchange(scope_, nullptr);
    return s->run_.ready(s->join_);
  }
  if (record()) {
    auto failures = take_failures();
    auto error =
        failures.empty() ? nullptr : std::make_exception_ptr(failure_group(std::move(failures)));
    return finish(h, std::move(error));
  }
  seldom_->on_root_end(h);
  finish(h);
}

std::uint64_t nursery_actor::bytes_inside() const noexcept {
  std::uint64_t n = 0;
  for (auto* r : table_)
    if (r && r->actor) n += r->actor->bytes_inside();
  if (auto* b = body(); b && b->actor) n += b->actor->bytes_inside();
  return n;
}

void nursery_actor::describe(const tree_sink& out) const {
  std::size_t shown = 0;
  for (auto* r : table_) {
    if (!r) continue;
    if (shown++ < out.most_children)
      out.child(*r);
    else
      ++out.node.hidden;
  }
  auto* b = body();
  if (!b || !b->actor) return;
  tell_stuck(out.node, *b->actor);
  b->actor->describe(out);
}

} // namespace creche::internal
