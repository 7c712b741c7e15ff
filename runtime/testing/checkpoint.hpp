// checkpoint.hpp: shows that an operation is a checkpoint, or that it is none.
//
//   co_await testing::require_checkpoint([&] { return sleep_for(0s); });
//
// Inside a task only.
#pragma once

#include "runtime/task/task.hpp"

#include <source_location>
#include <type_traits>

namespace creche::testing {

namespace detail {
template <class F> struct value_of_op;
} // namespace detail

/// Runs the operation, `op()`, which returns an awaitable or a task, and gives its value. Throws
/// std::logic_error unless it is a checkpoint in every way that can be told from outside:
/// - in a cancelled scope it must not complete (so `op` is called twice, and what it does before
///   its first checkpoint is done twice);
/// - with its 64 awaits in a row spent, it must let others run before it completes.
/// What the operation throws passes through. Checkpoint.
template <class F>
[[nodiscard]] task<typename detail::value_of_op<F>::type>
require_checkpoint(F&& op, std::source_location where = std::source_location::current());

/// Runs `op()` once, in a cancelled scope: throws std::logic_error if it stops there, or lets
/// others run. `op` may also be a plain function that returns nothing.
template <class F>
[[nodiscard]] task<>
require_no_checkpoint(F&& op, std::source_location where = std::source_location::current());

} // namespace creche::testing

#include "runtime/testing/detail/checkpoint.hpp"
