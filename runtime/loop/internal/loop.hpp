// loop.hpp: one thread, one asio io_context, one run queue, one timer wheel; a CAF execution unit.
//
// What lives on a loop runs only on that loop's thread. Own work is queued without a lock; other
// threads push on one lock-free list and wake the loop at most once per sleep.
// Home thread only, except for what says "any thread".
#pragma once

#include "runtime/loop/detail/attention.hpp"
#include "runtime/loop/detail/letter.hpp"
#include "runtime/loop/detail/spin.hpp"
#include "runtime/memory/counted.hpp"
#include "runtime/memory/pool.hpp"
#include "runtime/time/clock.hpp"
#include "runtime/time/wheel.hpp"

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <caf/execution_unit.hpp>
#include <caf/resumable.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace creche::internal {

class dice;
class guest;
class loop_owner;
class poll_set;
class ticker;

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
  /// `runs` is false when the loop has gone: then it only frees.
  void (*woken)(wakeup&, bool runs) noexcept = nullptr;
};

class loop final : public caf::execution_unit, public detail::counted<loop> {
public:
  static constexpr std::size_t turns_per_poll = 256;
  static constexpr std::size_t messages_per_turn = 64;
  static constexpr std::size_t posts_per_turn = 64;

  /// With an io_context of its own; or as a guest on somebody else's, whose one thread becomes the
  /// loop's. Counted: CAF actors that hold an actor which lived here keep the object after its end.
  loop(caf::actor_system& system, const clock& time, unsigned index,
       asio::io_context* theirs = nullptr);
  ~loop() override;

  /// The loop whose thread this is, or null. Any thread.
  static loop* current() noexcept { return current_; }
  bool at_home() const noexcept { return current_ == this; }
  /// No other loop of this process has it.
  std::uint64_t number() const noexcept { return number_; }
  /// The loop of that number is still at this address, which may be anything. Any thread.
  static bool lives(const loop& at, std::uint64_t number) noexcept;
  /// A loop lives as a guest on that io_context. Any thread.
  static bool has_guest(const asio::io_context& io) noexcept;

  unsigned index() const noexcept { return index_; }
  /// Whose loop this is; set once, before it runs. Null: nobody's.
  loop_owner* owner = nullptr;
  asio::io_context& io() noexcept { return *io_; }
  /// Until close().
  poll_set& descriptors() noexcept { return *descriptors_; }
  const clock& time() const noexcept { return time_; }
  time_point now() const noexcept { return time_.now(); }
  /// Time at the start of this burst: for marks of activity that need no better.
  time_point burst_time() const noexcept { return burst_time_; }

  // ---- timers
  void arm(timer& armed, time_point due);
  void disarm(timer& disarmed) noexcept;
  wheel& timers() noexcept { return wheel_; }

  // ---- work
  void schedule(runnable& ready) noexcept {
    if (ready.queued) return;
    ready.queued = true;
    ready.run_next = nullptr;
    if (tail_) {
      tail_->run_next = &ready;
    } else {
      head_ = &ready;
      if (guest_) [[unlikely]]
        want_burst();
    }
    tail_ = &ready;
  }
  bool others_runnable() const noexcept { return head_ != nullptr; }
  /// Something is left for pump().
  bool has_work() const noexcept {
    return head_ != nullptr || inbox_.load(std::memory_order_relaxed) != nullptr ||
           urgent_.load(std::memory_order_relaxed) != nullptr;
  }
  /// For tests: the order of turns and the length of a burst are drawn from `chance`, once per
  /// burst. Null: first come, first served. What waits in one mailbox stays in order.
  void draw_from(dice* chance) noexcept { dice_ = chance; }
  void dirty(flushable& written);
  void clean(flushable& flushed) noexcept;

