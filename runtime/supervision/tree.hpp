// tree.hpp: what lives, as a value: a snapshot of the nurseries and their children.
//
// Taken from published state: no child is asked, and none is waited for.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace creche {

/// A number, or a state, of a node by its name.
struct tree_number {
  std::string name;
  std::uint64_t value = 0;
};
struct tree_state {
  std::string name;
  std::string value;
};

struct tree_node {
  std::string name;
  std::string kind;      ///< "nursery", "task", "tcp", …
  std::string state;     ///< "running", "waiting for restart", …
  std::string policy;    ///< what its nursery, or a nursery, does when a child fails
  std::string waits_for; ///< what a task waits for: "sleep", …
  std::string detail;    ///< a service's own words
  std::string failure;   ///< the last one, as text
  /// What `detail` says, and more, as data: {"open", 3}, {"held", "the database is slow"}.
  std::vector<tree_number> numbers;
  std::vector<tree_state> states;
  std::uint32_t restarts = 0;
  double restart_in_s = -1;    ///< while it waits for its restart
  double phase_ends_in_s = -1; ///< while it drains, is cancelled or killed, and that has a limit
  bool stuck = false;          ///< its handler keeps the loop busy
  double stuck_for_s = 0;      ///< for so long
  /// On their way between the layers of its stacks, the hidden ones included: sent, and not used.
  std::uint64_t bytes = 0;
  std::uint64_t hidden = 0; ///< children that are not listed: there are too many, or too deep
  std::vector<tree_node> children;

  /// The number or state of that name; 0 or "" if there is none.
  std::uint64_t number(std::string_view of) const noexcept;
  std::string_view state_of(std::string_view of) const noexcept;

  /// Indented, one line a node; at most a megabyte.
  std::string to_text() const;
  std::string to_json() const;
};

/// The whole tree of the system that this thread's loop belongs to; at most `most_children` of one
/// nursery are listed, 64 levels, and 50 000 nodes in all: the rest is counted as hidden. Throws
/// std::logic_error when called elsewhere.
tree_node tree(std::size_t most_children = 200);

} // namespace creche
