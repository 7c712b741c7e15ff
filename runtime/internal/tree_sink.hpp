// tree_sink.hpp: where actors describe themselves for the tree. Reads what is published, under the
// tree locks; never waits for an actor.
#pragma once

#include "runtime/internal/nursery_actor.hpp"
#include "runtime/tree.hpp"

namespace creche::internal {

/// If this node's actor keeps its loop.
void tell_stuck(tree_node& n, const child_actor& a);

struct tree_sink {
  tree_node& node;
  std::size_t most_children;

  void waits_for(const char* what) const { node.waits_for = what; }
  void detail(std::string text) const {
    if (!node.detail.empty()) node.detail += ", ";
    node.detail += text;
  }
  /// A nursery below the node.
  void nursery(const nursery_actor& n) const;
  void child(const child_record& r) const;
};

} // namespace creche::internal
