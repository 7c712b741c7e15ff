// nursery_command.hpp: what the two halves of nursery_state share.
#pragma once

#include "runtime/nursery_state.hpp"

namespace creche {

// Written where it lies: to copy a command in is slow, for it is stored in bytes and loaded in
// words.
inline nursery_state::command& say(nursery_state::commands& out, nursery_state::order what,
                                   nursery_state::child_id child, std::uint32_t incarnation) {
  auto& c = out.emplace_back();
  c.what = what;
  c.child = child;
  c.incarnation = incarnation;
  return c;
}

inline constexpr std::uint32_t no_group = 0xffffffff;

inline bool is_idle(nursery_state::child_phase p) noexcept {
  return p == nursery_state::child_phase::waiting || p == nursery_state::child_phase::done;
}

} // namespace creche
