#include "runtime/internal/nursery_actor.hpp"

#include "runtime/internal/ready_slot.hpp"
#include "runtime/internal/runtime_system.hpp"
#include "runtime/internal/task_actor.hpp"
#include "runtime/internal/tree_sink.hpp"

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

double any_random(void* system) { return static_cast<runtime_system*>(system)->random(); }

} // namespace

nursery_actor::nursery_actor(caf::actor_config& cfg, child_record* r, const nursery_rules& rules)
    : child_actor(cfg, r), state_(rules, true, &any_random, home_.owner) {}

nursery_actor::nursery_actor(caf::actor_config& cfg, const nursery_options& o, task_actor* owner,
                             detail::nursery_scope* scope, std::source_location where)
    : child_actor(cfg, nullptr),
      state_({o.budget, o.strategy, o.auto_shutdown}, true, &any_random, home_.owner),
      name_(o.name), owner_(owner), scope_(scope), where_(where) {
  if (!owner_) return;
  std::lock_guard hold(home_.tree());
  next_of_task = std::exchange(owner_->nurseries, this);
}

nursery_link::nursery_link(nursery_actor& a, loop& l)
    : actor(&a), home(&l), gate(&l.owner->gate()) {
  gate->hold();
}
nursery_link* nursery_actor::link() {
  must_be_home();
  if (!link_) {
    link_ = new nursery_link(*this, home_);
    link_->over.store(dead_, std::memory_order_relaxed);
  }
  link_->hold();
  return link_;
}

nursery_actor::~nursery_actor() {
  if (link_) { // asked for after the end
    link_->actor = nullptr;
    link_->drop();
  }
  for (auto* r : table_)
    if (r) r->drop();
  if (body_) body_->drop();
}

std::string nursery_actor::label() const { return record() ? record()->name() : name_; }

std::string nursery_actor::path() const {
  if (auto* r = record()) return r->path();
  if (!owner_) return name_;
  auto* r = owner_->record();
  // the body of the root is the root itself
  return (r->is_body ? r->nursery->path() : r->path()) + "/" + name_;
}

nursery_statistics nursery_actor::statistics() const noexcept {
  auto& c = state_.counts();
  return {state_.live(), c.added,   c.restarted, c.failed,
          c.ignored,     c.refused, completed_,  cancelled_};
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
  const auto id = dead_ ? std::nullopt : state_.add(rules, todo_);
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
  carry_out();
  return child(r);
}

child nursery_actor::start_call(const detail::call_ops& ops, void* call) {
  must_be_home();
  auto* r = make_record();
  return add(r, make_task(home_, r, ops, call), plain_rules);
}

void check(const detail::plan* p) {
  if (!p) throw std::invalid_argument("start: the spec was used up");
  if (auto c = complaint(p->rules.backoff); !c.empty())
    throw std::invalid_argument(p->name + ": " + std::string(c));
  if (p->rules.stop_within < clock_duration::zero())
    throw std::invalid_argument(p->name + ": stop_within is negative");
  if (p->rules.significant && p->rules.restart == restart::permanent)
    throw std::invalid_argument(p->name + ": it is significant, and permanent: it never ends for "
                                          "good");
}

child nursery_actor::start(std::unique_ptr<detail::plan> p, detail::ready_slot* slot) {
  must_be_home();
  check(p.get());
  if (p->rules.significant && state_.auto_shutdown() == auto_shutdown::never)
    throw std::invalid_argument(p->name + ": it is significant, and its nursery never shuts down "
                                          "by itself: auto_shutdown is never");
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
  r->plan->home = r->plan->where == placement::any_loop ? &home_.owner->roomiest() : &home_;
  return add(r, nullptr, r->plan->rules);
}

void nursery_actor::start_body(const detail::call_ops& ops, void* call) {
  body_ = make_record();
  body_->is_body = true;
  body_->actor = make_task(home_, body_, ops, call);
  body_->actor->order_start();
}

// ---- events

