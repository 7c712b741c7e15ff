// wheel.hpp: all timers of a loop: setting and forgetting one is O(1), at any number of them.
//
// Eleven wheels of 64 slots, each slot 64 times as wide as those of the wheel below (Varghese and
// Lauck's scheme 6). A timer lies on the wheel of the highest digit in which its time differs from
// now, and moves down as now comes closer. Nothing is rounded: a timer goes off exactly when due.
// Invariant: every timer is due after now(), but for the late ones.
// Not thread safe: a wheel and its timers belong to one loop.
#pragma once

#include <cstddef>
#include <cstdint>

namespace creche {

/// A place in a list. It must stay where it is while it is linked.
struct timer_link {
  timer_link() = default;
  timer_link(const timer_link&) = delete;
  timer_link& operator=(const timer_link&) = delete;

  timer_link* prev = nullptr;
  timer_link* next = nullptr;
};

/// A timer is part of what waits; the wheel allocates nothing. Its owner removes it from the wheel
/// before it dies.
struct timer : timer_link {
  std::uint64_t due = 0; ///< Nanoseconds; not to be changed while armed.
  /// Called once, the timer being unarmed already: it may be set again, or destroyed. Must not
  /// throw.
  void (*fire)(timer&) = nullptr;

  bool armed() const noexcept { return prev != nullptr; }
};

class wheel {
public:
  static constexpr std::uint64_t never = ~std::uint64_t{0};

  explicit wheel(std::uint64_t now) noexcept;
  wheel(const wheel&) = delete;
  wheel& operator=(const wheel&) = delete;

  /// Arms a timer for `t.due`; one that is armed already is moved. Timers due at the same time go
  /// off in the order of insertion. One that is due already goes off at the next advance(), not in
  /// the one that runs, so that a timer which always sets itself again cannot hold up its loop.
  void insert(timer& entry) noexcept;

  /// Unarms a timer, if it is armed.
  void remove(timer& entry) noexcept;

  /// Moves now to `to`, and fires in the order of their times all timers due by then, those
  /// included that are inserted meanwhile. Returns how many. fire() may insert and remove any
  /// timer; an advance() from within it does nothing. Now never goes back.
  std::size_t advance(std::uint64_t to) noexcept;

  /// Not after the first time that is due (the wheel may have work to do earlier); `never` if
  /// there is none.
  std::uint64_t bound() const noexcept;

  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }

  /// Within fire(): the time the timer was due at, unless it was late.
  std::uint64_t now() const noexcept { return now_; }

private:
  static constexpr int bits = 6, slots = 1 << bits, levels = 11; // 66 bits: all of time
  struct place {
    int level, slot;
  };

  void put(timer& entry) noexcept;
  bool first_used(place& found) const noexcept;
  std::uint64_t start_of(place slot_at) const noexcept;
  std::size_t fire_all(timer_link& list) noexcept;

  std::uint64_t now_;
  std::size_t size_ = 0;
  bool advancing_ = false;
  std::uint64_t used_[levels] = {}; // one bit for a slot that is not empty
  timer_link late_;                 // due at or before now
  timer_link at_[levels][slots];    // circular lists with these as heads
};

} // namespace creche
