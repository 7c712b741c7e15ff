// child.hpp, continued: its templates.
#pragma once

#include "runtime/supervision/child.hpp"

namespace creche {

template <class M> detail::mail& child::make_mail(M&& message) const {
  using type = std::decay_t<M>;
  static_assert(alignof(type) <= 16, "a message is kept in the pool, aligned to 16");
  if constexpr (!detail::is_returned<type>) {
    if (returns_mail()) return *new detail::mail_with_sender<type>(std::forward<M>(message));
  }
  return *new detail::mail_of<type>(std::forward<M>(message));
}

template <class M> send_result child::send(M&& message) const {
  return send_mail(make_mail(std::forward<M>(message)));
}

template <class Never> detail::wait_op child::wait() const&& {
  static_assert(!std::is_void_v<Never>,
                "give the child a name first: auto c = n.start(..); co_await c.wait();");
  return wait();
}

} // namespace creche

#include "runtime/supervision/detail/send_when_room.hpp"
