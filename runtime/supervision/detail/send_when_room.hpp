// send_when_room.hpp: the await of child::send_when_room.
#pragma once

#include "runtime/supervision/child.hpp"
#include "runtime/task/compiler.hpp"

namespace creche::internal {
struct room_waiter;
}

namespace creche::detail {

class room_send_awaiter final : public leaf_awaiter {
public:
  /// Takes over the message.
  room_send_awaiter(task_run& run, child to, mail* message) noexcept;
  room_send_awaiter(const room_send_awaiter&) = delete;
  ~room_send_awaiter();
  bool await_ready() noexcept;
  send_result await_resume() noexcept;
  const char* kind() const noexcept override { return "send"; }
  std::string subject() const override;
  aborted abort() noexcept override;

private:
  void begin_wait() override;

  child to_;
  mail* message_; // until it has gone
  send_result result_ = send_result::shed;
  internal::room_waiter* waiter_ = nullptr; // made to wait; owned
};

/// What is awaited. Owns the message until then.
class room_send_op {
public:
  room_send_op(child to, mail& message) noexcept : to_(std::move(to)), message_(&message) {}
  room_send_op(room_send_op&& other) noexcept
      : to_(std::move(other.to_)), message_(std::exchange(other.message_, nullptr)) {}
  ~room_send_op();
  room_send_awaiter bind(task_run& run) && noexcept {
    return {run, std::move(to_), std::exchange(message_, nullptr)};
  }

private:
  child to_;
  mail* message_;
};

} // namespace creche::detail

namespace creche {

template <class M> detail::room_send_op child::send_when_room(M&& message) const& {
  static_assert(safe_in_co_await<M> || !std::is_aggregate_v<std::remove_cvref_t<M>>,
                "g++ 12 miscompiles an aggregate that owns something inside a co_await expression: "
                "give its type a constructor, or the message a name first");
  return {*this, make_mail(std::forward<M>(message))};
}

} // namespace creche
