#include "runtime/supervision/internal/child_actor.hpp"

#include "runtime/memory/internal/bookkeeping.hpp"
#include "runtime/supervision/internal/nursery_actor.hpp"
#include "runtime/supervision/internal/supervised_system.hpp"
#include "runtime/task/task_local.hpp"

#include <thread>

namespace creche::internal {

std::string_view to_text(child_state state) noexcept {
  switch (state) {
  case child_state::starting: return "starting";
  case child_state::running: return "running";
  case child_state::waiting: return "waiting for restart";
  case child_state::done: return "done";
  case child_state::draining: return "draining";
  case child_state::cancelling: return "cancelling";
  case child_state::killing: return "killing";
  case child_state::ended: return "ended";
  }
  return "?";
}

// ---- child_record

child_record::~child_record() {
  delete letters.load(std::memory_order_acquire);
  if (bindings) bindings->release();
}

child_past& child_record::history() {
  if (!past) {
    past = std::make_unique<child_past>();
    past->record = this;
    past->fire = [](timer& due) {
      auto& waiting = static_cast<child_past&>(due);
      waiting.record->nursery->child_due(*waiting.record, waiting.incarnation);
    };
  }
  return *past;
}

// ---- mail across restarts

namespace {
// Senders waited for an incarnation.
struct admit_note {
  void operator()(resident& to) const {
    auto& self = static_cast<child_actor&>(to);
    if (self.record()) system_of(self.home()).room.admit(*self.record(), self);
  }
};
} // namespace

void child_record::keep_mail(letter_list& mail) noexcept {
  auto& before = *past; // made at the launch
  while (auto* item = mail.pop()) {
    before.kept_load.take(static_cast<detail::mail&>(*item).weight, no_mail_limits);
    before.kept.push(*item);
  }
  before.detached = true;
}

void child_record::hand_over_mail() {
  if (!keeps_mail()) return;
  auto& before = history();
  std::lock_guard hold(nursery_home->tree());
  before.detached = false;
  before.kept_load.want_no_more();
  if (system_of(*nursery_home).room.has_waiters(*this)) tell<admit_note, lane::control>(*actor);
  while (auto* item = before.kept.pop()) {
    auto& message = static_cast<detail::mail&>(*item);
    before.kept_load.give(message.weight);
    nursery_home->count(fate::sent, ~std::uint64_t{0}); // it was, and is again
    if (actor->offer_mail(message, no_mail_limits) != send_result::queued)
      message.type->drop(message, send_result::undelivered);
  }
}

void child_record::drop_mail() noexcept {
  if (!past) return;
  letter_list all;
  {
    std::lock_guard hold(nursery_home->tree());
    std::swap(all, past->kept);
    past->detached = false;
  }
  std::uint32_t dropped = 0;
  for (; auto* item = all.pop(); ++dropped) {
    auto& message = static_cast<detail::mail&>(*item);
    past->kept_load.give(message.weight);
    message.type->drop(message, send_result::undelivered);
  }
  if (!dropped) return;
  nursery_home->count(fate::undelivered, dropped);
  add(counts().undelivered, dropped);
}

void child_record::add_reason(std::string_view reason, std::source_location where) {
  if (reason.empty()) return;
  constexpr std::size_t most = 16;
  failure added(errc::cancelled, std::string(reason), path(), where);
  std::unique_lock<spin_lock> hold; // not for one that no nursery has: its loop may be gone
  if (nursery) hold = std::unique_lock(nursery_home->tree());
  auto& why = history().cancel_reason;
  if (!why)
    why = std::move(added);
  else if (why->causes().size() < most)
    why = why->because(std::move(added));
}

std::string child_record::name() const {
  if (plan && !plan->name.empty()) return plan->name;
  if (label) return label + (numbered ? std::to_string(ordinal) : std::string());
  return is_body ? "main" : "#" + std::to_string(ordinal);
}
std::string child_record::path() const { return nursery ? nursery->path_to(name()) : name(); }

letter_counts& child_record::counts() {
  auto* made = letters.load(std::memory_order_relaxed);
  if (made) return *made;
  const bookkeeping books;
  letters.store(made = new letter_counts, std::memory_order_release);
  return *made;
}

mail_limits child_record::limits() const noexcept {
  if (!plan) return {detail::plan::default_mailbox, detail::plan::default_mailbox_units};
  return {plan->mailbox, plan->mailbox_units};
}

// Offers a message to what is there now: the incarnation, or what waits for the next one.
template <class Offer> send_result child_record::with_actor(Offer offer) noexcept {
  if (nursery_home->at_home() && !keeps_mail()) return offer();
  if (is_inside(*door)) {
    std::lock_guard hold(nursery_home->tree());
    return offer();
  }
  std::lock_guard alive(door->lock);
  if (door->closed) return send_result::undelivered;
  std::lock_guard hold(nursery_home->tree());
  return offer();
}

send_result child_record::send(detail::mail& message) noexcept {
  const auto result = with_actor([&] {
    const auto offered = offer(message);
    if (offered == send_result::undelivered) count_undelivered();
    if (offered != send_result::shed) return offered;
    nursery_home->count(fate::sent);
    nursery_home->count(fate::shed);
    return offered;
  });
  // not under a lock: it may be anybody's code
  if (result != send_result::queued) message.type->drop(message, result);
  return result;
}

send_result child_record::try_send(detail::mail& message) noexcept {
  return with_actor([&] {
    if (is_reached() && system_of(*nursery_home).room.has_waiters(*this)) return send_result::shed;
    const auto offered = offer(message);
    if (offered == send_result::undelivered) count_undelivered();
    return offered;
  });
}

bool child_record::leave_room(room_waiter& sender) noexcept {
  if (is_inside(*door)) return system_of(*nursery_home).room.leave(*this, sender);
  std::lock_guard alive(door->lock);
  return !door->closed && system_of(*nursery_home).room.leave(*this, sender);
}

void child_record::count_undelivered() noexcept {
  nursery_home->count(fate::sent);
  nursery_home->count(fate::undelivered);
}

send_result child_record::send_or_wait(detail::mail& message, room_waiter& sender) noexcept {
  const bookkeeping books;
  return with_actor([&] {
    auto& room = system_of(*nursery_home).room;
    for (;;) {
      // senders that wait may be left of a receiver that has ended: soon they are refused, too
      const bool behind_others = is_reached() && room.has_waiters(*this);
      const auto offered = behind_others ? send_result::shed : offer(message);
      if (offered == send_result::undelivered) count_undelivered();
      if (offered != send_result::shed) return offered;
      auto& load = is_detached() ? past->kept_load : actor->load();
      if (room.wait(*this, load, sender)) return send_result::shed;
    }
  });
}

send_result child_record::offer(detail::mail& message) noexcept {
  if (!is_reached()) return send_result::undelivered;
  if (is_detached()) { // the next incarnation is to find it
    if (!past->kept_load.take(message.weight, limits())) return send_result::shed;
    nursery_home->count(fate::sent);
    past->kept.push(message);
    return send_result::queued;
  }
  return actor->offer_mail(message, limits());
}

// ---- child_actor

const letter_kind child_actor::start_kind{
    "start", lane::control, [](letter&, resident& to) { static_cast<child_actor&>(to).on_start(); },
    [](letter&) noexcept {}};
const letter_kind child_actor::order_kind{
    "order", lane::control,
    [](letter&, resident& to) { static_cast<child_actor&>(to).obey_orders(); },
    [](letter&) noexcept {}};
const letter_kind child_actor::ended_kind{
    "ended", lane::control,
    [](letter& ended, resident& to) {
      static_cast<nursery_actor&>(to).child_ended(
          static_cast<child_actor&>(static_cast<life_letter&>(ended)));
    },
    [](letter& unheard) noexcept { // the nursery did not wait
      static_cast<child_actor&>(static_cast<life_letter&>(unheard)).leave_abandoned();
    }};

const letter_kind child_actor::mail_kind{"mail", lane::data,
                                         [](letter& item, resident& to) {
                                           static_cast<child_actor&>(to).on_mail(
                                               static_cast<detail::mail&>(item));
                                         },
                                         [](letter& item) noexcept {
                                           auto& message = static_cast<detail::mail&>(item);
                                           message.type->drop(message, send_result::undelivered);
                                         }};

child_actor::child_actor(caf::actor_config& cfg, child_record* record)
    : resident(cfg), record_(record) {
  life_letter::kind = &start_kind;
}

void child_actor::order_start() {
  if (!std::exchange(start_given_, true)) send(static_cast<life_letter&>(*this));
}

void child_actor::order_stop() {
  if (!std::exchange(stop_given_, true)) order(to_stop);
}

void child_actor::order_cancel() {
  if (record_) record_->cancel_asked.store(true, std::memory_order_relaxed);
  if (std::exchange(cancel_given_, true)) return;
  order(to_cancel);
  mark_cancel();
}

// ---- the wave: what a cancel marks, in the canceller's own turn

namespace {
struct wave {
  child_actor* first = nullptr;
  child_actor* last = nullptr;
  bool rolls = false;
};
thread_local constinit wave wave_here;
} // namespace

void child_actor::mark_cancel() noexcept {
  if (home_.at_home()) return mark();
  // Its loop looks at what was posted before each handler, and at its next checkpoint.
  try {
    intrusive_ptr_add_ref(ctrl());
    struct hold {
      child_actor* marked;
      explicit hold(child_actor& actor) noexcept : marked(&actor) {}
      hold(hold&& other) noexcept : marked(std::exchange(other.marked, nullptr)) {}
      ~hold() {
        if (marked) intrusive_ptr_release(marked->ctrl());
      }
    };
    auto mark_there = [held = hold(*this)] {
      if (!held.marked->dead_) held.marked->mark();
    };
    post_call(home_, std::move(mark_there), call_order::urgent);
  } catch (...) { // no memory: the order comes alone
    home_.want_attention();
  }
}

void child_actor::join_wave() noexcept {
  auto& here = wave_here;
  next_in_wave_ = nullptr;
  (here.first ? here.last->next_in_wave_ : here.first) = this;
  here.last = this;
  if (std::exchange(here.rolls, true)) return;
  while (auto* marked = here.first) {
    here.first = marked->next_in_wave_;
    marked->pass_on_mark();
  }
  here.rolls = false;
}

// One letter for both: the thread that finds no order there sends it.
void child_actor::order(std::uint8_t wanted) {
  if (orders_.fetch_or(wanted, std::memory_order_acq_rel) == 0) send(order_);
}

void child_actor::obey_orders() {
  const auto all = orders_.load(std::memory_order_acquire);
  const std::uint8_t now = all & to_be_told ? to_be_told : all & to_stop ? to_stop : to_cancel;
  if (orders_.fetch_and(std::uint8_t(~now), std::memory_order_acq_rel) != now) {
    home_.count_here(fate::sent); // next
    control_.push_front(order_);
  }
  if (now == to_be_told)
    on_told_to_stop();
  else if (now == to_stop)
    on_stop();
  else if (!std::exchange(cancel_seen_, true))
    on_cancel();
}

struct kill_note {
  void operator()(resident& to) const { static_cast<child_actor&>(to).obey_kill(); }
};

void child_actor::order_kill() {
  if (!std::exchange(kill_given_, true)) tell<kill_note, lane::control>(*this);
}

void child_actor::obey_kill() {
  killed_ = true;
  if (!std::exchange(cancel_seen_, true)) on_cancel();
  if (!dead_) on_kill();
}

void child_actor::order_abandon(std::string path) {
  record_->add_ref();
  system_of(home_).abandon(*this, std::move(path));
  std::lock_guard hold(record_->nursery_home->tree());
  record_->abandoned = true;
  record_->actor = nullptr;
}

void child_actor::keep_mail(letter_list& unreceived) noexcept {
  if (!record_ || !record_->keeps_mail()) return;
  std::lock_guard hold(record_->nursery_home->tree());
  if (record_->abandoned) return;
  collect_remote();
  letter_list others;
  while (auto* item = data_.pop()) (item->kind == &mail_kind ? unreceived : others).push(*item);
  data_ = others;
  record_->keep_mail(unreceived);
}

void child_actor::obey_cancel() {
  cancel_seen_ = true;
  on_cancel();
}

std::size_t child_actor::turn(std::size_t budget) {
  try {
    return run_lanes(budget, [this] { obey_cancel_first(); });
  } catch (...) {
    home_.recount(fate::failed);
    if (record_) add(record_->counts().failed, 1);
    on_throw(std::current_exception());
    if (!queued) home_.schedule(*this); // the rest of the mailbox, or the last turn
    return 1;
  }
}

send_result child_actor::offer_mail(detail::mail& message, const mail_limits& limits) noexcept {
  message.kind = &mail_kind;
  if (!load_.take(message.weight, limits)) return send_result::shed;
  if (offer(message)) return send_result::queued; // counted
  home_.count(fate::sent, ~std::uint64_t{0});
  return send_result::undelivered;
}

void child_actor::has_left(const detail::mail& message) noexcept {
  if (load_.give(message.weight) && record_) system_of(home_).room.admit(*record_, *this);
}

void child_actor::on_mail(detail::mail& message) {
  has_left(message);
  not_understood();
  message.type->drop(message, send_result::unhandled);
}

void child_actor::not_understood() noexcept {
  resident::not_understood();
  if (record_) add(record_->counts().unhandled, 1);
}

void child_actor::lost(std::uint32_t n) noexcept {
  if (record_ && n) add(record_->counts().undelivered, n);
}

void child_actor::on_exit(caf::error) {
  killed_ = true;
  if (!std::exchange(cancel_seen_, true)) on_cancel();
}

void child_actor::finish(how result, std::exception_ptr error, std::source_location at) {
  const bookkeeping books;
  before_end();
  how_ = killed_ && result == how::cancelled ? how::killed : result; // it may have completed first
  if (error) {
    death_ = std::make_unique<death>();
    death_->error = std::move(error);
    death_->at = at;
  }
  end(how_ == how::failed ? caf::make_error(caf::sec::runtime_error) : caf::error{});
}

void child_actor::let_go() {
  if (!record_) return release();
  {
    auto& nursery_home = *record_->nursery_home; // which may be about to abandon us
    std::unique_lock hold(nursery_home.tree(), std::defer_lock);
    if (&home_ != &nursery_home) hold.lock();
    if (!record_->abandoned) {
      auto& ended = static_cast<life_letter&>(*this);
      ended.kind = &ended_kind; // nobody has it: what waited was dropped
      return record_->nursery->send(ended);
    }
  }
  leave_abandoned();
}

void child_actor::leave_abandoned() noexcept {
  system_of(home_).recovered(*this);
  if (record_->plan) record_->plan->let_go(); // nobody runs it again
  std::exchange(record_, nullptr)->release();
  release();
}

} // namespace creche::internal
