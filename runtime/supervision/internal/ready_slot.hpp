// ready_slot.hpp: between a child that will be ready and the task that waits for it in start_ready.
//
// Made by the starter, or for an incarnation that nobody waits for, on the nursery's loop; filled
// by the child on its own, told by a letter; the letter orders the two. Shared by the awaiter, the
// record, and the child's ready<R> objects.
#pragma once

#include "runtime/supervision/detail/start_ready.hpp"
#include "runtime/supervision/internal/child_actor.hpp"
#include "runtime/supervision/nursery.hpp"

namespace creche::detail {

struct ready_slot : counted<ready_slot>, pooled {
  start_awaiter_base* waiter = nullptr; // home thread of the nursery
  internal::nursery_actor* nursery = nullptr;
  internal::child_record* record = nullptr;
  /// In the waiter's frame, which stays until the child answered or ended; null: nobody waits.
  void* storage = nullptr;
  const type_name* wanted = nullptr; // what fits there; null: any answer, which is dropped
  std::exception_ptr error;
  std::atomic<bool> open{true};

  /// One that nobody waits for; the record's reference.
  static ready_slot* make(internal::nursery_actor& by, internal::child_record& of);
  /// Its starter is about to stop, so the child is still its starter's, and goes with it (Trio).
  /// False on another loop than the nursery's, which cannot look.
  bool starter_stops() const noexcept;
  /// Of the scopes around its starter, which a child is in until it is ready (Trio). Home thread of
  /// the nursery.
  time_point deadline_of_starter() const noexcept {
    return waiter && open.load() ? waiter->run_.effective_deadline() : time_point::max();
  }
  /// The child ended before it was ready.
  void failed(internal::child_record& of, how end);
  /// The child is ready.
  void answered(internal::child_record& of);

private:
  void close(internal::child_record& of, bool or_stop);
};

/// Why these do not fit.
std::string text_of_mismatch(const std::string& child, const type_name& wanted,
                             const type_name& answer);

} // namespace creche::detail
