#include "runtime/task/detail/waiting.hpp"

#include "runtime/task/internal/ticket.hpp"

namespace creche::detail {

namespace {

// A wait_list is a ring of tickets, the first one first: so a wait joins at the end, and leaves
// from anywhere, in one step. Under its lock.
void join(internal::ticket*& first, internal::ticket& ticket) noexcept {
  if (!first) first = ticket.before = ticket.following = &ticket;
  ticket.before = std::exchange(first->before, &ticket);
  ticket.following = first;
  ticket.before->following = &ticket;
}

void leave(internal::ticket*& first, internal::ticket& ticket) noexcept {
  if (first == &ticket) first = ticket.following == &ticket ? nullptr : ticket.following;
  ticket.before->following = ticket.following;
  ticket.following->before = ticket.before;
  ticket.before = ticket.following = nullptr;
}

// Takes all out: a list that ends with null.
internal::ticket* take_all(internal::ticket*& first) noexcept {
  auto* const all = std::exchange(first, nullptr);
  if (all) all->before->following = nullptr;
  for (auto* at = all; at; at = at->following) at->before = nullptr;
  return all;
}

} // namespace

wait_awaiter::~wait_awaiter() {
  if (ticket_) ticket_->forget(), ticket_->release();
  if (owner_) release_(owner_);
}

void wait_awaiter::begin_wait() {
  if (!list_ || list_->over.load(std::memory_order_acquire)) return run_.yield();
  ticket_ = new internal::ticket(run_, *this);
  {
    const internal::spin_guard hold(list_->lock);
    if (!list_->over.load(std::memory_order_relaxed)) {
      ticket_->add_ref(); // the list's
      join(list_->first, *ticket_);
      return run_.wait(*this);
    }
  }
  std::exchange(ticket_, nullptr)->release();
  run_.yield();
}

aborted wait_awaiter::abort() noexcept {
  ticket_->forget();
  const internal::spin_guard hold(list_->lock);
  if (ticket_->before) { // or it was taken out, and the news is on its way
    leave(list_->first, *ticket_);
    ticket_->release(); // the list's
  }
  return aborted::succeeded;
}

void wait_list::end() noexcept {
  internal::ticket* ticket;
  {
    const internal::spin_guard hold(lock);
    over.store(true, std::memory_order_release);
    ticket = take_all(first);
  }
  while (ticket) {
    auto* next = std::exchange(ticket->following, nullptr);
    ticket->send();
    ticket = next;
  }
}

} // namespace creche::detail
