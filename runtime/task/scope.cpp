#include "runtime/task/scope.hpp"

#include "runtime/loop/internal/loop_owner.hpp"
#include "runtime/memory/internal/bookkeeping.hpp"
#include "runtime/task/detail/waiting.hpp"
#include "runtime/task/failure.hpp"
#include "runtime/task/this_task.hpp"

#include <memory>
#include <system_error>

namespace creche {

// What a scope and its handles share. `scope` and its end belong to the home loop.
struct detail::scope_state : counted<scope_state> {
  cancel_scope* scope;
  internal::loop* home;
  internal::door_ptr door;
  receipt result = receipt::cancelled; // valid once it is over
  wait_list waits;

  scope_state(cancel_scope& its_scope, internal::loop& its_home) noexcept
      : scope(&its_scope), home(&its_home),
        door(internal::door_ptr::share(&its_home.owner->door())) {}
  /// Gives up the scope's reference.
  void end(receipt what) noexcept {
    scope = nullptr;
    result = what;
    waits.end();
    release();
  }
};

// ---- the scope

cancel_scope::cancel_scope(detail::task_run& in, bool shielded) noexcept : run_(in) {
  boundary::shield = shielded;
  fire = [](timer& elapsed) { static_cast<cancel_scope&>(elapsed).cancel("deadline"); };
}

cancel_scope::~cancel_scope() { // with its body, when a stop from further out took both
  run_.disarm(*this);
  if (state_) std::exchange(state_, nullptr)->end(receipt::cancelled);
}

void cancel_scope::open(time_point now) {
  if (deadline_ <= now) cancel("deadline");
  enter(run_);
  arm();
  if (shields() && up && up->pending) cancelled_behind_shield();
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

void cancel_scope::rethrow() {
  if (auto thrown = take_thrown()) std::rethrow_exception(std::move(thrown));
}

void cancel_scope::arm() noexcept {
  run_.disarm(*this);
  if (deadline_ != time_point::max() && !cancelled) run_.arm(*this, deadline_);
}

void cancel_scope::cancel(std::string_view reason, std::source_location where) noexcept {
  const internal::bookkeeping books;
  if (!reason.empty() && reasons_.size() < 16) reasons_.push_back({std::string(reason), where});
  boundary::cancel();
}

void cancel_scope::deadline_at(time_point at) noexcept {
  if (cancelled) return;
  deadline_ = at;
  if (at <= run_.now()) return cancel("deadline");
  if (run) arm();
}
void cancel_scope::deadline_in(clock_duration span) noexcept {
  deadline_at(later(run_.now(), span));
}

cancel_scope::handle cancel_scope::remote() {
  if (!state_) state_ = new detail::scope_state(*this, run_.home());
  state_->add_ref();
  return handle(state_);
}

// ---- its handle

cancel_scope::handle::handle(const handle& other) noexcept : state_(other.state_) {
  if (state_) state_->add_ref();
}
cancel_scope::handle::~handle() {
  if (state_) state_->release();
}

bool cancel_scope::handle::ended() const noexcept {
  return !state_ || state_->waits.over.load(std::memory_order_acquire);
}

void cancel_scope::handle::cancel(std::string_view reason, std::source_location where) const {
  if (ended()) return;
  if (state_->home->at_home()) return state_->scope->cancel(reason, where);
  state_->door->post_cancel(*state_->home, [keep = *this, text = std::string(reason), where] {
    if (auto* scope = keep.state_->scope) scope->cancel(text, where);
  });
}

task<receipt> cancel_scope::handle::cancel_and_wait(std::string reason,
                                                    std::source_location where) const {
  const handle keep(*this);
  if (keep.ended()) {
    co_await checkpoint();
    co_return receipt::already_done;
  }
  auto* state = keep.state_;
  auto found = std::make_shared<std::atomic<bool>>(false);
  auto give = [keep, found, reason = std::move(reason), where] {
    if (auto* scope = keep.state_->scope) {
      found->store(true, std::memory_order_relaxed);
      scope->cancel(reason, where);
    }
  };
  if (state->home->at_home())
    give();
  else
    state->door->post_cancel(*state->home, std::move(give));
  state->add_ref();
  co_await detail::wait_op(&state->waits, "end of a scope", state, [](void* waited) noexcept {
    static_cast<detail::scope_state*>(waited)->release();
  });
  co_return found->load(std::memory_order_relaxed) ? state->result : receipt::already_done;
}

// ---- its end

too_slow::too_slow(const std::string& what)
    : system_error(make_error_code(errc::timed_out), what) {}

void detail::fail_too_slow(const scope_limit& limit, std::source_location where) {
  std::string text = "fail_after";
  if (limit.relative && limit.in > clock_duration::zero() && limit.in != no_limit)
    text += "(" + std::to_string(std::chrono::duration<double>(limit.in).count()) + " s)";
  else if (!limit.relative)
    text = "fail_at";
  throw too_slow(text + " at " + where.file_name() + ":" + std::to_string(where.line()));
}

} // namespace creche
