// event.hpp: something that happens once, and tasks that wait for it (Trio's Event: no clear).
#pragma once

#include "runtime/parking.hpp"

namespace creche {

struct event_statistics {
  bool set = false;
  std::size_t waiting = 0;
};

namespace detail {

class event_awaiter final : public try_awaiter {
public:
  event_awaiter(task_run& r, parking& lot, const bool& set) noexcept
      : try_awaiter(r, lot, "event", nullptr), set_(set) {}
  void await_resume() const noexcept {}

private:
  bool over() override { return set_; }
  const bool& set_;
};

class event_op {
public:
  event_op(parking& lot, const bool& set) noexcept : parking_(lot), set_(set) {}
  event_awaiter bind(task_run& r) const noexcept { return {r, parking_, set_}; }

private:
  parking& parking_;
  const bool& set_;
};

} // namespace detail

/// Own loop only. Outlives those who wait for it. shared_event (runtime/shared_event.hpp) is for
/// several.
class event {
public:
  event() noexcept = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  /// Idempotent; lets all waiters go on, in the order they came. Not a checkpoint.
  void set() noexcept {
    set_ = true;
    parking_.unpark_all();
  }
  bool is_set() const noexcept { return set_; }
  /// Goes on once it is set. Checkpoint, also when it is set already.
  [[nodiscard]] detail::event_op wait() noexcept { return {parking_, set_}; }

  event_statistics statistics() const noexcept { return {set_, parking_.statistics().waiting}; }

private:
  bool set_ = false;
  parking parking_;
};

} // namespace creche
