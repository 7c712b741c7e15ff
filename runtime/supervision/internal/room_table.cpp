#include "runtime/supervision/internal/room_table.hpp"

#include "runtime/supervision/internal/child_actor.hpp"
#include "runtime/task/internal/ticket.hpp"

namespace creche::internal {

namespace {

// Its frame may be gone when this returns.
void tell(room_waiter& sender, send_result result) {
  sender.result = result;
  std::exchange(sender.news, nullptr)->send();
}

} // namespace

bool room_table::wait(const child_record& of, mail_load& load, room_waiter& sender) {
  std::lock_guard hold(lock_);
  const auto at = queues_.try_emplace(&of).first;
  auto& senders = at->second;
  const bool alone = !senders.first;
  sender.previous = senders.last;
  sender.next = nullptr;
  (senders.last ? senders.last->next : senders.first) = &sender;
  senders.last = &sender;
  // from now on the receiver looks here whenever one leaves its mailbox
  if (!load.want(sender.message->weight, of.limits()) || !alone) return true;
  take_out(at, sender);
  load.want_no_more();
  return false;
}

bool room_table::has_waiters(const child_record& of) {
  std::lock_guard hold(lock_);
  return queues_.find(&of) != queues_.end();
}

bool room_table::leave(const child_record& of, room_waiter& sender) {
  std::lock_guard hold(lock_);
  if (sender.result != send_result::shed) return false;
  take_out(queues_.find(&of), sender);
  return true;
}

void room_table::take_out(queues::iterator at, room_waiter& gone) {
  auto& senders = at->second;
  (gone.previous ? gone.previous->next : senders.first) = gone.next;
  (gone.next ? gone.next->previous : senders.last) = gone.previous;
  if (!senders.first) queues_.erase(at);
}

void room_table::admit(const child_record& of, child_actor& actor) {
  for (;;) {
    room_waiter* sender;
    {
      std::lock_guard hold(lock_);
      const auto at = queues_.find(&of);
      if (at == queues_.end()) return actor.load().want_no_more();
      sender = at->second.first;
      const auto weight = sender->message->weight;
      if (!actor.load().take(weight, of.limits())) {
        // of a new incarnation nobody has said yet that senders wait
        if (!actor.load().want(weight, of.limits())) return;
        continue;
      }
      take_out(at, *sender);
      sender->result = send_result::queued;
    }
    actor.admit(*std::exchange(sender->message, nullptr));
    tell(*sender, send_result::queued);
  }
}

void room_table::refuse(const child_record& of) {
  queue refused;
  {
    std::lock_guard hold(lock_);
    const auto at = queues_.find(&of);
    if (at == queues_.end()) return;
    refused = at->second;
    queues_.erase(at);
    for (auto* sender = refused.first; sender; sender = sender->next)
      sender->result = send_result::undelivered;
  }
  for (auto* sender = refused.first; sender;) {
    auto* next = sender->next;
    of.nursery_home->count(fate::sent);
    of.nursery_home->count(fate::undelivered);
    tell(*sender, send_result::undelivered);
    sender = next;
  }
}

} // namespace creche::internal
