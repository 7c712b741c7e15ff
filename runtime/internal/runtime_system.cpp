#include "runtime/internal/runtime_system.hpp"

#include "runtime/internal/dice.hpp"
#include "runtime/internal/tree_sink.hpp"

#include <caf/atom.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <algorithm>
#include <random>
#include <stdexcept>

namespace creche::internal {

runtime_system::runtime_system(const system_options& o)
    : options_(o), actors_(o.host), seed_(o.seed ? o.seed : std::random_device{}()) {
  if (!actors_) {
    config_ = std::make_unique<caf::actor_system_config>();
    // `sharing` does not spin when idle; the workers are for plain CAF actors and compute only
    config_->set("scheduler.policy", o.testing ? caf::atom("testing") : caf::atom("sharing"));
    config_->set("scheduler.max-threads", 1);
    own_actors_ = std::make_unique<caf::actor_system>(*config_);
    actors_ = own_actors_.get();
    actors_->await_actors_before_shutdown(false); // plain CAF actors are not ours to wait for
  }
  for (unsigned i = 0; i < o.loops; ++i) {
    loops_.emplace_back(new loop(*actors_, *o.time, i, o.guest_of));
    loops_.back()->owner = this;
  }
}

runtime_system::~runtime_system() {
  if (!threads_.empty()) finish(std::chrono::seconds(1));
  gate_->close();
  for (auto& l : loops_) {
    l->close();
    l->release_leftovers();
  }
  gate_->drop();
  own_actors_.reset();
}

loop& runtime_system::roomiest() noexcept {
  auto* best = loops_.front().get();
  for (auto& l : loops_)
    if (l->crowd() < best->crowd()) best = l.get();
  return *best;
}

double runtime_system::random() noexcept {
  const auto z = seed_.fetch_add(mix_step, std::memory_order_relaxed) + mix_step;
  return double(mix(z) >> 11) * 0x1p-53;
}

void runtime_system::tell(const report& r) {
  constexpr std::size_t most = 8;
  if (r.then == nursery_state::verdict::escalated) {
    std::lock_guard hold(telling_);
    if (escalated_.size() < most) escalated_.push_back(r.why);
  }
  if (options_.on_report) options_.on_report(r);
}

std::vector<failure> runtime_system::escalated() {
  std::lock_guard hold(telling_);
  return escalated_;
}

void runtime_system::abandon(child_actor& c, std::string path) {
  std::lock_guard hold(telling_);
  abandoned_.push_back({&c, std::move(path), time().now()});
}
void runtime_system::recovered(child_actor& c) noexcept {
  std::lock_guard hold(telling_);
  std::erase_if(abandoned_, [&](const given_up& g) { return g.who == &c; });
}
std::size_t runtime_system::abandoned() {
  std::lock_guard hold(telling_);
  return abandoned_.size();
}

void runtime_system::start() {
  drained_ = std::make_unique<std::barrier<>>(std::ptrdiff_t(loops_.size()));
  try {
    for (auto& l : loops_)
      threads_.emplace_back([this, &l = *l] {
        l.run();
        drained_->arrive_and_wait(); // now no loop sends to another
        l.close();
      });
  } catch (...) { // too many threads: those that run must not wait for the others
    for (auto i = threads_.size(); i < loops_.size(); ++i) drained_->arrive_and_drop();
    throw;
  }
}

std::size_t runtime_system::finish(clock_duration patience) {
  gate_->close(); // no letter from outside after this
  for (auto& l : loops_) l->stop(patience);
  for (auto& t : threads_) t.join();
  threads_.clear();
  std::size_t left = 0;
  for (auto& l : loops_) {
    l->release_leftovers();
    left += std::size_t(std::max<std::int64_t>(l->live(), 0));
  }
  return left;
}

std::size_t runtime_system::finish_guest() {
  gate_->close();
  auto& l = *loops_.front();
  l.close();
  l.release_leftovers();
  return std::size_t(std::max<std::int64_t>(l.live(), 0));
}

tree_node runtime_system::snapshot(std::size_t most_children) {
  std::lock_guard one(reading_);
  for (auto& l : loops_) l->tree().lock();
  tree_node top;
  if (root) {
    root->introduce(top);
    root->describe(tree_sink{top, most_children});
  } else {
    top.name = "nothing";
    top.state = "ended";
  }
  for (auto& l : loops_) l->tree().unlock();
  std::lock_guard hold(telling_);
  if (abandoned_.empty()) return top;
  tree_node given;
  given.name = given.state = "abandoned";
  for (const auto& g : abandoned_) {
    auto& c = given.children.emplace_back();
    c.name = g.path;
    c.state = "abandoned";
    tell_stuck(c, *g.who);
    c.detail = "for " + std::to_string((time().now() - g.since) / std::chrono::seconds(1)) + " s";
  }
  top.children.push_back(std::move(given));
  return top;
}

ledger runtime_system::letters() const noexcept {
  auto sum = [this](fate f) {
    std::uint64_t n = 0;
    for (auto& l : loops_) n += l->counted(f);
    return n;
  };
  ledger all;
  all.handled = sum(fate::handled);
  all.failed = sum(fate::failed);
  all.unhandled = sum(fate::unhandled);
  all.shed = sum(fate::shed);
  all.undelivered = sum(fate::undelivered);
  all.sent = sum(fate::sent); // last: what was handled by now was sent before
  return all;
}

// ---- tree_sink

static double seconds_until(time_point t, const loop& l) {
  return std::max(0.0, std::chrono::duration<double>(t - l.now()).count());
}

void tell_stuck(tree_node& n, const child_actor& a) {
  const auto& l = a.home();
  if (l.running() != static_cast<const runnable*>(&a) || !l.is_stuck()) return;
  n.stuck = true;
  n.stuck_for_s = std::chrono::duration<double>(l.now() - l.stuck_since()).count();
}

void nursery_actor::introduce(tree_node& n) const {
  n.name = label();
  n.kind = kind();
  n.state = to_text(phase());
  n.policy = policy();
  if (const auto t = stop_ends_.load(std::memory_order_relaxed); t != 0)
    n.phase_ends_in_s = seconds_until(time_point(clock_duration(t)), home_);
  n.bytes = bytes_inside();
}

void tree_sink::nursery(const nursery_actor& n) const {
  auto& c = node.children.emplace_back();
  n.introduce(c);
  n.describe(tree_sink{c, most_children});
}

void tree_sink::child(const child_record& r) const {
  auto& c = node.children.emplace_back();
  c.name = r.name();
  c.state = to_text(r.state.load(std::memory_order_relaxed));
  c.restarts = r.restarts.load(std::memory_order_relaxed);
  if (r.plan && r.plan->rules.restart != restart::temporary)
    c.policy = to_text(r.plan->rules.restart);
  if (auto* p = r.past.get()) {
    if (p->last_failure) c.failure = p->last_failure->what();
    const auto state = r.state.load(std::memory_order_relaxed);
    const auto left = [&] { return seconds_until(p->next, *r.nursery_home); };
    if (state == child_state::waiting && !p->waits_for.empty()) {
      c.state = "waiting for a sibling";
      c.waits_for = p->waits_for;
    } else if (state == child_state::waiting) {
      c.restart_in_s = left();
    } else if (p->next != time_point::max() && state >= child_state::draining) {
      c.phase_ends_in_s = left();
    }
  }
  if (!r.actor) return;
  c.kind = r.actor->kind();
  tell_stuck(c, *r.actor);
  if (auto* n = r.actor->as_nursery()) {
    if (n->phase() != nursery_state::phase::open) c.state = to_text(n->phase());
    if (c.policy.empty()) c.policy = n->policy();
  }
  c.bytes = r.actor->bytes_inside();
  r.actor->describe(tree_sink{c, most_children});
}

} // namespace creche::internal
