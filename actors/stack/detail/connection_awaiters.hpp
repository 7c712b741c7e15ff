// connection_awaiters.hpp: what a connection's awaits return. Included by connection.hpp.
#pragma once

#include "actors/stack/connection.hpp"
#include "runtime/sync/parking.hpp"

namespace creche {

namespace detail {

/// Looks at the state until its condition holds. A task that was woken looks in its own turn: what
/// it was woken for may be gone by then, or be too little. If it is cancelled before that turn,
/// another one is woken to look.
class top_awaiter : public try_awaiter {
public:
  aborted abort() noexcept final {
    if (std::exchange(woken_, false)) wake_another();
    const auto done = try_awaiter::abort();
    gave_up();
    return done;
  }
  bool again() final {
    woken_ = false;
    return try_awaiter::again();
  }

protected:
  top_awaiter(task_run& run, parking& lot, const char* kind, internal::top_state* state) noexcept
      : try_awaiter(run, lot, kind, nullptr), state_(state) {}
  ~top_awaiter() = default;
  void unparked() noexcept override {
    woken_ = true;
    run_.yield(*this);
  }
  internal::top_state* state_;

private:
  virtual void gave_up() noexcept {}
  bool woken_ = false;
};

parking& readers_of(internal::top_state* state) noexcept;
parking& writers_of(internal::top_state* state) noexcept;
parking& flush_waiters_of(internal::top_state* state) noexcept;

} // namespace detail

class incoming::next_awaiter final : public detail::top_awaiter {
public:
  next_awaiter(detail::task_run& run, internal::top_state* state) noexcept
      : top_awaiter(run, detail::readers_of(state), "frame", state) {}
  std::optional<slice> await_resume();

private:
  bool over() override;
  void gave_up() noexcept override;
};
inline incoming::next_op incoming::next() noexcept { return next_op(state_); }

class connection::send_awaiter final : public detail::top_awaiter {
public:
  send_awaiter(detail::task_run& run, internal::top_state* state, slice bytes) noexcept
      : top_awaiter(run, detail::writers_of(state), "room", state), bytes_(std::move(bytes)) {}
  void await_resume();

private:
  bool over() override;
  slice bytes_;
};
inline connection::send_op connection::send(slice bytes) noexcept {
  return {in_.state_, std::move(bytes)};
}
inline connection::send_op connection::send(std::string_view text) {
  return {in_.state_, slice::copy_of(text)};
}

class connection::flushed_awaiter final : public detail::top_awaiter {
public:
  flushed_awaiter(detail::task_run& run, internal::top_state* state, flush_level level) noexcept
      : top_awaiter(run, detail::flush_waiters_of(state), "flushed", state), level_(level) {}
  void await_resume();

private:
  bool over() override;
  void unparked() noexcept override;
  bool answered() const noexcept;
  flush_level level_;
  std::uint32_t ticket_ = 0; // 0: not asked yet
};
inline connection::flushed_op connection::flushed(flush_level level) const noexcept {
  return {in_.state_, level};
}

} // namespace creche
