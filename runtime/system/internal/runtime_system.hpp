// runtime_system.hpp: the loops of one `run`, CAF's system under them, and the order of their end.
//
// The order: root ended -> each loop drains until nothing lives on it -> io_contexts destroyed on
// their threads -> leftovers in loop queues released -> threads joined -> ~actor_system -> loops.
// No globals: systems in one process do not know of each other.
#pragma once

#include "runtime/loop/internal/ticker.hpp"
#include "runtime/messages/ledger.hpp"
#include "runtime/supervision/internal/nursery_actor.hpp"
#include "runtime/supervision/internal/supervised_system.hpp"

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

class runtime_system final : public supervised_system {
public:
  explicit runtime_system(const system_options& options);
  ~runtime_system() override;

  caf::actor_system& actors() noexcept { return *actors_; }
  const clock& time() const noexcept { return *options_.time; }
  std::size_t loops() const noexcept { return loops_.size(); }
  loop& at(std::size_t i) noexcept { return *loops_[i]; }
  loop& roomiest() noexcept override;
  double random() noexcept override;
  void tell(const report& news) override;
  /// The first failures that ended a nursery, the oldest first. Any thread.
  std::vector<failure> escalated();

  void abandon(child_actor& actor, std::string path) override;
  void recovered(child_actor& actor) noexcept override;
  /// How many children were given up and have not ended. Any thread.
  std::size_t abandoned();

  /// Starts the threads of the loops.
  void start();
  /// From now on busy loops look at the time once a millisecond, even within a turn.
  void start_ticker();
  /// Ends them, in order; what still lives after `patience` is named. Returns how many did.
  std::size_t finish(clock_duration patience);
  /// The same for a loop that is a guest, on its thread, when nothing is left to wait for.
  std::size_t finish_guest();

  /// Pumps the loops by hand; null when they have threads.
  internal::simulation* driver = nullptr;

  nursery_actor* root = nullptr; // set and cleared on loop 0 under its tree lock
  tree_node snapshot(std::size_t most_children) override;
  std::uint64_t counted(fate kind) const noexcept override;
  ledger letters() const noexcept; // any thread

private:
  system_options options_;
  struct drop_loop {
    void operator()(loop* dropped) const noexcept { dropped->release(); }
  };
  std::unique_ptr<caf::actor_system_config> config_;
  std::vector<std::unique_ptr<loop, drop_loop>> loops_;
  struct end_system { // CAF's asks for memory when it ends
    void operator()(caf::actor_system* ended) const noexcept {
      const bookkeeping books;
      delete ended;
    }
  };
  std::unique_ptr<caf::actor_system, end_system> own_actors_; // null: a guest
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
  ticker ticker_;
};

/// REQUIRES: the loop is one of a runtime_system's.
inline runtime_system& runtime_of(const loop& home) noexcept {
  return static_cast<runtime_system&>(*home.owner);
}

} // namespace creche::internal
