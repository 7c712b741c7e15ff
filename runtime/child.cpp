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
  if (!record_) return true;
  const auto s = record_->state.load(std::memory_order_acquire);
  return s == internal::child_state::ended || s == internal::child_state::done;
}
std::optional<outcome> child::result() const {
  if (!record_ || !ended()) return std::nullopt;
  outcome o{record_->end.load(std::memory_order_acquire), std::nullopt};
  if (is_failure(o.kind) && record_->past) o.why = record_->past->last_failure;
  if (o.kind == how::cancelled && record_->past) o.why = record_->past->cancel_reason;
  return o;
}
std::uint32_t child::restarts() const noexcept {
  return record_ ? record_->restarts.load(std::memory_order_relaxed) : 0;
}
void child::cancel(std::string_view reason, std::source_location where) const noexcept {
  auto* r = record_;
  if (!r || r->state.load(std::memory_order_acquire) == internal::child_state::ended) return;
  if (r->nursery_home->at_home()) {
    if (r->nursery) r->nursery->cancel_child(*r, reason, where);
    return;
  }
  r->cancel_asked.store(true, std::memory_order_relaxed); // at once, whatever its mailbox holds
  r->gate->post(*r->nursery_home, [keep = *this, text = std::string(reason), where] {
    if (auto* c = keep.record_; c->nursery) c->nursery->cancel_child(*c, text, where);
  });
}

void child::stop() const noexcept {
  auto* r = record_;
  if (!r || r->state.load(std::memory_order_acquire) == internal::child_state::ended) return;
  if (r->nursery_home->at_home()) {
    if (r->nursery) r->nursery->stop_child(*r);
    return;
  }
  r->gate->post(*r->nursery_home, [keep = *this] {
    if (auto* c = keep.record_; c->nursery) c->nursery->stop_child(*c);
  });
}

task<receipt> child::cancel_and_wait(std::string reason, std::source_location where) const {
  const child self(*this);
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
  child_statistics s;
  if (!record_) return s;
  s.restarts = restarts();
  if (auto* c = record_->letters.load(std::memory_order_acquire)) {
    s.handled = c->handled.load(std::memory_order_relaxed);
    s.failed = c->failed.load(std::memory_order_relaxed);
    s.unhandled = c->unhandled.load(std::memory_order_relaxed);
    s.undelivered = c->undelivered.load(std::memory_order_relaxed);
  }
  return s;
}
send_result child::send_mail(detail::mail& m) const noexcept {
  if (record_) return record_->send(m);
  m.type->drop(m, send_result::undelivered);
  return send_result::undelivered;
}

bool child::returns_mail() const noexcept {
  return record_ && record_->plan && record_->plan->on_restart == restart_mail::return_to_sender;
}

detail::wait_op child::wait() const& noexcept {
  if (!record_) return {nullptr, "", nullptr, nullptr};
  record_->hold();
  return {&record_->waits, "wait for child", record_,
          [](void* r) noexcept { static_cast<internal::child_record*>(r)->drop(); }};
}

namespace detail {

mail_sender::mail_sender() noexcept {
  auto* t = internal::task_actor::current();
  task_ = t ? t->record() : nullptr;
  if (task_) task_->hold();
}
mail_sender::~mail_sender() {
  if (task_) task_->drop();
}
void mail_sender::send(mail& m) noexcept {
  if (task_)
    task_->send(m);
  else
    m.type->drop(m, send_result::undelivered);
}

void fail_empty_spec() { throw std::logic_error("child_spec: it was used up by start()"); }

// ---- start_ready

namespace {

// Holds the record: a child that was abandoned may be gone before its note is read.
class ready_note {
public:
  explicit ready_note(internal::child_record& r) noexcept : record_(&r) { r.hold(); }
  ready_note(const ready_note&) = delete;
  ~ready_note() { record_->drop(); }
  void operator()(internal::resident&) const {
    if (auto* s = record_->slot; s && record_->nursery) s->answered(*record_);
  }

private:
  internal::child_record* record_;
};

} // namespace

bool ready_once(ready_slot* s) noexcept { return s && s->open.exchange(false); }
void* ready_storage(ready_slot* s) noexcept { return s->storage; }
void ready_done(ready_slot* s) noexcept {
  auto& r = *s->record;
  std::unique_lock hold(r.nursery_home->tree(), std::defer_lock);
  if (!r.nursery_home->at_home()) hold.lock(); // it may abandon us in this moment
  if (r.nursery)
    internal::tell<ready_note, internal::lane::control>(
        static_cast<internal::resident&>(*r.nursery), r);
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
ready_slot* ready_slot::make(internal::nursery_actor& n, internal::child_record& r) {
  auto* s = new ready_slot;
  s->nursery = &n;
  s->record = &r;
  return s;
}
void ready_slot::answered(internal::child_record& r) {
  auto& n = *nursery;
  if (n.state().is_late(r.id)) return; // too late: its end will be told
  close(r, false);
  n.child_ready(r);
}
bool ready_slot::failed(internal::child_record& r, how h) {
  if (!waiter) {
    close(r, false);
    return false;
  }
  auto* why = r.past && r.past->last_failure ? &*r.past->last_failure : nullptr;
  error = why && why->exception()
              ? why->exception()
              : std::make_exception_ptr(std::system_error(make_error_code(errc::not_ready),
                                                          r.path() + " " + std::string(to_text(h)) +
                                                              " before it was ready"));
  close(r, h != how::failed); // a failure beside a stop wins
  return true;
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
  return aborted::told; // its frame stays until the child has ended or answered
}

} // namespace detail
} // namespace creche
