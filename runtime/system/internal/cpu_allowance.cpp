#include "runtime/system/internal/cpu_allowance.hpp"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

namespace creche::internal {

namespace {

// A quota of one group, in CPUs.
using cpus = std::optional<double>;

std::optional<std::string> first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) return std::nullopt;
  return line;
}

cpus quotient(double quota, double period) {
  if (quota <= 0 || period <= 0) return std::nullopt; // -1: no quota
  return quota / period;
}

// cpu.max: "max 100000", or "150000 100000".
cpus quota_of_v2(const std::string& group) {
  const auto line = first_line(group + "/cpu.max");
  if (!line) return std::nullopt;
  std::istringstream words(*line);
  double quota = 0, period = 0;
  if (!(words >> quota >> period)) return std::nullopt; // "max" is no number
  return quotient(quota, period);
}

cpus quota_of_v1(const std::string& group) {
  const auto quota = first_line(group + "/cpu.cfs_quota_us");
  const auto period = first_line(group + "/cpu.cfs_period_us");
  if (!quota || !period) return std::nullopt;
  std::istringstream quota_word(*quota), period_word(*period);
  double quota_us = 0, period_us = 0;
  if (!(quota_word >> quota_us) || !(period_word >> period_us)) return std::nullopt;
  return quotient(quota_us, period_us);
}

// The group and those above it: each may have a quota, and the smallest holds. A path that leads
// out of what is mounted here ("/../x") leaves only the top.
cpus smallest(const std::string& mount, std::string path, cpus (*quota_of)(const std::string&)) {
  if (path.find("/..") != path.npos) path.clear();
  cpus found;
  for (;;) {
    if (const auto quota = quota_of(mount + path)) found = std::min(found.value_or(*quota), *quota);
    const auto slash = path.rfind('/');
    if (slash == path.npos) return found;
    path.resize(slash);
  }
}

bool has_word(const std::string& list, const std::string& word) {
  std::istringstream words(list);
  for (std::string one; std::getline(words, one, ',');)
    if (one == word) return true;
  return false;
}

} // namespace

unsigned cpus_of_affinity() noexcept {
  // a mask may be larger than cpu_set_t
  for (unsigned cpus_of_mask = 1024; cpus_of_mask <= 1 << 20; cpus_of_mask *= 2) {
    auto* mask = CPU_ALLOC(cpus_of_mask);
    if (!mask) break;
    const auto size = CPU_ALLOC_SIZE(cpus_of_mask);
    const bool known = ::sched_getaffinity(0, size, mask) == 0;
    const bool too_small = !known && errno == EINVAL;
    const int count = known ? CPU_COUNT_S(size, mask) : 0;
    CPU_FREE(mask);
    if (count > 0) return unsigned(count);
    if (!too_small) break;
  }
  return std::max(1u, std::thread::hardware_concurrency());
}

unsigned cpus_of_quota(const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  const auto mount = root + "/sys/fs/cgroup";
  cpus found;
  const auto take = [&found](const cpus& quota) {
    if (quota) found = std::min(found.value_or(*quota), *quota);
  };
  // "0::/path" is version 2, "4:cpu,cpuacct:/path" version 1
  for (std::string line; std::getline(groups, line);) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    const auto path = line.substr(second + 1);
    if (controllers.empty()) {
      take(smallest(mount, path, &quota_of_v2));
      take(smallest(mount + "/unified", path, &quota_of_v2));
    } else if (has_word(controllers, "cpu")) {
      take(smallest(std::string(mount).append("/").append(controllers), path, &quota_of_v1));
      take(smallest(mount + "/cpu", path, &quota_of_v1));
    }
  }
  if (!found) return 0;
  const auto whole = unsigned(std::min(*found, 1e6));
  return std::max(1u, whole + (*found > whole));
}

unsigned cpus_allowed() {
  const auto quota = cpus_of_quota("");
  const auto mask = cpus_of_affinity();
  return quota == 0 ? mask : std::min(quota, mask);
}

} // namespace creche::internal
