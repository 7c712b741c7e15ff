// ready_slot.hpp: between a child that will be ready and the task that waits for it in start_ready.
//
// Made by the starter, or for an incarnation that nobody waits for, on the nursery's loop; filled
// by the child on its own, told by a letter; the letter orders the two. Shared by the awaiter, the
// record, and the child's ready<R> objects.
#pragma once

#include "runtime/internal/child_actor.hpp"
#include "runtime/nursery.hpp"

namespace creche::detail {

struct ready_slot : pooled {
  std::atomic<std::uint32_t> refs{1};
  start_awaiter_base* waiter = nullptr; // home thread of the nursery
  internal::nursery_actor* nursery = nullptr;
  internal::child_record* record = nullptr;
  /// In the waiter's frame, which stays until the child answered or ended; null: nobody waits.
  void* storage = nullptr;
  std::exception_ptr error;
  std::atomic<bool> open{true};

  /// One that nobody waits for; the record's reference.
  static ready_slot* make(internal::nursery_actor& n, internal::child_record& r);
  /// The child ended before it was ready. False if nobody waited.
  bool failed(internal::child_record& r, how h);
  /// The child's letter arrived.
  void answered(internal::child_record& r);

private:
  void close(internal::child_record& r, bool or_stop);
};

} // namespace creche::detail
