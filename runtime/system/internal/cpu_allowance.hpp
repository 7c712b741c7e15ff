// cpu_allowance.hpp: how many CPUs this process may use.
//
// Any thread.
#pragma once

#include <string>

namespace creche::internal {

/// Those in the affinity mask of the calling thread; at least 1.
unsigned cpus_of_affinity() noexcept;

/// Whole CPUs that the quotas of the control groups allow, the smallest of all levels, rounded up;
/// 0: there is no quota. Reads files below `root`, which is "/" but in tests:
/// proc/self/cgroup, and sys/fs/cgroup in either version.
unsigned cpus_of_quota(const std::string& root);

/// The smaller of both; at least 1.
unsigned cpus_allowed();

} // namespace creche::internal
