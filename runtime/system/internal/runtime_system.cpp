#include "runtime/system/internal/runtime_system.hpp"

#include "runtime/loop/internal/dice.hpp"
#include "runtime/memory/internal/bookkeeping.hpp"
#include "runtime/messages/internal/ledger_of.hpp"
#include "runtime/supervision/internal/tree_sink.hpp"
#include "runtime/system/internal/caf_scheduler.hpp"

#include <caf/atom.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <algorithm>
#include <optional>
#include <random>
#include <stdexcept>

namespace creche::internal {

runtime_system::runtime_system(const system_options& options)
    : options_(options), actors_(options.host),
      seed_(options.seed ? options.seed : std::random_device{}()) {
  bookkeeping::begin();
  if (!actors_) {
    config_ = std::make_unique<caf::actor_system_config>();
    if (options.testing)
      config_->set("scheduler.policy", caf::atom("testing"));
    else
      caf_scheduler::load_into(*config_); // for plain CAF actors and compute only
    config_->set("scheduler.max-threads", 1);
    const bookkeeping books; // CAF's does not take itself down when it has no memory half-way
    own_actors_.reset(new caf::actor_system(*config_));
    if (!options.testing) caf_scheduler::expect_started(*own_actors_);
    actors_ = own_actors_.get();
    actors_->await_actors_before_shutdown(false); // plain CAF actors are not ours to wait for
  }
  loops_.reserve(options.loops);
  for (unsigned i = 0; i < options.loops; ++i) {
    loops_.emplace_back(new loop(*actors_, *options.time, i, options.guest_of));
    loops_.back()->owner = this;
  }
}

runtime_system::~runtime_system() {
  if (!threads_.empty()) finish(std::chrono::seconds(1));
  door().close();
  for (auto& each : loops_) {
    each->close();
    each->release_leftovers();
  }
  own_actors_.reset();
}

loop& runtime_system::roomiest() noexcept {
  auto* best = loops_.front().get();
  for (auto& each : loops_)
    if (each->crowd() < best->crowd()) best = each.get();
  return *best;
}

double runtime_system::random() noexcept {
  const auto drawn = seed_.fetch_add(mix_step, std::memory_order_relaxed) + mix_step;
  return double(mix(drawn) >> 11) * 0x1p-53;
}

void runtime_system::tell(const report& news) {
  constexpr std::size_t most = 8;
  if (news.then == nursery_state::verdict::escalated) {
    std::lock_guard hold(telling_);
    if (escalated_.size() < most) escalated_.push_back(news.why);
  }
  if (options_.on_report) options_.on_report(news);
}

std::vector<failure> runtime_system::escalated() {
  std::lock_guard hold(telling_);
  return escalated_;
}

void runtime_system::abandon(child_actor& actor, std::string path) {
  std::lock_guard hold(telling_);
  abandoned_.push_back({&actor, std::move(path), time().now()});
}
void runtime_system::recovered(child_actor& actor) noexcept {
  std::lock_guard hold(telling_);
  std::erase_if(abandoned_, [&](const given_up& given) { return given.who == &actor; });
}
std::size_t runtime_system::abandoned() {
  std::lock_guard hold(telling_);
  return abandoned_.size();
}

void runtime_system::start_ticker() {
  std::vector<loop*> all;
  for (auto& each : loops_) all.push_back(each.get());
  ticker_.start(std::move(all));
}

void runtime_system::start() {
  start_ticker();
  drained_ = std::make_unique<std::barrier<>>(std::ptrdiff_t(loops_.size()));
  threads_.reserve(loops_.size());
  try {
    for (auto& each : loops_)
      threads_.emplace_back([this, &each = *each] {
        each.run();
        drained_->arrive_and_wait(); // now no loop sends to another
        each.close();
      });
  } catch (...) { // too many threads: those that run must not wait for the others
    for (auto i = threads_.size(); i < loops_.size(); ++i) drained_->arrive_and_drop();
    throw;
  }
}

std::size_t runtime_system::finish(clock_duration patience) {
  door().close(); // no letter from outside after this
  for (auto& each : loops_) each->stop(patience);
  for (auto& thread : threads_) thread.join();
  threads_.clear();
  ticker_.stop();
  std::size_t left = 0;
  for (auto& each : loops_) {
    each->release_leftovers();
    left += std::size_t(std::max<std::int64_t>(each->live(), 0));
  }
  return left;
}

std::size_t runtime_system::finish_guest() {
  door().close();
  ticker_.stop();
  auto& home = *loops_.front();
  home.close();
  home.release_leftovers();
  return std::size_t(std::max<std::int64_t>(home.live(), 0));
}

tree_node runtime_system::snapshot(std::size_t most_children) {
  std::lock_guard one(reading_);
  struct all_trees { // also let go when there is no memory for what is seen
    const decltype(loops_)& loops;
    explicit all_trees(const decltype(loops_)& of) : loops(of) {
      for (auto& each : loops) each->tree().lock();
    }
    all_trees(const all_trees&) = delete;
    ~all_trees() {
      for (auto& each : loops) each->tree().unlock();
    }
  };
  std::optional<all_trees> still(loops_);
  tree_node top;
  if (root) {
    root->introduce(top);
    const bool drains = root->phase() == nursery_state::phase::draining;
    tree_bounds bounds{.most_children = most_children, .at_rest = driver != nullptr};
    root->describe(tree_sink{top, bounds, most_tree_levels, drains ? top.phase_ends_in_s : -1});
  } else {
    top.name = "nothing";
    top.state = "ended";
  }
  still.reset();
  std::lock_guard hold(telling_);
  if (abandoned_.empty()) return top;
  tree_node given;
  given.name = given.state = "abandoned";
  for (const auto& lost : abandoned_) {
    auto& node = given.children.emplace_back();
    node.name = lost.path;
    node.state = "abandoned";
    tell_stuck(node, *lost.who);
    node.detail =
        "for " + std::to_string((time().now() - lost.since) / std::chrono::seconds(1)) + " s";
  }
  top.children.push_back(std::move(given));
  return top;
}

std::uint64_t runtime_system::counted(fate kind) const noexcept {
  std::uint64_t n = 0;
  for (auto& each : loops_) n += each->counted_fates(kind);
  return n;
}
ledger runtime_system::letters() const noexcept { return ledger_of(*this); }

} // namespace creche::internal
