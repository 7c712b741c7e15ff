// tree_sink.hpp: where actors describe themselves for the tree. Reads what is published, under the
// tree locks; never waits for an actor.
#pragma once

#include "runtime/supervision/internal/nursery_actor.hpp"
#include "runtime/supervision/tree.hpp"

namespace creche::internal {

/// If this node's actor keeps its loop.
void tell_stuck(tree_node& node, const child_actor& actor);

/// A tree may be of any size; what is shown of it is not.
struct tree_bounds {
  std::size_t most_children = 200; // of one nursery
  std::size_t most_nodes = 50'000; // in all; those that are left
  bool at_rest = false;            // no actor runs meanwhile: a virtual run
};
inline constexpr unsigned most_tree_levels = 64;

struct tree_sink {
  tree_node& node;
  tree_bounds& bounds;
  unsigned levels = most_tree_levels; // below the node
  /// What is left of the drain of what encloses the node; less than 0: that does not drain, or has
  /// no limit.
  double drains_for_s = -1;

  void waits_for(std::string what) const { node.waits_for = std::move(what); }
  /// Words of the actor's own.
  void detail(std::string_view text) const;
  /// In its words "3 open", and as data.
  void number(std::string_view name, std::uint64_t value) const;
  /// In its words "held: the database is slow", and as data.
  void state(std::string_view name, std::string_view value) const;
  /// As data only.
  void add_number(std::string_view name, std::uint64_t value) const;
  void add_state(std::string_view name, std::string_view value) const;
  /// A nursery below the node.
  void nursery(const nursery_actor& opened) const;
  void child(const child_record& record) const;

private:
  /// A node below, or null if there are too many; then it is counted as hidden.
  tree_node* below() const;
};

} // namespace creche::internal
