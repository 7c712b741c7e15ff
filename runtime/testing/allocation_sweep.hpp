// allocation_sweep.hpp: fails the n-th allocation of a program, for every n, and says where no
// outcome came of it.
//
//     auto swept = testing::sweep_allocations([] { check(run_virtual(main)); });
//     CHECK(swept.faults.empty());
//
// To be included in exactly one source file of a test program: it replaces operator new, and the C
// library's aligned_alloc, which asio's handlers come from (what they leave is not counted). Each
// failure happens in a process of its own, so that a crash or a hang is one finding and the sweep
// goes on. Memory is asked for where it is used: call `no_pool()` first in main.
// While sweep_allocations() is called the program has one thread; the scenario may have others,
// which end with it, and of which any may be met.
#pragma once

#include "runtime/memory/pool.hpp"

#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

namespace creche::testing {

namespace detail {

struct allocation_counts {
  std::atomic<std::uint64_t> made{0}; // since it was armed
  std::atomic<std::uint64_t> fail_at{0};
  std::atomic<std::uint64_t> again{0}; // and each so many-th behind it
  std::atomic<std::int64_t> live{0};
  std::atomic<bool> counting{false};
  std::atomic<bool (*)() noexcept> counts_here{nullptr}; // null: on every thread

  /// One more is asked for. True: it is the one that fails.
  bool fails() noexcept {
    if (!counting) return false;
    const auto here = counts_here.load();
    if (here && !here()) return false;
    const std::uint64_t now = ++made, first = fail_at, step = again;
    return now == first || (first && step && now > first && (now - first) % step == 0);
  }
};
inline constinit allocation_counts allocations;

inline void* allocate(std::size_t bytes) noexcept {
  if (allocations.fails()) return nullptr;
  void* block = std::malloc(bytes ? bytes : 1);
  if (block) ++allocations.live;
  return block;
}
inline void* allocate_uncounted(std::size_t bytes, std::size_t alignment) noexcept {
  if (allocations.fails()) return nullptr;
  return ::memalign(alignment, bytes);
}
inline void* allocate_aligned(std::size_t bytes, std::size_t alignment) noexcept {
  void* block = allocate_uncounted(bytes, alignment);
  if (block) ++allocations.live;
  return block;
}
/// As the standard's operator new does when there is no memory.
inline void call_handler() {
  const auto handler = std::get_new_handler();
  if (!handler) throw std::bad_alloc();
  handler();
}
inline void deallocate(void* block) noexcept {
  if (!block) return;
  --allocations.live;
  std::free(block);
}

// What the process that failed has to say.
inline void say(int to, const char* text) noexcept {
  [[maybe_unused]] const auto n = ::write(to, text, std::strlen(text));
}
inline std::string heard(int from) {
  std::string all;
  char some[512];
  for (ssize_t n; (n = ::read(from, some, sizeof some)) > 0;) all.append(some, std::size_t(n));
  return all;
}

} // namespace detail

struct allocation_sweep {
  std::uint64_t allocations = 0; ///< of one run of the scenario: so many were failed
  /// "allocation 17: what was wrong", for those of which no outcome came.
  std::vector<std::string> faults;
};

/// Every frame, actor and letter is an allocation of its own from now on, not a part of a larger
/// one. REQUIRES: nothing of creche has run.
inline void no_pool() noexcept { creche::detail::pool::bypass(); }

/// The scenario calls it where its allocations begin to count, and where they no longer do: what a
/// program builds before it runs and takes down afterwards (an actor system of CAF's) is not
/// judged.
inline void allocations_count(bool now = true) noexcept { detail::allocations.counting = now; }

/// Only allocations on threads of which `here` says so, on that thread, count. Null: on all.
inline void allocations_count_where(bool (*here)() noexcept) noexcept {
  detail::allocations.counts_here = here;
}

/// Runs the scenario once as it is, and then with each allocation failing once. The scenario may
/// throw std::bad_alloc; whatever else it throws, and what it has not freed in the end, is a fault.
/// `every`: only each so many-th allocation, beginning with the first. `again`: from there on each
/// so many-th fails as well; 0: no other.
template <class Scenario>
allocation_sweep sweep_allocations(const Scenario& scenario, unsigned every = 1,
                                   unsigned seconds_each = 20, unsigned again = 0) {
  // 1 is what a sanitizer exits with
  constexpr int ended = 0, ran_through = 101, threw = 102, leaked = 103;
  allocation_sweep swept;
  scenario(); // what is made once is there now
  scenario();
  detail::allocations.again = again;
  // SWEEP_ONLY=n of the environment: only that one, in this process, for a debugger
  if (const char* only = std::getenv("SWEEP_ONLY")) {
    detail::allocations.counting = false;
    detail::allocations.made = 0;
    detail::allocations.fail_at = std::strtoull(only, nullptr, 10);
    const auto live = detail::allocations.live.load();
    scenario();
    swept.allocations = detail::allocations.made;
    if (detail::allocations.live > live) swept.faults.push_back("memory is left");
    return swept;
  }
  for (std::uint64_t failing = 1;; failing += every) {
    int words[2] = {-1, -1};
    const auto process = ::pipe(words) == 0 ? ::fork() : -1;
    if (process < 0) {
      swept.faults.push_back(std::string("fork: ") + std::strerror(errno));
      return swept;
    }
    if (process == 0) {
      for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) ::signal(signal, SIG_DFL);
      ::alarm(seconds_each);
      auto& counts = detail::allocations;
      const auto live = counts.live.load();
      counts.counting = false;
      counts.made = 0;
      counts.fail_at = failing;
      int code = ended;
      try {
        scenario();
      } catch (const std::bad_alloc&) {
      } catch (const std::exception& error) {
        counts.counting = false;
        code = threw;
        detail::say(words[1], error.what());
      } catch (...) {
        code = threw;
      }
      const bool reached = counts.made >= failing;
      counts.fail_at = 0;
      if (!reached)
        code = ran_through;
      else if (code == ended && counts.live > live)
        code = leaked;
      ::_exit(code);
    }
    ::close(words[1]);
    const auto said = detail::heard(words[0]);
    ::close(words[0]);
    int status = 0;
    ::waitpid(process, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == ran_through) return swept;
    swept.allocations = failing;
    const auto fault = [&](const std::string& what) {
      swept.faults.push_back("allocation " + std::to_string(failing) + ": " + what);
    };
    if (WIFSIGNALED(status))
      fault(WTERMSIG(status) == SIGALRM ? "it hangs"
                                        : std::string("signal ") + ::strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == threw)
      fault("the scenario threw: " + said);
    else if (WEXITSTATUS(status) == leaked)
      fault("memory is left");
    else if (WEXITSTATUS(status) != ended)
      fault("it ended with " + std::to_string(WEXITSTATUS(status)));
  }
}

} // namespace creche::testing

