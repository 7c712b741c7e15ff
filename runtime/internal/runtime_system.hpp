// runtime_system.hpp: the loops of one `run`, CAF's system under them, and the order of their end.
//
// The order: root ended -> each loop drains until nothing lives on it -> io_contexts destroyed on
// their threads -> leftovers in loop queues released -> threads joined -> ~actor_system -> loops.
// No globals: systems in one process do not know of each other.
#pragma once

#include "runtime/internal/nursery_actor.hpp"
#include "runtime/ledger.hpp"
#include "runtime/tree.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <barrier>
#include <thread>

namespace creche::internal {

struct system_options {
  unsigned loops = 1;
  std::uint64_t seed = 0; // 0: a random one
  bool testing = false;   // CAF's test scheduler; loops are pumped by hand
  const creche::clock* time = &system_clock();
  void (*on_report)(const report&) = nullptr;
  caf::actor_system* host = nullptr;    // somebody else's, instead of one of our own
  asio::io_context* guest_of = nullptr; // the one loop lives there, and has no thread of its own
};

class simulation;

class runtime_system {
public:
  explicit runtime_system(const system_options& o);
  ~runtime_system();
  runtime_system(const runtime_system&) = delete;

  caf::actor_system& actors() noexcept { return *actors_; }
  const clock& time() const noexcept { return *options_.time; }
  std::size_t loops() const noexcept { return loops_.size(); }
  loop& at(std::size_t i) noexcept { return *loops_[i]; }
  loop& roomiest() noexcept; // any thread
  door& gate() noexcept { return *gate_; }
  double random() noexcept; // [0, 1); home thread of any loop
  void tell(const report& r);
  /// The first failures that ended a nursery, the oldest first. Any thread.
  std::vector<failure> escalated();

  /// A child that its nursery gave up, until it has ended. Any thread.
  void abandon(child_actor& c, std::string path);
  void recovered(child_actor& c) noexcept;
  std::size_t abandoned();

  /// Starts the threads of the loops.
  void start();
  /// Ends them, in order; what still lives after `patience` is named. Returns how many did.
  std::size_t finish(clock_duration patience);
  /// The same for a loop that is a guest, on its thread, when nothing is left to wait for.
  std::size_t finish_guest();

  /// Who pumps the loops by hand; null when they have threads.
  internal::simulation* driver = nullptr;

  nursery_actor* root = nullptr; // set and cleared on loop 0 under its tree lock
  tree_node snapshot(std::size_t most_children);
  ledger letters() const noexcept; // any thread

private:
  system_options options_;
  struct drop_loop {
    void operator()(loop* l) const noexcept { l->drop(); }
  };
  std::unique_ptr<caf::actor_system_config> config_;
  door* gate_ = new door;
  std::vector<std::unique_ptr<loop, drop_loop>> loops_;
  std::unique_ptr<caf::actor_system> own_actors_; // null: a guest
  caf::actor_system* actors_;
  std::unique_ptr<std::barrier<>> drained_;
  std::vector<std::thread> threads_;
  std::mutex reading_; // one reader of the tree at a time
  std::mutex telling_;
  std::vector<failure> escalated_; // under telling_
  struct given_up {
    child_actor* who;
    std::string path;
    time_point since;
  };
  std::vector<given_up> abandoned_; // under telling_
  std::atomic<std::uint64_t> seed_;
};

} // namespace creche::internal
