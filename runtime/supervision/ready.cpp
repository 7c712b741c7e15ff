#include "runtime/supervision/ready.hpp"

#include "runtime/supervision/internal/nursery_actor.hpp"
#include "runtime/supervision/internal/ready_slot.hpp"

#include <mutex>
#include <stdexcept>

namespace creche {

ready<void>::ready(detail::ready_slot* slot) noexcept : slot_(slot) { detail::ready_hold(slot_); }
ready<void>::ready(const ready& other) noexcept : ready(other.slot_) {}
ready<void>::~ready() { detail::ready_drop(slot_); }

void ready<void>::operator()() const {
  if (!detail::ready_counts(slot_)) return;
  detail::ready_storage(slot_, detail::type_of<void>);
  detail::ready_done(slot_);
}

namespace detail {

namespace {

// Holds the record: a child that was abandoned may be gone before its note is read.
class ready_note {
public:
  explicit ready_note(internal::child_record& record) noexcept : record_(&record) {
    record.add_ref();
  }
  ready_note(const ready_note&) = delete;
  ~ready_note() { record_->release(); }
  void operator()(internal::resident&) const {
    if (record_->slot && record_->nursery) record_->nursery->child_ready(*record_);
  }

private:
  internal::child_record* record_;
};

} // namespace

bool ready_counts(ready_slot* slot) noexcept {
  return slot && slot->open.load() && !slot->starter_stops();
}

void* ready_storage(ready_slot* slot, const type_name& answer) {
  if (!slot->wanted) return nullptr;
  if (slot->wanted != &answer)
    throw std::logic_error(text_of_mismatch(slot->record->name(), *slot->wanted, answer));
  return slot->storage;
}

std::string text_of_mismatch(const std::string& child, const type_name& wanted,
                             const type_name& answer) {
  return child + ": start_ready<" + std::string(wanted.text) + "> of a child that takes a ready<" +
         std::string(answer.text) + ">";
}

void ready_done(ready_slot* slot) noexcept {
  const internal::bookkeeping books;
  slot->open.store(false);
  auto& record = *slot->record;
  std::unique_lock hold(record.nursery_home->tree(), std::defer_lock);
  if (!record.nursery_home->at_home()) hold.lock(); // it may abandon us in this moment
  if (record.nursery)
    internal::tell<ready_note, internal::lane::control>(
        static_cast<internal::resident&>(*record.nursery), record);
}

void ready_hold(ready_slot* slot) noexcept {
  if (slot) slot->add_ref();
}
void ready_drop(ready_slot* slot) noexcept {
  if (slot) slot->release();
}

// ---- the slot

namespace {

// Why it was cancelled, if somebody gave a reason.
std::string reason_text(const internal::child_record& of) {
  const auto* own = of.past && of.past->cancel_reason ? &*of.past->cancel_reason : nullptr;
  if (own) return " (" + std::string(own->what()) + ")";
  const auto given = of.nursery ? of.nursery->why_cancelled() : std::nullopt;
  return given ? " (" + std::string(given->what()) + ")" : std::string();
}

} // namespace

ready_slot* ready_slot::make(internal::nursery_actor& by, internal::child_record& of) {
  auto* slot = new ready_slot;
  slot->nursery = &by;
  slot->record = &of;
  return slot;
}

bool ready_slot::starter_stops() const noexcept {
  return record && record->nursery_home->at_home() && waiter && waiter->run_.will_stop();
}

void ready_slot::close(internal::child_record& of, bool or_stop) {
  open.store(false);
  of.slot = nullptr;
  if (auto* waiting = std::exchange(waiter, nullptr)) waiting->run_.ready(*waiting, or_stop);
  ready_drop(this); // the record's
}

void ready_slot::answered(internal::child_record& of) { close(of, false); }

void ready_slot::failed(internal::child_record& of, how end) {
  if (!waiter) return close(of, false);
  const auto* why = of.past && of.past->last_failure ? &*of.past->last_failure : nullptr;
  error = why && why->exception()
              ? why->exception()
              : std::make_exception_ptr(std::system_error(
                    make_error_code(errc::not_ready),
                    of.path() + " " + std::string(to_text(end)) + " before it was ready" +
                        (end == how::cancelled ? reason_text(of) : std::string())));
  close(of, end != how::failed); // a failure beside a stop wins
}

} // namespace detail
} // namespace creche
