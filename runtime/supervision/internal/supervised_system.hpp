// supervised_system.hpp: what supervision needs of the system around it.
//
// Any thread.
#pragma once

#include "runtime/loop/internal/loop_owner.hpp"
#include "runtime/supervision/internal/nursery_state.hpp"
#include "runtime/supervision/internal/room_table.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/task/failure.hpp"

#include <string>

namespace creche::internal {

class child_actor;

/// What a nursery tells the log about an ended child.
struct report {
  const failure& why;
  nursery_state::verdict then;
  std::uint32_t restarts;
  clock_duration delay; // restarting
  bool no_end = false;  // nothing ended: it is worth a line, no more
};

class supervised_system : public loop_owner {
public:
  /// Senders that wait for room in a mailbox.
  room_table room;

  virtual void tell(const report& news) = 0;
  /// The loop with the fewest actors.
  virtual loop& roomiest() noexcept = 0;
  /// A child that its nursery gave up lives on until it has ended.
  virtual void abandon(child_actor& actor, std::string path) = 0;
  virtual void recovered(child_actor& actor) noexcept = 0;
  virtual tree_node snapshot(std::size_t most_children) = 0;
};

/// REQUIRES: the loop has an owner. Nurseries live on no others.
inline supervised_system& system_of(const loop& home) noexcept {
  return static_cast<supervised_system&>(*home.owner);
}

} // namespace creche::internal
