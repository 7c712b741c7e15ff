// worker.hpp: a child that fails: by chance every now and then, and at once when it is asked to.
#pragma once

#include "runtime/supervision/child.hpp"

#include <atomic>
#include <memory>

namespace demo {

/// Every incarnation starts a child of its own, the fuse, which sleeps for a random time, and fails
/// when the fuse has ended. Its handle is the only thing that other threads need.
class worker {
public:
  /// Long enough that failures by chance alone never exceed the root's budget.
  static constexpr auto shortest_life = std::chrono::seconds(5);
  static constexpr auto longest_life = std::chrono::seconds(35);

  /// A calm one fails only when it is asked to.
  creche::child_spec as_child(bool calm);
  /// Any thread. False if there is nothing to crash: it is down, or its end has begun already.
  bool crash() noexcept;

private:
  creche::task<> live(bool calm);

  std::atomic<std::shared_ptr<const creche::child>> fuse_;
};

} // namespace demo