  /// Any thread. At most one wake-up of the loop per sleep. Calls run in the order in which they
  /// were posted, so many at a time that timers, and what is runnable, have their turn in between.
  void post(wakeup& call) noexcept { post(call, inbox_); }
  /// The same, of a call that overtakes the others: a cancel must not wait behind what it cancels.
  /// What runs here gives its turn back, and the call runs next.
  void post_urgent(wakeup& call) noexcept {
    post(call, urgent_);
    want_attention();
  }
  /// Any thread. What runs here gives its turn back at its next checkpoint or message, and the loop
  /// looks at the time and at what was posted.
  void want_attention() noexcept { attention_.ask(); }
  /// Told when the loop wakes up; set once, before it has work. Null: nobody asks for attention
  /// when time has passed.
  void set_ticker(ticker* told) noexcept { ticker_.store(told, std::memory_order_release); }
  /// CAF's: takes over one reference. Any thread.
  void exec_later(caf::resumable* ready) override;

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
  /// Throws std::logic_error unless this is the loop's thread: a guest's io_context must not run on
  /// two threads.
  void expect_home() const {
    if (!at_home()) [[unlikely]]
      not_at_home();
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
  void count(fate met, std::uint64_t n = 1) noexcept {
    if (auto* here = current_; here == this || (here && here->owner == owner))
      here->count_here(met, n);
    else
      counted_from_outside_[std::size_t(met)].fetch_add(n, std::memory_order_relaxed);
  }
  void count_here(fate met, std::uint64_t n = 1) noexcept {
    auto& sum = counted_here_[std::size_t(met)];
    sum.store(sum.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  /// A letter is counted as handled before it is opened; this one met another fate.
  void recount(fate met) noexcept {
    count_here(fate::handled, ~std::uint64_t{0});
    count_here(met);
  }
  /// Any thread. Modulo 2^64: a letter may be counted on one loop and recounted on another, so only
  /// the sum over the loops has a meaning.
  std::uint64_t counted_fates(fate which) const noexcept {
    return counted_here_[std::size_t(which)].load(std::memory_order_relaxed) +
           counted_from_outside_[std::size_t(which)].load(std::memory_order_relaxed);
  }

  // ---- what others may see; any thread
  /// Held while the shape of this loop's part of the tree changes or is read: for a few stores, and
  /// never while foreign code runs, so that the tree can be read while the loop is blocked.
  spin_lock& tree() noexcept { return tree_; }
  /// Grows with every burst; a loop that is busy and does not count is stuck in a handler.
  std::uint64_t bursts() const noexcept { return bursts_.load(std::memory_order_relaxed); }
  bool asleep() const noexcept { return asleep_.load(std::memory_order_relaxed); }
  bool asleep_now() const noexcept { return asleep_.load(); } // seq_cst
  const runnable* running() const noexcept { return running_.load(std::memory_order_relaxed); }
  bool is_stuck() const noexcept { return stuck_since_.load(std::memory_order_relaxed) != 0; }
  /// By the watch; a zero time: it is not.
  void set_stuck_since(time_point since) noexcept {
    stuck_since_.store(since.time_since_epoch().count(), std::memory_order_relaxed);
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
  using posts = std::atomic<wakeup*>;
  static bool push(wakeup& call, posts& to) noexcept; // true if it is the only one
  void post(wakeup& call, posts& to) noexcept;
  bool has_posts() const noexcept { return inbox_.load() || urgent_.load(); }
  /// All of a list, the oldest first.
  static wakeup* take(posts& from) noexcept;
  void take_inbox() noexcept;
  void take_urgent() noexcept;
  void run_backlog() noexcept;
  std::size_t shuffle();
  void flush_all();
  bool sleep();

  static loop* make_current(loop* next) noexcept;

  static thread_local constinit inline loop* current_ = nullptr;

  const clock& time_;
  std::uint64_t number_ = 0;
  unsigned index_;
  wheel wheel_;
  std::unique_ptr<asio::io_context> own_io_; // null: a guest
  asio::io_context* io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::shared_ptr<internal::guest> guest_;
  runnable* head_ = nullptr;
  runnable* tail_ = nullptr;
  /// Calls that were taken and have not run; it has turns while there are any.
  struct backlog final : runnable {
    loop& home;
    wakeup* first = nullptr;
    explicit backlog(loop& of) noexcept : home(of) {}
    std::size_t turn(std::size_t) override {
      home.run_backlog();
      return posts_per_turn;
    }
  };
  backlog backlog_{*this};
  dice* dice_ = nullptr;
  std::vector<flushable*> dirty_;
  time_point burst_time_;
  std::unique_ptr<poll_set> descriptors_;
  std::int64_t live_here_ = 0;
  spin_lock tree_;
  std::atomic<std::uint64_t> bursts_{0}, turns_{0}, wakeups_{0};
  std::atomic<const runnable*> running_{nullptr};
  std::atomic<std::int64_t> arrived_{0}, crowd_{0}; // crowd_: live_here_ of the last burst
  std::atomic<std::int64_t> deadline_{0}, stuck_since_{0};
  std::atomic<std::uint64_t> counted_here_[fates]{}; // written at home
  alignas(64) attention attention_; // looked at all the time: not beside what others write
  alignas(64) posts inbox_{nullptr};
  posts urgent_{nullptr};
  std::atomic<bool> asleep_{false}, stopping_{false}, gone_{false};
  std::atomic<ticker*> ticker_{nullptr};
  std::atomic<unsigned> kicking_{0};
  std::atomic<std::uint64_t> counted_from_outside_[fates]{};
};

enum class call_order : std::uint8_t { as_posted, urgent };

/// Runs `body` on the loop's thread; any thread. It is destroyed there too, or in ~loop when the
/// loop has gone.
template <class F> void post_call(loop& to, F body, call_order order = call_order::as_posted) {
  struct call final : wakeup, detail::pooled {
    F body;
    explicit call(F&& posted) : body(std::move(posted)) {
      woken = [](wakeup& sent, bool runs) noexcept {
        std::unique_ptr<call> self(static_cast<call*>(&sent));
        if (runs) self->body();
      };
    }
  };
  auto* made = new call(std::move(body));
  order == call_order::urgent ? to.post_urgent(*made) : to.post(*made);
}

} // namespace creche::internal
