// layer_message.hpp: what two layers say to each other: one pooled letter for all verbs, passed on
// as it is, so forwarding allocates nothing. The README's table says what each verb means.
#pragma once

#include "actors/stack/ended_by.hpp"
#include "actors/stack/flush_level.hpp"
#include "actors/stack/internal/open_file.hpp"
#include "runtime/loop/internal/letter.hpp"
#include "runtime/memory/pool.hpp"
#include "runtime/memory/slice.hpp"

#include <cstdint>
#include <memory>

namespace creche::internal {

enum class verb : std::uint8_t {
  established, // up: bytes can flow
  received,    // up: bytes
  eof,         // up: no more of them
  resume_out,  // up: there is room again
  input_lost,  // up: what came from the peer is at a bad end; what is written still goes
  lost,        // up: the transport is over; nothing comes behind this
  drain,       // up: no new work is wanted; what came before this still counts
  flushed,     // up: what was written before that question has come as far as its level says
  write,       // down: bytes
  finish,      // down: flush, then say our end of the stream; what the peer sends still comes
  close,       // down: flush, then end; with how
  abort,       // down: end now, and let the peer see that it is no good end; with how
  resume_in,   // down: there is room again
  ask_flushed, // down: behind what was written; answered with flushed
  edit,        // down: behind what was written; stops at its place (live_edit.hpp)
};

struct message final : letter, detail::pooled {
  internal::verb verb;
  ended_by how = ended_by::clean;
  bool owed = false;                      // forwarded: still on the gauge of the link above
  flush_level level = flush_level::stack; // of a question and its answer,
  std::uint32_t ticket = 0;               // and its number; that of an edit
  slice bytes;
  file_part_ptr file; // written in place of bytes, to a transport that sends files

  explicit message(internal::verb v, slice&& b = {}) noexcept;
  /// The question of an edit.
  static std::unique_ptr<message> edit(std::uint32_t ticket);
  static const letter_kind letters;
};
using message_ptr = std::unique_ptr<message>;

/// Messages that a layer keeps, in order.
class message_queue {
public:
  message_queue() = default;
  message_queue(const message_queue&) = delete;
  ~message_queue() { clear(); }
  explicit operator bool() const noexcept { return bool(list_); }
  const message* front() const noexcept { return static_cast<const message*>(list_.oldest()); }
  message* newest() noexcept { return static_cast<message*>(list_.newest); }
  message* front() noexcept { return static_cast<message*>(list_.oldest()); }
  message* after(const message& order) const noexcept {
    return static_cast<message*>(list_.after(order));
  }
  const letter_list& letters() const noexcept { return list_; }
  void push(message_ptr order) noexcept { list_.push(*order.release()); }
  void push_front(message_ptr order) noexcept { list_.push_front(*order.release()); }
  message_ptr pop() noexcept { return message_ptr(static_cast<message*>(list_.pop())); }
  void clear() noexcept {
    while (pop()) {
    }
  }

private:
  letter_list list_;
};

} // namespace creche::internal
