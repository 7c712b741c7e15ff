#include "runtime/internal/child_actor.hpp"

#include "runtime/internal/runtime_system.hpp"

#include <thread>

namespace creche::internal {

std::string_view to_text(child_state s) noexcept {
  switch (s) {
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

void child_record::drop() noexcept {
  if (refs.load(std::memory_order_acquire) != 1 &&
      refs.fetch_sub(1, std::memory_order_acq_rel) != 1)
    return;
  if (gate) gate->drop();
  delete letters.load(std::memory_order_acquire);
  detail::binding::drop(bindings);
  delete this;
}

child_past& child_record::history() {
  if (!past) {
    past = std::make_unique<child_past>();
    past->record = this;
    past->fire = [](timer& t) {
      auto& p = static_cast<child_past&>(t);
      p.record->nursery->child_due(*p.record, p.incarnation);
    };
  }
  return *past;
}

// ---- mail across restarts

void child_record::keep_mail(letter_list& mail) noexcept {
  auto& p = *past; // made at the launch
  for (; auto* l = mail.pop(); ++p.kept_size) p.kept.push(*l);
  p.detached = true;
}

void child_record::hand_over_mail() {
  if (!keeps_mail()) return;
  auto& p = history();
  std::lock_guard hold(nursery_home->tree());
  p.kept_size = 0;
  p.detached = false;
  while (auto* l = p.kept.pop()) {
    nursery_home->count(fate::sent, ~std::uint64_t{0}); // it was, and is again
    auto& m = static_cast<detail::mail&>(*l);
    if (actor->offer_mail(m, plan->mailbox) != send_result::queued)
      m.type->drop(m, send_result::undelivered);
  }
}

void child_record::drop_mail() noexcept {
  if (!past) return;
  letter_list all;
  {
    std::lock_guard hold(nursery_home->tree());
    std::swap(all, past->kept);
    past->kept_size = 0;
    past->detached = false;
  }
  std::uint32_t n = 0;
  for (; auto* l = all.pop(); ++n) {
    auto& m = static_cast<detail::mail&>(*l);
    m.type->drop(m, send_result::undelivered);
  }
  if (!n) return;
  nursery_home->count(fate::undelivered, n);
  add(counts().undelivered, n);
}

void child_record::add_reason(std::string_view reason, std::source_location where) {
  if (reason.empty()) return;
  constexpr std::size_t most = 16;
  failure f(errc::cancelled, std::string(reason), path(), where);
  std::unique_lock<tree_lock> hold; // not for one that no nursery has: its loop may be gone
  if (nursery) hold = std::unique_lock(nursery_home->tree());
  auto& why = history().cancel_reason;
  if (!why)
    why = std::move(f);
  else if (why->causes().size() < most)
    why = why->because(std::move(f));
}

std::string child_record::name() const {
  if (plan && !plan->name.empty()) return plan->name;
  if (label) return label + (numbered ? std::to_string(ordinal) : std::string());
  return is_body ? "main" : "#" + std::to_string(ordinal);
}
std::string child_record::path() const { return nursery ? nursery->path() + "/" + name() : name(); }

letter_counts& child_record::counts() {
  auto* c = letters.load(std::memory_order_relaxed);
  if (!c) letters.store(c = new letter_counts, std::memory_order_release);
  return *c;
}

send_result child_record::send(detail::mail& m) noexcept {
  auto r = send_result::undelivered;
  if (nursery_home->at_home() && !keeps_mail()) {
    r = offer(m);
  } else if (auto* l = loop::current(); l && &l->owner->gate() == gate) { // so it lives
    std::lock_guard hold(nursery_home->tree());
    r = offer(m);
  } else {
    std::lock_guard alive(gate->lock);
    if (!gate->closed) {
      std::lock_guard hold(nursery_home->tree());
      r = offer(m);
    }
  }
  if (r != send_result::queued) m.type->drop(m, r); // not under a lock: it may be anybody's code
  return r;
}

send_result child_record::offer(detail::mail& m) noexcept {
  if (past && past->detached && nursery) { // somebody is to find it
    nursery_home->count(fate::sent);
    if (past->kept_size >= plan->mailbox) {
      nursery_home->count(fate::shed);
      return send_result::shed;
    }
    ++past->kept_size;
    past->kept.push(m);
    return send_result::queued;
  }
  if (nursery && actor)
    return actor->offer_mail(m, plan ? plan->mailbox : detail::plan::default_mailbox);
  nursery_home->count(fate::sent);
  nursery_home->count(fate::undelivered);
  return send_result::undelivered;
}

// ---- child_actor

const letter_kind child_actor::start_kind{
    "start", lane::control, [](letter&, resident& r) { static_cast<child_actor&>(r).on_start(); },
    [](letter&) noexcept {}};
const letter_kind child_actor::order_kind{
    "order", lane::control,
    [](letter&, resident& r) { static_cast<child_actor&>(r).obey_orders(); },
    [](letter&) noexcept {}};
const letter_kind child_actor::ended_kind{
    "ended", lane::control,
    [](letter& l, resident& r) {
      static_cast<nursery_actor&>(r).child_ended(
          static_cast<child_actor&>(static_cast<life_letter&>(l)));
    },
    [](letter& l) noexcept { // the nursery did not wait
      static_cast<child_actor&>(static_cast<life_letter&>(l)).leave_abandoned();
    }};

const letter_kind child_actor::mail_kind{"mail", lane::data,
                                         [](letter& l, resident& r) {
                                           static_cast<child_actor&>(r).on_mail(
                                               static_cast<detail::mail&>(l));
                                         },
                                         [](letter& l) noexcept {
                                           auto& m = static_cast<detail::mail&>(l);
                                           m.type->drop(m, send_result::undelivered);
                                         }};

child_actor::child_actor(caf::actor_config& cfg, child_record* r) : resident(cfg), record_(r) {
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
  if (!std::exchange(cancel_given_, true)) order(to_cancel);
}

// One letter for both: whoever finds no order there sends it.
void child_actor::order(std::uint8_t o) {
  if (orders_.fetch_or(o, std::memory_order_acq_rel) == 0) send(order_);
}

void child_actor::obey_orders() {
  const std::uint8_t now = orders_.load(std::memory_order_acquire) & to_stop ? to_stop : to_cancel;
  if (orders_.fetch_and(std::uint8_t(~now), std::memory_order_acq_rel) != now) {
    home_.count_here(fate::sent); // next
    control_.push_front(order_);
  }
  if (now == to_stop)
    on_stop();
  else if (!std::exchange(cancel_seen_, true))
    on_cancel();
}

struct kill_note {
  void operator()(resident& r) const { static_cast<child_actor&>(r).obey_kill(); }
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
  record_->hold();
  home_.owner->abandon(*this, std::move(path));
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
  while (auto* l = data_.pop()) (l->kind == &mail_kind ? unreceived : others).push(*l);
  data_ = others;
  record_->keep_mail(unreceived);
}

void child_actor::obey_cancel() {
  cancel_seen_ = true;
  on_cancel();
}

std::size_t child_actor::turn(std::size_t budget) {
  try {
    return run_lanes(budget, [this] {
      if (cancel_asked() && !cancel_seen_) [[unlikely]]
        obey_cancel();
    });
  } catch (...) {
    home_.recount(fate::failed);
    if (record_) add(record_->counts().failed, 1);
    on_throw(std::current_exception());
    if (!queued) home_.schedule(*this); // the rest of the mailbox, or the last turn
    return 1;
  }
}

bool child_actor::has_room_for_mail(std::uint32_t limit) noexcept {
  if (mail_.fetch_add(1, std::memory_order_relaxed) < limit) return true;
  mail_.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

send_result child_actor::offer_mail(detail::mail& m, std::uint32_t limit) noexcept {
  m.kind = &mail_kind;
  if (!has_room_for_mail(limit)) {
    home_.count(fate::sent);
    home_.count(fate::shed);
    return send_result::shed;
  }
  if (offer(m)) return send_result::queued;
  home_.count(fate::undelivered);
  return send_result::undelivered;
}

void child_actor::on_mail(detail::mail& m) {
  mail_.fetch_sub(1, std::memory_order_relaxed);
  not_understood();
  m.type->drop(m, send_result::undelivered);
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

void child_actor::finish(how h, std::exception_ptr error, std::source_location at) {
  before_end();
  how_ = killed_ && h == how::cancelled ? how::killed : h; // it may have completed first
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
  home_.owner->recovered(*this);
  if (record_->plan) record_->plan->let_go(); // nobody runs it again
  std::exchange(record_, nullptr)->drop();
  release();
}

} // namespace creche::internal