void nursery_actor::child_ended(child_actor& c) {
  auto& r = *c.record();
  auto h = c.ended_how();
  if (h == how::failed && state_.current_phase() != nursery_state::phase::open &&
      was_refused(c.error()))
    h = how::cancelled; // by us: it wanted to start a sibling while we stop
  if (h != how::completed || r.plan || r.is_body) {
    const auto& at = c.failed_at().line() ? c.failed_at() : where_;
    auto f = h == how::failed ? std::optional(failure::from(c.error(), r.path(), at))
             : h == how::killed
                 ? std::optional(failure(errc::killed, "killed from outside", r.path(), where_))
                 : std::nullopt;
    std::lock_guard hold(home_.tree());
    if (f) r.history().last_failure = std::move(f);
    r.actor = nullptr;
  }
  r.end.store(h, std::memory_order_release);
  if (r.is_body) {
    body_ended(h, nullptr);
  } else {
    if (r.slot) { // it never said that it is ready: its starter is told, and nobody else
      r.slot->failed(r, h);
      h = how::cancelled;
      state_.cancel_child(r.id, home_.now(), todo_); // nor is it restarted with others
    }
    state_.ended(r.id, r.incarnation, h, r.plan ? home_.now() : home_.burst_time(), todo_,
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

void nursery_actor::child_due(child_record& r, std::uint32_t incarnation) {
  state_.due(r.id, incarnation, home_.now(), todo_);
  carry_out();
}
void nursery_actor::cancel_child(child_record& r, std::string_view reason,
                                 std::source_location where) {
  if (r.nursery != this || r.is_body) return;
  r.add_reason(reason, where);
  state_.cancel_child(r.id, home_.now(), todo_);
  carry_out();
}
void nursery_actor::cancel_all() {
  state_.cancel(todo_);
  carry_out();
}
void nursery_actor::cancel_all(std::string_view reason, std::source_location where) {
  if (!reason.empty() && !cancel_reason_)
    cancel_reason_ = failure(errc::cancelled, std::string(reason), path(), where);
  cancel_all();
}
void nursery_actor::stop_all() {
  state_.stop(home_.now(), todo_);
  carry_out();
}
void nursery_actor::stop_children() {
  for (auto c = state_.first(); c != nursery_state::none; c = state_.next(c))
    state_.stop_child(c, home_.now(), todo_);
  carry_out();
}
void nursery_actor::body_ended(how h, std::exception_ptr error) {
  if (error && state_.current_phase() != nursery_state::phase::open && was_refused(error)) {
    h = how::cancelled;
    error = nullptr;
  }
  if (error) body_failure_ = failure::from(error, path(), where_);
  if (body_ && body_->past && body_->past->last_failure) body_failure_ = body_->past->last_failure;
  state_.body_ended(h, home_.now(), todo_);
  carry_out();
}

// ---- commands

// Commands may cause events (a factory that throws); what these command comes after.
void nursery_actor::carry_out() {
  if (std::exchange(carrying_out_, true)) return;
  if (const auto p = state_.current_phase(); p != phase_.load(std::memory_order_relaxed)) {
    phase_.store(p, std::memory_order_relaxed);
    if (p == nursery_state::phase::cancelling && on_cancelling) on_cancelling();
  }
  for (std::size_t i = 0; i < todo_.size(); ++i) {
    const auto c = todo_[i];
    if (c.what == nursery_state::order::finish) {
      todo_.clear();
      return over(c.ended); // nothing comes after it
    }
    carry_out(c);
  }
  todo_.clear();
  carrying_out_ = false;
}

void nursery_actor::carry_out(const nursery_state::command& c) {
  using order = nursery_state::order;
  auto* r = c.child == nursery_state::none ? nullptr : table_[c.child];
  switch (c.what) {
  case order::launch: return launch(*r, c.incarnation);
  case order::stop:
    r->state.store(child_state::stopping, std::memory_order_relaxed);
    if (r->actor) r->actor->order_stop();
    return;
  case order::cancel:
    r->state.store(child_state::stopping, std::memory_order_relaxed);
    if (r->actor) r->actor->order_cancel();
    return;
  case order::wait_until: {
    std::lock_guard hold(home_.tree());
    auto& p = r->history();
    home_.disarm(p);
    p.incarnation = c.incarnation;
    p.next_launch = c.when;
    home_.arm(p, c.when);
    if (!r->actor) r->state.store(child_state::waiting, std::memory_order_relaxed);
    return;
  }
  case order::wait: {
    std::lock_guard hold(home_.tree());
    if (r->past) r->past->next_launch = home_.now();
    if (r->state.load(std::memory_order_relaxed) == child_state::done) r->waits.begin();
    r->state.store(child_state::waiting, std::memory_order_relaxed);
    return;
  }
  case order::rest:
    r->state.store(child_state::done, std::memory_order_release);
    return r->waits.end();
  case order::forget_timer:
    if (r->past) home_.disarm(*r->past);
    return;
  case order::forget: return forget(*r);
  case order::report: return report_end(c);
  case order::cancel_body:
    if (scope_) return scope_->cancel();
    if (body_) {
      if (body_->actor) body_->actor->order_cancel();
      return;
    }
    return on_close();
  case order::finish: return;
  }
}

void nursery_actor::launch(child_record& r, std::uint32_t incarnation) {
  if (incarnation != r.incarnation && r.incarnation != 0)
    r.restarts.fetch_add(1, std::memory_order_relaxed);
  r.incarnation = incarnation;
  r.state.store(child_state::running, std::memory_order_relaxed);
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
      auto h = how::failed;
      r.end.store(h, std::memory_order_relaxed);
      if (r.slot) {
        r.slot->failed(r, h);
        h = how::cancelled;
      }
      return state_.ended(r.id, incarnation, h, home_.now(), todo_, r.observers > 0);
    }
  }
  r.actor->order_start();
}

void nursery_actor::report_end(const nursery_state::command& c) {
  auto* r = c.child == nursery_state::none ? nullptr : table_[c.child];
  auto why = !r ? body_failure_ : r->past ? r->past->last_failure : std::nullopt;
  if (c.over_budget) {
    failure f(errc::budget_exhausted, exhausted_text(state_.budget()), r->path(), where_);
    why = why ? f.because(*why) : f;
  }
  if (!why) why = failure(errc::unknown, "ended", r ? r->path() : path(), where_);
  using verdict = nursery_state::verdict;
  if (c.then == verdict::escalated || c.then == verdict::collected) failures_.push_back(*why);
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
    if (cancel_reason_ && !(r.past && r.past->cancel_reason)) {
      std::lock_guard hold(home_.tree());
      r.history().cancel_reason = cancel_reason_;
    }
  }
  if (r.past) home_.disarm(*r.past);
  if (r.plan) r.plan->let_go();
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
  if (auto* l = std::exchange(link_, nullptr)) {
    l->actor = nullptr;
    l->over.store(true, std::memory_order_release);
    l->drop();
  }
  while (!kept_.empty()) kept_.pop_back(); // newest first, as locals
  if (scope_) {                            // the scope takes the failures, then ends us
    auto* s = std::exchange(scope_, nullptr);
    return s->run_.ready(s->join_);
  }
  if (record()) {
    auto error =
        failures_.empty() ? nullptr : std::make_exception_ptr(failure_group(take_failures()));
    return finish(h, std::move(error));
  }
  on_root_end(h);
  finish(h);
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
  if (!body_ || !body_->actor) return;
  if (home_.running() == static_cast<const runnable*>(body_->actor))
    out.node.stuck = home_.is_stuck();
  body_->actor->describe(out);
}

} // namespace creche::internal

