#include "runtime/supervision/detail/send_when_room.hpp"

#include "runtime/supervision/internal/child_actor.hpp"
#include "runtime/supervision/internal/room_table.hpp"
#include "runtime/task/internal/ticket.hpp"

#include <memory>
#include <utility>

namespace creche::detail {

namespace {

void destroy(mail* message) noexcept {
  if (message) message->type->destroy(*message);
}
void drop(mail* message, send_result why) noexcept { message->type->drop(*message, why); }

} // namespace

room_send_op::~room_send_op() { destroy(message_); }

room_send_awaiter::room_send_awaiter(task_run& run, child to, mail* message) noexcept
    : leaf_awaiter(run), to_(std::move(to)), message_(message) {}

room_send_awaiter::~room_send_awaiter() {
  if (waiter_) destroy(waiter_->message);
  delete waiter_;
  destroy(message_); // it was never sent
}

bool room_send_awaiter::await_ready() noexcept {
  if (!run_.may_go_on()) return false;
  auto* record = internal::child_access::record(to_);
  result_ = record ? record->try_send(*message_) : send_result::undelivered;
  return result_ != send_result::shed;
}

void room_send_awaiter::begin_wait() {
  auto* record = internal::child_access::record(to_);
  if (!record) {
    result_ = send_result::undelivered;
    return run_.yield();
  }
  auto waiter = std::make_unique<internal::room_waiter>();
  waiter->news = new internal::ticket(run_, *this);
  waiter->message = message_;
  waiter_ = waiter.release();
  run_.wait(*this); // the news may come at once
  result_ = record->send_or_wait(*message_, *waiter_);
  if (result_ == send_result::shed) { // it waits
    message_ = nullptr;
    return;
  }
  waiter_->news->forget();
  waiter_->news->release();
  delete std::exchange(waiter_, nullptr);
  run_.ready(*this);
}

send_result room_send_awaiter::await_resume() noexcept {
  if (waiter_) {
    result_ = waiter_->result;
    message_ = std::exchange(waiter_->message, nullptr);
  }
  if (result_ == send_result::queued)
    message_ = nullptr; // the receiver's
  else
    drop(std::exchange(message_, nullptr), result_);
  return result_;
}

aborted room_send_awaiter::abort() noexcept {
  auto* record = internal::child_access::record(to_);
  if (!record->leave_room(*waiter_)) return aborted::refused; // its news is on the way
  waiter_->news->forget();
  std::exchange(waiter_->news, nullptr)->release();
  return aborted::succeeded;
}

std::string room_send_awaiter::subject() const {
  const auto* record = internal::child_access::record(to_);
  return record ? "to " + record->name() : std::string();
}

} // namespace creche::detail
