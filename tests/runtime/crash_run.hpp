// crash_run.hpp: supervised children that fail as often as one likes, in every way we know, and
// what the process holds before and after. For crash_run_test.cpp, and for tests/bench/.
#pragma once

#include "runtime/interop/caf.hpp"
#include "runtime/loop/internal/loop.hpp"
#include "runtime/memory/pool.hpp"
#include "runtime/messages/receive.hpp"
#include "runtime/sync/event.hpp"
#include "runtime/system/internal/runtime_system.hpp"
#include "runtime/task/this_task.hpp"

#include <caf/actor_registry.hpp>
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace creche::testing {

/// What this process holds. Called in a task, when nothing else lives.
struct holdings {
  std::int64_t actors = 0;     ///< on all loops of this system
  std::int64_t caf_actors = 0; ///< that CAF counts as running
  std::size_t descriptors = 0;
  std::size_t malloc_bytes = 0; ///< in use; 0 under sanitizers, which look for leaks themselves
  std::size_t pool_bytes = 0;   ///< taken from the system by the pool, which never gives back
  std::size_t resident_bytes = 0;
  std::int64_t timers = 0;

  static holdings now() {
    holdings h;
    auto& s = internal::runtime_of(*internal::loop::current());
    for (std::size_t i = 0; i < s.loops(); ++i) h.actors += s.at(i).live();
    h.timers = std::int64_t(internal::loop::current()->timers().size());
    h.caf_actors = std::int64_t(s.actors().registry().running());
    for ([[maybe_unused]] auto& e : std::filesystem::directory_iterator("/proc/self/fd"))
      ++h.descriptors;
    h.malloc_bytes = ::mallinfo2().uordblks + ::mallinfo2().hblkhd;
    h.pool_bytes = creche::detail::pool::carved();
    std::ifstream statm("/proc/self/statm");
    std::size_t all = 0, resident = 0;
    statm >> all >> resident;
    h.resident_bytes = resident * std::size_t(::sysconf(_SC_PAGESIZE));
    return h;
  }
};

namespace crashes {

class descriptor {
public:
  descriptor() : fd_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {}
  descriptor(const descriptor&) = delete;
  ~descriptor() { ::close(fd_); }

private:
  int fd_;
};

struct plan {
  long left;
  event over;
  /// True for as many incarnations as shall fail; the others wait for the end.
  bool next() {
    if (left > 0) return --left, true;
    over.set();
    return false;
  }
};

inline task<> wait_for_ever() { co_await sleep_for(no_limit); }
[[noreturn]] inline void crash() { throw std::runtime_error("a crash, with a text that is owned"); }

inline task<> at_once(plan& p) {
  if (p.next()) crash();
  co_await wait_for_ever();
}
inline task<> deep_down(plan& p, std::string owned) {
  const descriptor d;
  auto inner = [&]() -> task<> {
    const auto copy = owned;
    co_await checkpoint();
    if (p.next()) crash();
  };
  co_await inner();
  co_await wait_for_ever();
}
inline task<> with_children(plan& p) {
  auto body = [&](nursery& n) -> task<> {
    for (int i = 0; i < 2; ++i) n.start(wait_for_ever);
    n.start([&p]() -> task<> {
      const descriptor d;
      co_await checkpoint();
      if (p.next()) crash();
      co_await wait_for_ever();
    });
    co_await wait_for_ever();
  };
  co_await with_nursery(body);
}
inline task<> with_mail(plan& p, child& self) {
  for (int i = 0; i < 3; ++i)
    self.send(std::string("a letter that nobody will ever read, and long"));
  const auto text = co_await receive<std::string>();
  if (p.next()) crash();
  co_await wait_for_ever();
}
inline caf::behavior caf_handler(caf::event_based_actor* self, plan* p) {
  self->send(self, 1);
  return {[p](int) {
    if (p->next()) crash();
  }};
}

} // namespace crashes

/// `count` failures of `workers` children of each kind, restarted at once, under one nursery.
inline task<> crash_run(long count, int workers) {
  using namespace crashes;
  // the list of restarts goes back as far as the period: a short one keeps it small
  std::vector<child> self(static_cast<std::size_t>(workers));
  plan p{count, {}};
  auto body = [&](nursery& n) -> task<> {
    auto start = [&n](child_spec s) {
      return n.start(std::move(s).restart(restart::permanent).backoff(no_backoff));
    };
    for (int i = 0; i < workers; ++i) {
      start(child_spec("at_once", at_once, std::ref(p)));
      start(child_spec("deep_down", deep_down, std::ref(p), std::string(100, 'x')));
      start(child_spec("with_children", with_children, std::ref(p)));
      auto& s = self[std::size_t(i)];
      s = start(child_spec("with_mail", with_mail, std::ref(p), std::ref(s)));
      start(caf_child("caf", caf_handler, &p));
    }
    co_await p.over.wait();
    // those that failed last, too: a stop takes no restart
    while (n.statistics().restarted < std::uint64_t(count)) co_await checkpoint();
    n.stop();
  };
  co_await with_nursery({.name = "crashes", .budget = {10'000'000, std::chrono::milliseconds(1)}},
                        body);
}

} // namespace creche::testing
