// How many loops a program has that says nothing about it: quotas of control groups, in folders
// that look like what a kernel shows.
#include "runtime/system/internal/cpu_allowance.hpp"

#include <doctest/doctest.h>
#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace fs = std::filesystem;
using namespace creche::internal;

namespace {

// A root folder of its own, with the files that a case wants.
class fake_root {
public:
  fake_root() {
    char name[] = "/tmp/creche_cgroup_XXXXXX";
    const char* made = ::mkdtemp(name);
    REQUIRE(made);
    path_ = made;
  }
  ~fake_root() { fs::remove_all(path_); }
  fake_root& file(const std::string& name, const std::string& text) {
    const auto at = path_ / name;
    fs::create_directories(at.parent_path());
    std::ofstream(at) << text;
    return *this;
  }
  unsigned cpus() const { return cpus_of_quota(path_.string()); }

private:
  fs::path path_;
};

} // namespace

TEST_CASE("bad input: without a quota, or anything to read, there is none") {
  CHECK(fake_root().cpus() == 0);
  CHECK(fake_root().file("proc/self/cgroup", "0::/a\n").cpus() == 0);
  CHECK(fake_root()
            .file("proc/self/cgroup", "0::/a\n")
            .file("sys/fs/cgroup/a/cpu.max", "max 100000\n")
            .cpus() == 0);
  CHECK(fake_root()
            .file("proc/self/cgroup", "nonsense\n::\n0::\n")
            .file("sys/fs/cgroup/cpu.max", "100000\n")
            .cpus() == 0);
  CHECK(fake_root()
            .file("proc/self/cgroup", "4:cpu,cpuacct:/a\n")
            .file("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "-1\n")
            .file("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n")
            .cpus() == 0);
}

TEST_CASE("process: a quota of version 2 allows whole CPUs, rounded up, and one at least") {
  const auto of = [](const char* quota) {
    return fake_root()
        .file("proc/self/cgroup", "0::/a/b\n")
        .file("sys/fs/cgroup/a/b/cpu.max", quota)
        .cpus();
  };
  CHECK(of("200000 100000\n") == 2);
  CHECK(of("150000 100000\n") == 2);
  CHECK(of("1000 100000\n") == 1);
  CHECK(of("100000000 100000\n") == 1000);
}

TEST_CASE("process: of the quotas on the way up the smallest holds") {
  fake_root root;
  root.file("proc/self/cgroup", "0::/a/b\n")
      .file("sys/fs/cgroup/a/b/cpu.max", "800000 100000\n")
      .file("sys/fs/cgroup/a/cpu.max", "300000 100000\n")
      .file("sys/fs/cgroup/cpu.max", "max 100000\n");
  CHECK(root.cpus() == 3);
}

TEST_CASE("process: in a container, which sees its own group as the top, that one is read") {
  for (const char* path : {"0::/\n", "0::/../../elsewhere\n"}) {
    fake_root root;
    root.file("proc/self/cgroup", path).file("sys/fs/cgroup/cpu.max", "50000 100000\n");
    CHECK(root.cpus() == 1);
  }
}

TEST_CASE("process: a quota of version 1 is read where its controllers are mounted") {
  for (const char* mount : {"cpu,cpuacct", "cpu"}) {
    fake_root root;
    root.file("proc/self/cgroup", "5:memory:/a\n4:cpu,cpuacct:/a\n0::/\n")
        .file(std::string("sys/fs/cgroup/") + mount + "/a/cpu.cfs_quota_us", "250000\n")
        .file(std::string("sys/fs/cgroup/") + mount + "/a/cpu.cfs_period_us", "100000\n");
    CHECK(root.cpus() == 3);
  }
}

TEST_CASE("process: the affinity mask of the thread is counted") {
  std::thread([] {
    cpu_set_t one, before;
    REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
    CHECK(cpus_of_affinity() == unsigned(CPU_COUNT(&before)));
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &before)) {
        CPU_SET(cpu, &one);
        break;
      }
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK(cpus_of_affinity() == 1);
    CHECK(cpus_allowed() == 1);
  }).join();
}
