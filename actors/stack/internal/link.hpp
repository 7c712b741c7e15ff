// link.hpp: what two neighbours of a stack share: one gauge per direction, nothing else.
//
// Bytes are counted from the time they are sent until the receiver needs them no more, wherever
// they lie meanwhile, in a mailbox or in a buffer: that is what bounds memory. Every counter has
// one writer, so the two may live on two loops.
#pragma once

#include "runtime/memory/counted.hpp"
#include "runtime/memory/pool.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

namespace creche::internal {

struct marks {
  std::uint32_t high = 64 * 1024; ///< at so many bytes the sender stops
  std::uint32_t low = 16 * 1024;  ///< at so few it is told to go on
};

/// One direction of a link.
class gauge {
public:
  // ---- the sender's side
  void add(std::uint32_t n) noexcept {
    sent_.store(sent_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t in_flight() const noexcept {
    return sent_.load(std::memory_order_relaxed) - taken_.load(std::memory_order_acquire);
  }
  /// False: the receiver will send one resume letter when it is down to the low mark.
  bool room(const marks& limits) noexcept {
    if (in_flight() < limits.high) return true;
    waiting_.store(true, std::memory_order_relaxed);
    // before the second look; pairs with take()
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return in_flight() < limit(limits) && waiting_.exchange(false);
  }
  /// So many may be under way: what is usual, or what the receiver wants.
  std::uint64_t limit(const marks& limits) const noexcept {
    return std::max(limits.high, wanted_.load(std::memory_order_relaxed));
  }
  /// From any thread: never more than there was.
  std::uint64_t looked_at() const noexcept {
    const auto taken = taken_.load(std::memory_order_acquire);
    const auto sent = sent_.load(std::memory_order_relaxed);
    return sent > taken ? sent - taken : 0;
  }
  /// In all, so far.
  std::uint64_t taken() const noexcept { return taken_.load(std::memory_order_relaxed); }
  // ---- the receiver's side
  /// True: the sender waits, and now it is to be told.
  bool take(std::uint32_t n, const marks& limits, bool two_loops) noexcept {
    taken_.store(taken_.load(std::memory_order_relaxed) + n, std::memory_order_release);
    if (two_loops) std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!waiting_.load(std::memory_order_relaxed) || in_flight() > limits.low) return false;
    return waiting_.exchange(false);
  }
  /// The receiver can use nothing of what it has before more comes, at least `wanted` bytes in all:
  /// so many may be under way until it says otherwise. True: the sender waits, and now it is to be
  /// told, whatever the low mark says.
  bool starve(const marks& limits, bool two_loops, std::uint32_t wanted = 0) noexcept {
    wanted_.store(wanted, std::memory_order_relaxed);
    if (two_loops) std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!waiting_.load(std::memory_order_relaxed) || in_flight() >= limit(limits)) return false;
    return waiting_.exchange(false);
  }
  /// It has what it wanted.
  void wants_no_more() noexcept { wanted_.store(0, std::memory_order_relaxed); }

  // ---- by both, in a turn of their one loop
  /// What `messages` that are under way count beside their bytes is another number from now on.
  void count_anew(std::uint32_t messages, std::uint32_t before, std::uint32_t now,
                  const marks& limits) noexcept {
    if (now > before)
      add(messages * (now - before));
    else if (now < before)
      (void)take(messages * (before - now), limits,
                 false); // a sender that waits is told to look anyway
  }

private:
  std::atomic<std::uint64_t> sent_{0};   // written by the sender
  std::atomic<std::uint64_t> taken_{0};  // written by the receiver
  std::atomic<std::uint32_t> wanted_{0}; // written by the receiver
  std::atomic<bool> waiting_{false};
};

struct stack_link : detail::counted<stack_link>, detail::pooled {
  /// What a message counts beside its bytes, where messages are frames: empty ones count as well.
  /// 0: bytes are bytes, wherever they are cut.
  std::uint16_t per_frame = 0;
  bool two_loops = false;
  gauge up, down;
  internal::marks marks;
};

static_assert(sizeof(stack_link) <= 64, "every connection has one or more");

/// One end's share of a link.
class link_ref {
public:
  link_ref() noexcept = default;
  explicit link_ref(stack_link* link) noexcept : link_(link) {} // takes over one reference
  link_ref(const link_ref& o) noexcept : link_(o.link_) {
    if (link_) link_->add_ref();
  }
  link_ref(link_ref&& o) noexcept : link_(std::exchange(o.link_, nullptr)) {}
  link_ref& operator=(link_ref o) noexcept {
    std::swap(link_, o.link_);
    return *this;
  }
  ~link_ref() {
    if (link_) link_->release();
  }
  stack_link* operator->() const noexcept { return link_; }
  stack_link& operator*() const noexcept { return *link_; }
  explicit operator bool() const noexcept { return link_ != nullptr; }

private:
  stack_link* link_ = nullptr;
};

} // namespace creche::internal
