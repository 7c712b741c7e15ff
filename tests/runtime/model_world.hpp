// model_world.hpp: what model_test.cpp knows of the random tree that it grows, and what must be
// true of it. Everything that was started, cancelled or thrown has its record here.
#pragma once

#include "clean_run.hpp"
#include "runtime/supervision/nursery.hpp"
#include "runtime/sync/channel.hpp"
#include "runtime/sync/event.hpp"

#include <algorithm>
#include <deque>
#include <random>
#include <string>
#include <vector>

namespace creche::testing {

struct boom final : std::runtime_error {
  std::size_t id;
  explicit boom(std::size_t i) : runtime_error("boom " + std::to_string(i)), id(i) {}
};

/// When somebody first asked for the end of a scope, a nursery or a child.
struct asked {
  time_point at = time_point::max();
  void now_() { at = std::min(at, now()); }
};

struct nursery_record {
  asked cancel;
  bool ended = false;
};

struct child_record {
  nursery_record* of = nullptr;
  asked cancel;
  child handle;
  bool ignored = false, restarts = false, crashed = false;
  // of the latest incarnation
  bool running = false, completed = false;
  std::exception_ptr threw;
};

/// Where a task is: what would cancel it, from the innermost outwards.
struct place {
  const place* up = nullptr;
  int task = 0;
  const asked* cancel = nullptr;
  cancel_scope* scope = nullptr;
  bool shield = false;
  nursery* in = nullptr; // of which the task is the body or a child
  nursery_record* record = nullptr;
  bool far = false; // perhaps not on the loop that the event and the channel belong to
};

struct world {
  std::mt19937_64 chance;
  int budget; // events that are still to come
  int tasks = 0;
  std::uint64_t events = 0, receipts = 0, starts = 0;
  std::vector<std::string> wrong;
  bool crashes = false;

  std::vector<bool> received; // by boom's id
  std::deque<nursery_record> nurseries;
  std::deque<child_record> children;
  std::deque<asked> scopes;
  struct known_scope {
    cancel_scope::handle handle;
    asked* cancel;
  };
  struct known_nursery {
    nursery::handle handle;
    nursery_record* record;
  };
  std::vector<known_scope> known_scopes;
  std::vector<known_nursery> known_nurseries;
  event bell;
  channel<counted> ch{1};

  unsigned loops;

  world(std::uint64_t seed, int size)
      : chance(seed), budget(size), loops(1 + unsigned(chance() % 2)) {}

  int below(int n) { return int(chance() % std::uint64_t(n)); }
  bool one_in(int n) { return below(n) == 0; }
  clock_duration span() { return 1ms * below(4); }
  bool step() {
    ++events;
    return --budget > 0;
  }
  void complain(std::string text) {
    if (wrong.size() < 10) wrong.push_back(std::move(text));
  }
  void must(bool good, const char* what) {
    if (!good) complain(what);
  }
  template <class T> T* any(std::deque<T>& all) {
    const int n = int(std::min<std::size_t>(all.size(), 32));
    return n ? &all[all.size() - 1 - std::size_t(below(n))] : nullptr;
  }
  template <class T> T* any(std::vector<T>& all) {
    const int n = int(std::min<std::size_t>(all.size(), 32));
    return n ? &all[all.size() - 1 - std::size_t(below(n))] : nullptr;
  }

  [[noreturn]] void fail() {
    received.push_back(false);
    throw boom(received.size() - 1);
  }
  void receive(const failure& f) {
    if (f.exception()) receive(f.exception());
    for (auto& cause : f.causes()) receive(cause);
  }
  void receive(const std::exception_ptr& e) {
    try {
      std::rethrow_exception(e);
    } catch (const boom& b) {
      received.at(b.id) = true;
    } catch (const failure_group& g) {
      for (auto& f : g.failures()) receive(f);
    } catch (...) { // too_slow, nursery_closed: nobody has to see them
    }
  }
  void receive(const outcome& o) {
    if (o.why) receive(*o.why);
  }

  /// A checkpoint that begins here and now has to stop. What another task was told is waited for
  /// until the clock has moved.
  bool must_stop(const place& from) const {
    const auto t = now();
    for (auto* p = &from; p; p = p->up) {
      if (p->scope && p->task == from.task && p->scope->cancel_called()) return true;
      if (p->scope && p->scope->deadline() < t) return true;
      if (p->cancel && p->cancel->at < t) return true;
      if (p->shield || (p->scope && p->scope->shielded())) return false;
    }
    return false;
  }

  /// What must be true once a season is over.
  void check_season() {
    for (auto& c : children) {
      must(!c.running, "a body outlived its child");
      if (!c.handle) continue; // its starter never got it
      const auto end = c.handle.result();
      must(c.handle.ended() && end, "a child has no outcome");
      if (!end) continue;
      switch (end->kind) {
      case how::completed: must(c.completed || c.crashed, "completed, but its body did not"); break;
      case how::failed:
        must(c.threw != nullptr || c.crashed, "failed, but nothing was thrown");
        break;
      case how::cancelled:
        must(c.restarts || (!c.completed && !c.threw), "cancelled, but its body had ended itself");
        break;
      case how::killed: must(c.crashed, "killed by nobody"); break;
      }
      if (c.ignored && is_failure(end->kind)) receive(*end);
      if (c.restarts && c.threw && end->kind == how::cancelled) receive(c.threw);
    }
    for (auto& s : known_scopes)
      must(s.handle.ended(), "a scope's handle has not heard of its end");
    for (auto& m : known_nurseries) must(m.handle.ended(), "a nursery's handle has not, either");
    children.clear();
    scopes.clear();
    nurseries.clear();
    known_scopes.clear();
    known_nurseries.clear();
  }
  /// What must be true at the end of a run. The ledger of messages has its place here.
  void check_end() {
    for (std::size_t i = 0; i < received.size(); ++i)
      if (!received[i]) complain("lost: boom " + std::to_string(i));
    const auto s = ch.statistics();
    must(s.sent == s.received + s.buffered, "the channel's items do not add up");
  }
};

} // namespace creche::testing
