// stopwatch.hpp: what the benches measure with, and how they print it: one JSON line each.
#pragma once

#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string_view>

namespace bench {

/// Time since it was made: by the clock, and by the processors (all threads). Nanoseconds.
class stopwatch {
public:
  struct reading {
    double ns, cpu_ns;
  };
  reading read() const noexcept {
    return {now(CLOCK_MONOTONIC) - ns_, now(CLOCK_PROCESS_CPUTIME_ID) - cpu_ns_};
  }

private:
  static double now(clockid_t id) noexcept {
    timespec t{};
    clock_gettime(id, &t);
    return double(t.tv_sec) * 1e9 + double(t.tv_nsec);
  }
  double ns_ = now(CLOCK_MONOTONIC);
  double cpu_ns_ = now(CLOCK_PROCESS_CPUTIME_ID);
};

/// What one of `count` took.
inline void print(std::string_view what, stopwatch::reading took, int count) {
  std::printf("{\"what\": \"%.*s\", \"ns\": %.1f, \"cpu_ns\": %.1f, \"count\": %d}\n",
              int(what.size()), what.data(), took.ns / count, took.cpu_ns / count, count);
  std::fflush(stdout);
}

inline void print_bytes(std::string_view what, double bytes, int count) {
  std::printf("{\"what\": \"%.*s\", \"bytes\": %.1f, \"count\": %d}\n", int(what.size()),
              what.data(), bytes / count, count);
  std::fflush(stdout);
}

/// Of this process.
inline double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double all = 0, resident = 0;
  statm >> all >> resident;
  return resident * double(sysconf(_SC_PAGESIZE));
}

} // namespace bench
