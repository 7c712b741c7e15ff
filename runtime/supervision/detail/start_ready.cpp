#include "runtime/supervision/detail/start_ready.hpp"

#include "runtime/supervision/internal/nursery_actor.hpp"
#include "runtime/supervision/internal/ready_slot.hpp"

namespace creche::detail {

start_awaiter_base::~start_awaiter_base() { ready_drop(slot_); }

void start_awaiter_base::begin(void* storage, const type_name* wanted) {
  slot_ = new ready_slot;
  slot_->waiter = this;
  slot_->nursery = &nursery_;
  slot_->storage = storage;
  slot_->wanted = wanted;
  ready_hold(slot_); // the record's
  run_.wait(*this);
  try {
    child_ = nursery_.start(std::unique_ptr<plan>(spec_.release()), slot_);
  } catch (...) {
    run_.ready(*this);
    slot_->error = std::current_exception();
    ready_drop(slot_);
  }
}

child start_awaiter_base::finish() {
  if (slot_->error) std::rethrow_exception(slot_->error);
  return std::move(child_);
}

// Until it is ready the child is inside its starter's scopes (Trio).
void start_awaiter_base::task_cancelled() noexcept {
  auto* record = slot_->record;
  if (record && record->actor && slot_->open.load()) record->actor->mark_cancel();
}

std::string start_awaiter_base::subject() const {
  return slot_ && slot_->record ? "of " + slot_->record->name() : std::string();
}

aborted start_awaiter_base::abort() noexcept {
  // One that has said that it is ready is its nursery's from then on, and its answer is on the way.
  auto* record = slot_->record;
  if (record && slot_->open.load()) nursery_.starter_left(*record);
  return aborted::told; // its frame stays until the child has ended or answered
}

} // namespace creche::detail
