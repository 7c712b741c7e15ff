// loop.hpp: one thread, one asio io_context, one run queue, one timer wheel; a CAF execution unit.
//
// What lives on a loop runs only on that loop's thread. Own work is queued without a lock; other
// threads push on one lock-free list and wake the loop at most once per sleep.
// Home thread only, except for what says "any thread".
#pragma once

#include "runtime/clock.hpp"
#include "runtime/ledger.hpp"
#include "runtime/pool.hpp"
#include "runtime/wheel.hpp"

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>

#include <atomic>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace creche::internal {

class dice;
class guest;
class poll_set;
class runtime_system;

/// Something that wants turns. Linked in its loop's run queue.
struct runnable {
  runnable* run_next = nullptr;
  bool queued = false;

  /// Handles at most `budget` messages; returns how many. May destroy itself.
  virtual std::size_t turn(std::size_t budget) = 0;

protected:
  ~runnable() = default;
};

/// Something with bytes to send at the end of the loop's burst.
struct flushable {
  static constexpr std::uint32_t clean = ~std::uint32_t{0};
  std::uint32_t dirty_at = clean;

  /// Runs outside every turn: it may mark and wake actors, never end one.
  virtual void flush() = 0;

protected:
  ~flushable() = default;
};

/// A call for the loop's thread, pushed by any thread.
struct wakeup {
  wakeup* next_wakeup = nullptr;
  /// `run` is false when the loop has gone: then it only frees.
  void (*woken)(wakeup&, bool run) noexcept = nullptr;
};

/// Excludes the loop from changing the shape of its part of the tree while somebody reads it. Held
/// for a few stores, never while foreign code runs, so that a blocked loop can still be looked at.
class tree_lock {
public:
  void lock() noexcept {
    while (held_.exchange(true, std::memory_order_acquire))
      while (held_.load(std::memory_order_relaxed)) __builtin_ia32_pause();
  }
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

private:
  std::atomic<bool> held_{false};
};

class loop final : public caf::execution_unit {
public:
  static constexpr std::size_t turns_per_poll = 256;
  static constexpr std::size_t messages_per_turn = 64;

  /// With an io_context of its own; or as a guest on somebody else's, whose one thread will be its.
  loop(caf::actor_system& sys, const clock& time, unsigned index,
       asio::io_context* theirs = nullptr);
  ~loop() override;
  loop(const loop&) = delete;

  /// The loop whose thread this is, or null. Any thread.
  static loop* current() noexcept { return current_; }
  bool at_home() const noexcept { return current_ == this; }

  unsigned index() const noexcept { return index_; }
  /// Whose loop this is; set once, before it runs.
  runtime_system* owner = nullptr;
  asio::io_context& io() noexcept { return *io_; }
  /// Until close().
  poll_set& descriptors() noexcept { return *descriptors_; }
  const clock& time() const noexcept { return time_; }
  time_point now() const noexcept { return time_.now(); }
  /// Time at the start of this burst: for marks of activity that need no better.
  time_point burst_time() const noexcept { return burst_time_; }
  /// `Date: …\r\n` of this second (RFC 9110, 5.6.7).
  std::string_view date_line();

  // ---- timers
  void arm(timer& t, time_point due);
  void disarm(timer& t) noexcept;
  wheel& timers() noexcept { return wheel_; }

  // ---- work
  void schedule(runnable& r) noexcept {
    if (r.queued) return;
    r.queued = true;
    r.run_next = nullptr;
    if (tail_) {
      tail_->run_next = &r;
    } else {
      head_ = &r;
      if (guest_) [[unlikely]]
        want_burst();
    }
    tail_ = &r;
  }
  bool others_runnable() const noexcept { return head_ != nullptr; }
  /// Something is left for pump().
  bool has_work() const noexcept {
    return head_ != nullptr || inbox_.load(std::memory_order_relaxed) != nullptr;
  }
  /// For tests: the order of turns and the length of a burst are drawn from `d`, once per burst.
  /// Null: first come, first served. What waits in one mailbox stays in order.
  void draw_from(dice* d) noexcept { dice_ = d; }
  void dirty(flushable& f);
  void clean(flushable& f) noexcept;

  /// Any thread. At most one wake-up of the loop per sleep.
  void post(wakeup& w) noexcept;
  /// CAF's: takes over one reference. Any thread.
  void exec_later(caf::resumable* r) override;

