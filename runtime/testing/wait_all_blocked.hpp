// wait_all_blocked.hpp: goes on when no other task can. (Trio's wait_all_tasks_blocked.)
#pragma once

#include "runtime/task/detail/op.hpp"
#include "runtime/testing/detail/all_blocked.hpp"

namespace creche::testing {

/// Goes on when every other task of the system is blocked, before the clock jumps. Of several that
/// wait all go on. Checkpoint. Throws std::logic_error outside a virtual run: where loops have
/// threads of their own this cannot be known.
inline creche::detail::op<detail::all_blocked_awaiter> wait_all_blocked() noexcept { return {}; }

} // namespace creche::testing
