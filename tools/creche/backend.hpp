// backend.hpp: three services that need each other: api after cache after db.
#pragma once

#include "runtime/supervision/child.hpp"

#include <atomic>
#include <memory>

namespace demo {

/// A crash of db takes the others down first, newest first, each with a clean-up that takes its
/// time; then all come up again, each when the one before is ready. The page shows it.
class backend {
public:
  creche::child_spec as_child();
  /// Any thread. False if db is down, or about to be.
  bool crash_db() noexcept;

private:
  creche::task<> live();

  std::atomic<std::shared_ptr<const creche::child>> db_;
};

} // namespace demo
