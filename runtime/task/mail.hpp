// mail.hpp: what sending a message to a task says, and what comes back of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace creche {

/// What became of a message at once. Each is counted, whether the sender looks or not.
enum class send_result : std::uint8_t {
  queued,      ///< It is in the receiver's mailbox, or on its way there.
  shed,        ///< The receiver's mailbox is full: dropped.
  undelivered, ///< The receiver has ended, or waits for its restart: dropped.
  unhandled, ///< The receiver is no task, and dropped it: told later, to `refused` and `returned`.
};

/// A message that came back: its receiver's spec says restart_mail::return_to_sender.
template <class M> struct returned {
  M message;
  send_result why;

  returned(M sent, send_result what) : message(std::move(sent)), why(what) {}
  std::size_t weight() const;
};

} // namespace creche

#include "runtime/task/detail/mail_letter.hpp"