// ---- what a program allocates with

extern "C" void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return creche::testing::detail::allocate_uncounted(bytes, alignment);
}

void* operator new(std::size_t bytes) {
  for (;;) {
    if (void* block = creche::testing::detail::allocate(bytes)) return block;
    creche::testing::detail::call_handler();
  }
}
void* operator new[](std::size_t bytes) { return ::operator new(bytes); }
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  try {
    return ::operator new(bytes);
  } catch (...) {
    return nullptr;
  }
}
void* operator new[](std::size_t bytes, const std::nothrow_t& none) noexcept {
  return ::operator new(bytes, none);
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  for (;;) {
    if (void* block =
            creche::testing::detail::allocate_aligned(bytes, static_cast<std::size_t>(alignment)))
      return block;
    creche::testing::detail::call_handler();
  }
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
  return ::operator new(bytes, alignment);
}
void operator delete(void* block) noexcept { creche::testing::detail::deallocate(block); }
void operator delete[](void* block) noexcept { creche::testing::detail::deallocate(block); }
void operator delete(void* block, std::size_t) noexcept {
  creche::testing::detail::deallocate(block);
}
void operator delete[](void* block, std::size_t) noexcept {
  creche::testing::detail::deallocate(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
  creche::testing::detail::deallocate(block);
}
void operator delete[](void* block, std::align_val_t) noexcept {
  creche::testing::detail::deallocate(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  creche::testing::detail::deallocate(block);
}
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept {
  creche::testing::detail::deallocate(block);
}
