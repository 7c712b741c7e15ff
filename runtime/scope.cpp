#include "runtime/scope.hpp"

#include "runtime/failure.hpp"
#include "runtime/internal/runtime_system.hpp"
#include "runtime/internal/task_actor.hpp"
#include "runtime/this_task.hpp"

#include <memory>
#include <system_error>

namespace creche {

// What a scope and its handles share. `scope` and its end belong to the home loop.
struct detail::scope_state {
  std::atomic<std::uint32_t> refs{1}; // the scope's
  cancel_scope* scope;
  internal::loop* home;
  internal::door* gate;
  receipt result = receipt::cancelled; // valid once it is over
  wait_list waits;

  scope_state(cancel_scope& s, internal::loop& l) noexcept
      : scope(&s), home(&l), gate(&l.owner->gate()) {
    gate->hold();
  }
  ~scope_state() { gate->drop(); }
  void hold() noexcept { refs.fetch_add(1, std::memory_order_relaxed); }
  void drop() noexcept {
    if (refs.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
  void end(receipt r) noexcept {
    scope = nullptr;
    result = r;
    waits.end();
    drop();
  }
};

// ---- the scope

cancel_scope::cancel_scope(detail::task_run& r, bool hidden) noexcept : run_(r) {
  boundary::shield = hidden;
  fire = [](timer& t) { static_cast<cancel_scope&>(t).cancel("deadline"); };
}

cancel_scope::~cancel_scope() { // with its body, when a stop from further out took both
  run_.disarm(*this);
  if (state_) std::exchange(state_, nullptr)->end(receipt::cancelled);
}

void cancel_scope::open(time_point now) {
  if (deadline_ <= now) cancel("deadline");
  enter(run_);
  arm();
}

void cancel_scope::close(bool stopped) noexcept {
  run_.disarm(*this);
  leave();
  if (state_)
    std::exchange(state_, nullptr)
        ->end(!stopped            ? receipt::completed_first
              : boundary::refused ? receipt::refused
                                  : receipt::cancelled);
}

void cancel_scope::arm() noexcept {
  run_.disarm(*this);
  if (deadline_ != time_point::max() && !cancelled) run_.arm(*this, deadline_);
}

void cancel_scope::cancel(std::string_view reason, std::source_location where) noexcept {
  if (!reason.empty() && reasons_.size() < 16) reasons_.push_back({std::string(reason), where});
  boundary::cancel();
}

void cancel_scope::deadline_at(time_point t) noexcept {
  if (cancelled) return;
  deadline_ = t;
  if (t <= run_.now()) return cancel("deadline");
  if (run) arm();
}
void cancel_scope::deadline_in(clock_duration d) noexcept { deadline_at(later(run_.now(), d)); }

cancel_scope::handle cancel_scope::remote() {
  if (!state_)
    state_ = new detail::scope_state(*this, static_cast<internal::task_actor&>(run_).home());
  state_->hold();
  return handle(state_);
}

// ---- its handle

cancel_scope::handle::handle(const handle& o) noexcept : state_(o.state_) {
  if (state_) state_->hold();
}
cancel_scope::handle::~handle() {
  if (state_) state_->drop();
}

bool cancel_scope::handle::ended() const noexcept {
  return !state_ || state_->waits.over.load(std::memory_order_acquire);
}

void cancel_scope::handle::cancel(std::string_view reason, std::source_location where) const {
  if (ended()) return;
  if (state_->home->at_home()) return state_->scope->cancel(reason, where);
  state_->gate->post(*state_->home, [keep = *this, text = std::string(reason), where] {
    if (auto* s = keep.state_->scope) s->cancel(text, where);
  });
}

task<receipt> cancel_scope::handle::cancel_and_wait(std::string reason,
                                                    std::source_location where) const {
  const handle keep(*this);
  if (keep.ended()) {
    co_await checkpoint();
    co_return receipt::already_done;
  }
  auto* s = keep.state_;
  auto found = std::make_shared<std::atomic<bool>>(false);
  auto give = [keep, found, reason = std::move(reason), where] {
    if (auto* scope = keep.state_->scope) {
      found->store(true, std::memory_order_relaxed);
      scope->cancel(reason, where);
    }
  };
  if (s->home->at_home())
    give();
  else
    s->gate->post(*s->home, std::move(give));
  s->hold();
  co_await detail::wait_op(&s->waits, "end of a scope", s,
                           [](void* p) noexcept { static_cast<detail::scope_state*>(p)->drop(); });
  co_return found->load(std::memory_order_relaxed) ? s->result : receipt::already_done;
}

// ---- its end

too_slow::too_slow(const std::string& what)
    : system_error(make_error_code(errc::timed_out), what) {}

void detail::fail_too_slow(const scope_limit& l, std::source_location where) {
  std::string text = "fail_after";
  if (l.relative && l.in > clock_duration::zero() && l.in != no_limit)
    text += "(" + std::to_string(std::chrono::duration<double>(l.in).count()) + " s)";
  else if (!l.relative)
    text = "fail_at";
  throw too_slow(text + " at " + where.file_name() + ":" + std::to_string(where.line()));
}

} // namespace creche
