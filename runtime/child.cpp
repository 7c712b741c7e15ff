#include "runtime/child.hpp"

#include "runtime/internal/nursery_actor.hpp"
#include "runtime/internal/ready_slot.hpp"
#include "runtime/internal/task_actor.hpp"

#include <thread>

namespace creche {

// ---- the handle

child::child(const child& o) noexcept : record_(o.record_) {
  if (record_) record_->hold();
}
child::~child() {
  if (record_) record_->drop();
}
std::string_view child::name() const noexcept {
  return record_ && record_->plan ? std::string_view(record_->plan->name) : std::string_view();
}
bool child::ended() const noexcept {
  return !record_ || record_->state.load(std::memory_order_acquire) == internal::child_state::ended;
}
std::optional<outcome> child::result() const {
  if (!record_ || !ended()) return std::nullopt;
  outcome o{record_->end.load(std::memory_order_relaxed), std::nullopt};
  if (is_failure(o.kind) && record_->past) o.why = record_->past->last_failure;
  return o;
}
std::uint32_t child::restarts() const noexcept {
  return record_ ? record_->restarts.load(std::memory_order_relaxed) : 0;
}
void child::cancel() const noexcept {
  if (ended()) return;
  auto* r = record_;
  if (r->nursery_home->at_home()) {
    if (r->nursery) r->nursery->cancel_child(*r);
    return;
  }
  r->cancel_asked.store(true, std::memory_order_relaxed); // at once, whatever its mailbox holds
  r->gate->post(*r->nursery_home, [keep = *this] {
    if (auto* c = keep.record_; c->nursery) c->nursery->cancel_child(*c);
  });
}

namespace detail {

// ---- waiting for the end

// Shared by the waiting task and the child's list of waiters; whoever comes second frees it.
struct wait_ticket : internal::wakeup, pooled {
  std::atomic<int> refs{2};
  internal::loop* home = nullptr;
  wait_awaiter* waiter = nullptr; // home thread; null when it no longer waits
  wait_ticket* next_ticket = nullptr;

  void drop() noexcept {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void tell() noexcept { // home thread
    if (auto* w = std::exchange(waiter, nullptr)) w->run_.ready(*w);
    drop();
  }
};

namespace {

struct list_lock {
  std::atomic<bool>& held;
  explicit list_lock(std::atomic<bool>& b) noexcept : held(b) {
    while (held.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
  }
  ~list_lock() { held.store(false, std::memory_order_release); }
};

} // namespace

wait_awaiter::wait_awaiter(task_run& r, internal::child_record* c) noexcept : run_(r), record_(c) {
  if (record_) record_->hold();
}
wait_awaiter::~wait_awaiter() {
  if (ticket_) ticket_->drop();
  if (record_) record_->drop();
}

void wait_awaiter::await_suspend(std::coroutine_handle<>) {
  if (run_.pending()) return run_.stop();
  const auto over = [this] {
    return !record_ ||
           record_->state.load(std::memory_order_acquire) == internal::child_state::ended;
  };
  if (over()) return run_.yield();
  ticket_ = new wait_ticket;
  ticket_->home = &static_cast<internal::task_actor&>(run_).home();
  ticket_->waiter = this;
  ticket_->fire = [](internal::wakeup& w, bool run) noexcept {
    auto& t = static_cast<wait_ticket&>(w);
    if (run)
      t.tell();
    else
      t.drop();
  };
  {
    list_lock hold(record_->waiters_lock);
    if (!over()) {
      ticket_->next_ticket = std::exchange(record_->waiters, ticket_);
      return run_.wait(*this);
    }
  }
  delete std::exchange(ticket_, nullptr);
  run_.yield();
}

aborted wait_awaiter::abort() noexcept {
  ticket_->waiter = nullptr;
  list_lock hold(record_->waiters_lock);
  for (auto** at = &record_->waiters; *at; at = &(*at)->next_ticket) {
    if (*at != ticket_) continue;
    *at = ticket_->next_ticket;
    ticket_->refs.fetch_sub(1, std::memory_order_relaxed); // the list's
    break;
  }
  return aborted::succeeded;
}

} // namespace detail

void internal::child_record::end_waits() noexcept {
  detail::wait_ticket* t;
  {
    detail::list_lock hold(waiters_lock);
    t = std::exchange(waiters, nullptr);
  }
  while (t) {
    auto* next = t->next_ticket;
    if (t->home->at_home())
      t->tell();
    else
      t->home->post(*t);
    t = next;
  }
}

namespace detail {

// ---- start_ready

namespace {

struct ready_note {
  internal::child_record* record;
  void operator()(internal::resident&) const {
    if (auto* s = record->slot) s->answered(*record);
  }
};

} // namespace

void* ready_storage(ready_slot* s) noexcept {
  return s && s->open.exchange(false) ? s->storage : nullptr;
}
void ready_done(ready_slot* s) noexcept {
  internal::tell<ready_note, internal::lane::control>(static_cast<internal::resident&>(*s->nursery),
                                                      s->record);
}
void ready_hold(ready_slot* s) noexcept {
  if (s) s->refs.fetch_add(1, std::memory_order_relaxed);
}
void ready_drop(ready_slot* s) noexcept {
  if (s && s->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete s;
}

void ready_slot::close(internal::child_record& r, bool or_stop) {
  open.store(false);
  r.slot = nullptr;
  if (auto* w = std::exchange(waiter, nullptr)) w->run_.ready(*w, or_stop);
  ready_drop(this); // the record's
}
void ready_slot::answered(internal::child_record& r) { close(r, false); }
void ready_slot::failed(internal::child_record& r, how h) {
  auto* why = r.past && r.past->last_failure ? &*r.past->last_failure : nullptr;
  error = why && why->exception()
              ? why->exception()
              : std::make_exception_ptr(std::system_error(make_error_code(errc::not_ready),
                                                          r.path() + " " + std::string(to_text(h)) +
                                                              " before it was ready"));
  close(r, true);
}

start_awaiter_base::~start_awaiter_base() { ready_drop(slot_); }

void start_awaiter_base::begin(void* storage) {
  if (run_.pending()) return run_.stop();
  slot_ = new ready_slot;
  slot_->waiter = this;
  slot_->nursery = &nursery_;
  slot_->storage = storage;
  ready_hold(slot_); // the record's
  run_.wait(*this);
  try {
    child_ = nursery_.start(std::unique_ptr<detail::plan>(spec_.release()), slot_);
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

aborted start_awaiter_base::abort() noexcept {
  if (slot_->record) nursery_.cancel_child(*slot_->record);
  return aborted::refused; // its frame stays until the child has ended or answered
}

} // namespace detail
} // namespace creche
