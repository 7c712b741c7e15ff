#include "runtime/supervision/child.hpp"

#include "runtime/supervision/internal/nursery_actor.hpp"
#include "runtime/supervision/internal/task_actor.hpp"
#include "runtime/task/this_task.hpp"

#include <mutex>
#include <thread>

namespace creche {

// ---- the handle

child::child(const child& other) noexcept : record_(other.record_) {
  if (record_) record_->add_ref();
}
child::~child() {
  if (record_) record_->release();
}
std::string_view child::name() const noexcept {
  return record_ && record_->plan ? std::string_view(record_->plan->name) : std::string_view();
}
bool child::ended() const noexcept {
  if (!record_) return true;
  const auto state = record_->state.load(std::memory_order_acquire);
  return state == internal::child_state::ended || state == internal::child_state::done;
}
std::optional<outcome> child::result() const {
  if (!record_ || !ended()) return std::nullopt;
  outcome end{record_->end.load(std::memory_order_acquire), std::nullopt};
  if (is_failure(end.kind) && record_->past) end.why = record_->past->last_failure;
  if (end.kind == how::cancelled && record_->past) end.why = record_->past->cancel_reason;
  return end;
}
std::uint32_t child::restarts() const noexcept {
  return record_ ? record_->restarts.load(std::memory_order_relaxed) : 0;
}
namespace {

// Its start may be on its way still, from another thread: it will find this.
void cancel_at_home(internal::child_record& record, std::string_view reason,
                    std::source_location where) {
  if (record.nursery) return record.nursery->cancel_child(record, reason, where);
  if (record.state.load(std::memory_order_relaxed) == internal::child_state::ended) return;
  const internal::bookkeeping books;
  record.cancel_asked.store(true, std::memory_order_relaxed);
  record.add_reason(reason, where);
}

} // namespace

void child::cancel(std::string_view reason, std::source_location where) const noexcept {
  auto* record = record_;
  if (!record || record->state.load(std::memory_order_acquire) == internal::child_state::ended)
    return;
  if (record->nursery_home->at_home()) return cancel_at_home(*record, reason, where);
  const internal::bookkeeping books;
  record->cancel_asked.store(true, std::memory_order_relaxed); // at once, whatever waits there
  record->door->post_cancel(*record->nursery_home,
                            [keep = *this, text = std::string(reason), where] {
                              cancel_at_home(*keep.record_, text, where);
                            });
  // it may live on another loop than its nursery, and see the mark above as soon as that one
  record->door->if_open([record] {
    const std::lock_guard hold(record->nursery_home->tree());
    if (record->nursery && record->actor) record->actor->home().want_attention();
  });
}

void child::stop() const noexcept {
  auto* record = record_;
  if (!record || record->state.load(std::memory_order_acquire) == internal::child_state::ended)
    return;
  if (record->nursery_home->at_home()) {
    if (record->nursery) record->nursery->stop_child(*record);
    return;
  }
  const internal::bookkeeping books;
  record->door->post(*record->nursery_home, [keep = *this] {
    auto& kept = *keep.record_;
    if (kept.nursery) kept.nursery->stop_child(kept);
  });
}

task<receipt> child::cancel_and_wait(std::string reason, std::source_location where) const {
  const child self(*this);
  if (!self) {
    co_await checkpoint();
    co_return receipt::already_done;
  }
  const bool late = self.ended();
  self.cancel(reason, where); // one that is done will not run again with its group
  std::optional<outcome> end;
  do {
    co_await self.wait();
    end = self.result();
  } while (!end);
  if (late) co_return receipt::already_done;
  if (self.record_->abandoned) co_return receipt::abandoned;
  if (end->kind != how::cancelled) co_return receipt::completed_first;
  co_return self.record_->refused ? receipt::refused : receipt::cancelled;
}

child_statistics child::statistics() const noexcept {
  child_statistics all;
  if (!record_) return all;
  all.restarts = restarts();
  if (const auto* counts = record_->letters.load(std::memory_order_acquire)) {
    all.handled = counts->handled.load(std::memory_order_relaxed);
    all.failed = counts->failed.load(std::memory_order_relaxed);
    all.unhandled = counts->unhandled.load(std::memory_order_relaxed);
    all.undelivered = counts->undelivered.load(std::memory_order_relaxed);
  }
  return all;
}

send_result child::send_mail(detail::mail& message) const noexcept {
  if (record_) return record_->send(message);
  message.type->drop(message, send_result::undelivered);
  return send_result::undelivered;
}

bool child::returns_mail() const noexcept {
  return record_ && record_->plan && record_->plan->on_restart == restart_mail::return_to_sender;
}

detail::wait_op child::wait() const& noexcept {
  if (!record_) return {nullptr, "", nullptr, nullptr};
  record_->add_ref();
  return {&record_->waits,
          "wait for child",
          record_,
          [](void* record) noexcept { static_cast<internal::child_record*>(record)->release(); },
          nullptr,
          [](const void* record) {
            return static_cast<const internal::child_record*>(record)->name();
          }};
}

namespace detail {

mail_sender::mail_sender() noexcept {
  auto* current = internal::task_actor::current();
  task_ = current ? current->mailbox().record() : nullptr;
  if (task_) task_->add_ref();
}
mail_sender::~mail_sender() {
  if (task_) task_->release();
}
void mail_sender::send(mail& message) noexcept {
  if (task_)
    task_->send(message);
  else
    message.type->drop(message, send_result::undelivered);
}

} // namespace detail
} // namespace creche