// ---- what the public headers declare

namespace creche {

child nursery::start(child_spec spec) {
  return actor_.start(std::unique_ptr<detail::plan>(spec.release()));
}
child nursery::start_call(const detail::call_ops& ops, void* call) {
  return actor_.start_call(ops, call);
}
void nursery::keep_box(void* value, void (*destroy)(void*)) {
  actor_.keep(std::shared_ptr<void>(value, destroy));
}
void nursery::cancel(std::string_view reason, std::source_location where) noexcept {
  actor_.cancel_all(reason, where);
}
void nursery::stop() noexcept { actor_.stop_all(); }
std::string nursery::path() const { return actor_.path(); }
std::size_t nursery::live() const noexcept { return actor_.state().live(); }
nursery_statistics nursery::statistics() const noexcept { return actor_.statistics(); }

task<outcome> nursery::monitor(child c) {
  actor_.must_be_home();
  auto* r = internal::child_access::record(c);
  if (!r || (!c.ended() && r->nursery != &actor_))
    throw std::invalid_argument("monitor: not a child of this nursery");
  struct observer {
    std::uint16_t& count;
    explicit observer(std::uint16_t& n) noexcept : count(n) { ++count; }
    observer(const observer&) = delete;
    ~observer() { --count; }
  } here(r->observers);
  for (;;) {
    co_await c.wait();
    if (auto end = c.result()) co_return *std::move(end);
  } // it was done, and runs again with its group
}

// ---- from elsewhere

nursery::handle nursery::remote() { return handle(actor_.link()); }

nursery::handle::handle(const handle& o) noexcept : link_(o.link_) {
  if (link_) link_->hold();
}
nursery::handle::~handle() {
  if (link_) link_->drop();
}
bool nursery::handle::ended() const noexcept {
  return !link_ || link_->over.load(std::memory_order_acquire);
}

namespace {

// A start on its way to the nursery's loop. If it never gets there it is refused where it dies.
class start_order {
public:
  explicit start_order(internal::child_record* r) noexcept : record_(r) {} // takes over a reference
  start_order(start_order&& o) noexcept : record_(std::exchange(o.record_, nullptr)) {}
  ~start_order() {
    if (record_) refuse();
  }
  void carry_out(internal::nursery_actor* n) {
    if (!n) return;
    auto* r = std::exchange(record_, nullptr);
    r->hold();
    try {
      n->start(r);
      r->drop();
    } catch (const nursery_closed&) {
      record_ = r;
    }
  }

private:
  void refuse() noexcept {
    auto* r = std::exchange(record_, nullptr);
    if (r->nursery) {
      std::lock_guard hold(r->nursery_home->tree());
      r->nursery = nullptr;
    }
    r->plan->let_go();
    r->add_reason("nursery closed", std::source_location());
    r->end.store(how::cancelled, std::memory_order_relaxed);
    r->state.store(internal::child_state::ended, std::memory_order_release);
    r->waits.end();
    r->drop();
  }
  internal::child_record* record_;
};

} // namespace

child nursery::handle::start(child_spec spec) const {
  if (!link_) throw std::invalid_argument("start: an empty handle of a nursery");
  std::unique_ptr<detail::plan> p(spec.release());
  internal::check(p.get());
  auto* r = internal::nursery_actor::make_record(*link_->home, *link_->gate);
  r->plan = std::move(p);
  r->hold();
  child c(r);
  start_order order(r);
  if (link_->home->at_home())
    order.carry_out(link_->actor);
  else
    link_->gate->post(*link_->home, [keep = *this, o = std::move(order)]() mutable {
      o.carry_out(keep.link_->actor);
    });
  return c;
}
void nursery::handle::cancel(std::string_view reason, std::source_location where) const {
  if (ended()) return;
  if (link_->home->at_home()) return link_->actor->cancel_all(reason, where);
  link_->gate->post(*link_->home, [keep = *this, text = std::string(reason), where] {
    if (auto* a = keep.link_->actor) a->cancel_all(text, where);
  });
}
void nursery::handle::stop() const {
  if (ended()) return;
  if (link_->home->at_home()) return link_->actor->stop_all();
  link_->gate->post(*link_->home, [keep = *this] {
    if (auto* a = keep.link_->actor) a->stop_all();
  });
}

namespace detail {

nursery_scope::~nursery_scope() = default;

nursery& nursery_scope::open() {
  if (auto c = complaint(options_.budget); !c.empty())
    throw std::invalid_argument(std::string(options_.name) + ": " + std::string(c));
  intercepts = true;
  auto& owner = static_cast<internal::task_actor&>(run_);
  actor_ = internal::make_resident<internal::nursery_actor>(owner.home(), options_, &owner, this,
                                                            where_);
  join_.scope = this;
  enter(run_);
  if (pending_outside()) actor_->cancel_all(); // children see it, even if the body shields itself
  return actor_->face();
}

void nursery_scope::fail(std::exception_ptr why) noexcept {
  unmade_ = std::move(why);
  run_.finished(*this, false);
}

// First when the body is over, then when the table is empty.
void nursery_scope::complete(bool stopped) {
  if (!std::exchange(body_over_, true)) {
    auto error = std::exchange(unmade_, nullptr);
    if (!stopped && body_) error = std::move(body_.get().error);
    body_.reset();
    told_ = stopped || pending_outside();
    // a body without a checkpoint has not seen it; our own stop is no reason to hurry the children
    if (pending_outside()) actor_->cancel_all();
    run_.wait(join_, *this); // over() may come at once
    actor_->body_ended(stopped ? how::cancelled : error ? how::failed : how::completed, error);
    return;
  }
  close();
}

// Trio's rule: the end of the body is a checkpoint, and so is the wait for the children. A stop
// that comes from further out goes on from here if it was seen there, or stopped a child.
void nursery_scope::close() {
  if (auto f = actor_->take_failures(); !f.empty()) failures_.emplace(std::move(f));
  const bool stopped = told_ || actor_->statistics().cancelled > 0;
  std::exchange(actor_, nullptr)->end({});
  leave();
  if (failures_) return run_.go_on(*this); // a failure beside a stop wins
  if (run_.may_go_on()) return run_.go_on(*this);
  if (!run_.pending()) return run_.yield();
  if (stopped) return run_.stop();
  run_.go_on(*this);
}

void nursery_scope::cancelled_from_outside() noexcept {
  if (actor_) actor_->cancel_all();
}

void nursery_scope::rethrow() {
  if (failures_) throw failure_group(*failures_);
}

aborted nursery_scope::join::abort() noexcept {
  if (!scope->cancelled || scope->pending_outside()) { // or it was, before somebody shielded it
    scope->told_ = true;
    scope->actor_->cancel_all();
  }
  return aborted::told; // the children end by themselves, soon
}

} // namespace detail
} // namespace creche