  // ---- life
  /// Runs until stop() was called and nothing lives here any more, or the time given to stop() is
  /// over.
  void run();
  /// One bounded burst; true if something is left to run at once.
  bool pump();
  /// Runs the io_context's handlers that are ready; true if there were any.
  bool poll();
  /// Any thread.
  void stop(clock_duration patience) noexcept;
  /// On the loop's own thread, when every loop has left run(): nothing can reach the io_context.
  void close();
  /// Frees what was posted and never ran. After close(), any thread.
  void release_leftovers() noexcept;
  /// Null unless it lives on somebody else's io_context. Any thread.
  internal::guest* guest() const noexcept { return guest_.get(); }
  /// Throws std::logic_error unless this is the loop's thread: whoever runs a guest's io_context on
  /// two threads shall hear of it.
  void expect_home() const {
    if (!at_home()) [[unlikely]]
      not_at_home();
  }
  /// The object outlives the loop's end for those of CAF's world who hold an actor that lived here.
  /// Counted; it begins with 1. Any thread.
  void hold() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept {
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  /// Residents that have not ended.
  std::int64_t live() const noexcept {
    return live_here_ + arrived_.load(std::memory_order_acquire);
  }
  /// About as many, seen from any thread.
  std::int64_t crowd() const noexcept {
    if (at_home()) return live();
    return crowd_.load(std::memory_order_relaxed) + arrived_.load(std::memory_order_relaxed);
  }
  void arrived() noexcept { // any thread
    if (at_home())
      ++live_here_;
    else
      arrived_.fetch_add(1, std::memory_order_acq_rel);
  }
  void left() noexcept { // any thread
    if (at_home())
      --live_here_;
    else
      arrived_.fetch_sub(1, std::memory_order_acq_rel);
  }

  // ---- the ledger
  /// A letter of this loop's system; any thread. On a loop of the system it is a plain addition.
  void count(fate f, std::uint64_t n = 1) noexcept {
    if (auto* l = current_; l == this || (l && l->owner == owner))
      l->count_here(f, n);
    else
      counted_by_strangers_[std::size_t(f)].fetch_add(n, std::memory_order_relaxed);
  }
  void count_here(fate f, std::uint64_t n = 1) noexcept {
    auto& c = counted_[std::size_t(f)];
    c.store(c.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  /// A letter is counted as handled before it is opened; this one was not.
  void recount(fate f) noexcept {
    count_here(fate::handled, ~std::uint64_t{0});
    count_here(f);
  }
  /// What was counted on this loop. Any thread; modulo 2^64, the sum over loops is what counts.
  std::uint64_t counted(fate f) const noexcept {
    return counted_[std::size_t(f)].load(std::memory_order_relaxed) +
           counted_by_strangers_[std::size_t(f)].load(std::memory_order_relaxed);
  }

  // ---- what others may see; any thread
  tree_lock& tree() noexcept { return tree_; }
  /// Grows with every burst; a loop that is busy and does not count is stuck in a handler.
  std::uint64_t bursts() const noexcept { return bursts_.load(std::memory_order_relaxed); }
  bool asleep() const noexcept { return asleep_.load(std::memory_order_relaxed); }
  const runnable* running() const noexcept { return running_.load(std::memory_order_relaxed); }
  bool is_stuck() const noexcept { return stuck_since_.load(std::memory_order_relaxed) != 0; }
  /// By whoever keeps the watch; a zero time: it is not.
  void set_stuck_since(time_point t) noexcept {
    stuck_since_.store(t.time_since_epoch().count(), std::memory_order_relaxed);
  }
  time_point stuck_since() const noexcept {
    return time_point(clock_duration(stuck_since_.load(std::memory_order_relaxed)));
  }
  std::uint64_t turns() const noexcept { return turns_.load(std::memory_order_relaxed); }
  std::uint64_t wakeups() const noexcept { return wakeups_.load(std::memory_order_relaxed); }

private:
  friend class internal::guest;
  struct enter;
  struct foreign;
  void want_burst() noexcept;
  [[noreturn]] static void not_at_home();
  void kick() noexcept;
  void take_inbox() noexcept;
  std::size_t shuffle();
  void flush_all();
  void sleep();

  static thread_local constinit inline loop* current_ = nullptr;

  const clock& time_;
  unsigned index_;
  wheel wheel_;
  std::unique_ptr<asio::io_context> own_io_; // null: a guest
  asio::io_context* io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::shared_ptr<internal::guest> guest_;
  runnable* head_ = nullptr;
  runnable* tail_ = nullptr;
  dice* dice_ = nullptr;
  std::vector<flushable*> dirty_;
  time_point burst_time_;
  std::unique_ptr<poll_set> descriptors_;
  std::int64_t live_here_ = 0;
  std::int64_t date_second_ = -1;
  char date_[40];
  std::size_t date_size_ = 0;
  tree_lock tree_;
  std::atomic<std::uint64_t> bursts_{0}, turns_{0}, wakeups_{0};
  std::atomic<const runnable*> running_{nullptr};
  std::atomic<std::int64_t> arrived_{0}, crowd_{0}; // crowd_: live_here_ of the last burst
  std::atomic<std::int64_t> deadline_{0}, stuck_since_{0};
  std::atomic<std::uint64_t> counted_[fates]{}; // written at home
  alignas(64) std::atomic<wakeup*> inbox_{nullptr};
  std::atomic<bool> asleep_{false}, stopping_{false}, gone_{false};
  std::atomic<unsigned> kicking_{0};
  std::atomic<std::uint32_t> refs_{1};
  std::atomic<std::uint64_t> counted_by_strangers_[fates]{};
};

/// Runs `f` on the loop's thread; any thread. `f` is destroyed there too, or here in ~loop when the
/// loop has gone.
template <class F> void post_call(loop& l, F f) {
  struct call final : wakeup, detail::pooled {
    F body;
    explicit call(F&& x) : body(std::move(x)) {
      woken = [](wakeup& w, bool run) noexcept {
        std::unique_ptr<call> self(static_cast<call*>(&w));
        if (run) self->body();
      };
    }
  };
  l.post(*new call(std::move(f)));
}

} // namespace creche::internal
