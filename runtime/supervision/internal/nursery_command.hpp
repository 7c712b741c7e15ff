// nursery_command.hpp: what the parts of nursery_state share.
#pragma once

#include "runtime/supervision/internal/nursery_state.hpp"

namespace creche {

// Written where it lies: to copy a command in is slow, for it is stored in bytes and loaded in
// words.
inline nursery_state::command& say(nursery_state::commands& out, nursery_state::order what,
                                   nursery_state::child_id child, std::uint32_t incarnation) {
  auto& said = out.emplace_back();
  said.what = what;
  said.child = child;
  said.incarnation = incarnation;
  return said;
}

inline constexpr std::uint32_t no_group = 0xffffffff;

inline bool is_idle(nursery_state::child_phase phase) noexcept {
  return phase == nursery_state::child_phase::waiting || phase == nursery_state::child_phase::done;
}

} // namespace creche
