#include "runtime/time/wheel.hpp"

#include <bit>

namespace creche {

namespace {

void make_empty(timer_link& head) noexcept { head.prev = head.next = &head; }
bool is_empty(const timer_link& head) noexcept { return head.next == &head; }

void append(timer_link& head, timer_link& link) noexcept {
  link.prev = head.prev;
  link.next = &head;
  head.prev->next = &link;
  head.prev = &link;
}

// Moves all of `from` to the empty list `to`.
void take_all(timer_link& from, timer_link& to) noexcept {
  make_empty(to);
  if (is_empty(from)) return;
  to.next = from.next;
  to.prev = from.prev;
  to.next->prev = to.prev->next = &to;
  make_empty(from);
}

} // namespace

wheel::wheel(std::uint64_t now) noexcept : now_(now) {
  make_empty(late_);
  for (auto& level : at_)
    for (auto& head : level) make_empty(head);
}

void wheel::insert(timer& entry) noexcept {
  if (entry.armed()) remove(entry);
  ++size_;
  put(entry);
}

// The level is that of the highest digit in which `due` and now differ. There, the digit of `due`
// is the greater one; so a slot is always ahead of now, and lower levels are before higher ones.
void wheel::put(timer& entry) noexcept {
  if (entry.due <= now_) return append(late_, entry);
  const int level = (63 - std::countl_zero(entry.due ^ now_)) / bits;
  const auto slot = (entry.due >> (level * bits)) % slots;
  used_[level] |= std::uint64_t{1} << slot;
  append(at_[level][slot], entry);
}

void wheel::remove(timer& entry) noexcept {
  if (!entry.armed()) return;
  auto* const before = entry.prev;
  auto* const after = entry.next;
  before->next = after;
  after->prev = before;
  entry.prev = entry.next = nullptr;
  --size_;
  if (before != after) return;
  // A list of one head: if it is a slot's, the slot is empty now. (It may be the late ones', or
  // one that advance() is firing.)
  const auto offset =
      reinterpret_cast<std::uintptr_t>(before) - reinterpret_cast<std::uintptr_t>(&at_[0][0]);
  if (offset >= sizeof(at_)) return;
  const auto index = offset / sizeof(timer_link);
  used_[index / slots] &= ~(std::uint64_t{1} << index % slots);
}

bool wheel::first_used(place& found) const noexcept {
  for (int level = 0; level != levels; ++level)
    if (used_[level] != 0) {
      found = {level, std::countr_zero(used_[level])};
      return true;
    }
  return false;
}

std::uint64_t wheel::start_of(place slot_at) const noexcept {
  const int above = (slot_at.level + 1) * bits;
  const auto prefix = above < 64 ? now_ >> above << above : 0;
  return prefix | static_cast<std::uint64_t>(slot_at.slot) << (slot_at.level * bits);
}

std::uint64_t wheel::bound() const noexcept {
  if (!is_empty(late_)) return now_;
  place first;
  return first_used(first) ? start_of(first) : never;
}

// Each round enters one slot: its time becomes now, its timers are due now or move to lower
// levels. Timers for one time meet in a slot before now comes near enough to part them from it, and
// every list is first in, first out: hence the order among equals.
std::size_t wheel::advance(std::uint64_t to) noexcept {
  if (advancing_) return 0;
  advancing_ = true;
  timer_link batch;
  take_all(late_, batch);
  auto fired = fire_all(batch);
  for (place first; first_used(first);) {
    const auto start = start_of(first);
    if (start > to) break;
    now_ = start;
    used_[first.level] &= used_[first.level] - 1;
    take_all(at_[first.level][first.slot], batch);
    if (first.level != 0) { // keep those that are due, hand down the others
      for (auto* link = batch.next; link != &batch;) {
        auto& entry = static_cast<timer&>(*link);
        link = link->next;
        if (entry.due == now_) continue;
        entry.prev->next = entry.next;
        entry.next->prev = entry.prev;
        put(entry);
      }
    }
    fired += fire_all(batch);
  }
  if (to > now_) now_ = to;
  advancing_ = false;
  return fired;
}

std::size_t wheel::fire_all(timer_link& list) noexcept {
  std::size_t fired = 0;
  for (; !is_empty(list); ++fired) {
    auto& entry = static_cast<timer&>(*list.next);
    remove(entry);
    entry.fire(entry);
  }
  return fired;
}

} // namespace creche
