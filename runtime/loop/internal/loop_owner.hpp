// loop_owner.hpp: what a loop, and what lives on it, needs of the system that it belongs to.
//
// Any thread.
#pragma once

#include "runtime/loop/internal/loop.hpp"

#include <mutex>

namespace creche::internal {

/// Lets threads that run none of a system's loops reach them, or tells them that they are gone.
/// Shared by the system and every handle.
struct door : detail::counted<door> {
  std::mutex lock;
  bool closed = false;

  void close() {
    std::lock_guard hold(lock);
    closed = true;
  }
  /// Runs `call` on the loop's thread; false, and nothing is done, when the system is gone.
  template <class F> bool post(loop& to, F call) {
    return if_open([&] { post_call(to, std::move(call)); });
  }
  /// The same, of a cancel: it overtakes what else was posted. What runs on that loop gives its
  /// turn back, and `call` runs next.
  template <class F> bool post_cancel(loop& to, F call) {
    return if_open([&] { post_call(to, std::move(call), call_order::urgent); });
  }
  /// `call` runs here, and the system does not go meanwhile; false: it is gone.
  template <class F> bool if_open(F call) {
    std::lock_guard hold(lock);
    if (closed) return false;
    call();
    return true;
  }
};
using door_ptr = detail::counted_ptr<door>;

class loop_owner {
public:
  loop_owner() = default;
  loop_owner(const loop_owner&) = delete;
  virtual ~loop_owner() = default;

  internal::door& door() const noexcept { return *door_; }
  /// In [0, 1). Home thread of any of its loops.
  virtual double random() noexcept = 0;
  /// How many letters met that fate, on all its loops.
  virtual std::uint64_t counted(fate which) const noexcept = 0;

private:
  const door_ptr door_{new internal::door};
};

/// This thread runs a loop of the system behind that door, so the system lives.
inline bool is_inside(const door& its_door) noexcept {
  const auto* here = loop::current();
  return here && here->owner && &here->owner->door() == &its_door;
}

} // namespace creche::internal
