// mail.hpp: a message on its way to a task: a typed letter from the pool, and what sending it says.
//
// A message is copied or moved into its letter once, and moved out once; it is never shared. Its
// type is known by an address: no RTTI, no registration, no CAF.
#pragma once

#include "runtime/pool.hpp"

#include <cstdint>
#include <type_traits>
#include <utility>

namespace creche {

/// What became of a message at once. Each is counted, whether the sender looks or not.
enum class send_result : std::uint8_t {
  queued,      ///< It is in the receiver's mailbox, or on its way there.
  shed,        ///< The receiver's mailbox is full: dropped.
  undelivered, ///< The receiver has ended, or waits for its restart: dropped.
};

/// A message that came back: its receiver's spec says restart_mail::return_to_sender.
template <class M> struct returned {
  M message;
  send_result why;

  returned(M m, send_result w) : message(std::move(m)), why(w) {}
};

} // namespace creche

namespace creche::internal {

struct child_record;
struct letter_kind;

/// What a mailbox holds: linked, not stored. See internal/letter.hpp.
struct letter {
  letter* next = nullptr;
  const letter_kind* kind = nullptr;

  letter() = default;
  explicit letter(const letter_kind& k) noexcept : kind(&k) {}
};

} // namespace creche::internal

namespace creche::detail {

struct mail;

/// One for each type of message; its address is the type's name.
struct mail_type {
  /// Nobody will receive it. On any thread.
  void (*drop)(mail&, send_result why) noexcept;
};

struct mail : internal::letter, pooled {
  const mail_type* type;

  mail(const mail&) = delete;

protected:
  explicit mail(const mail_type& t) noexcept : type(&t) {}
  ~mail() = default;
};

/// A message that wants to know that nobody will receive it.
template <class M>
concept refusable = requires(M& m, send_result r) { m.refused(r); };

template <class M> inline constexpr bool is_returned = false;
template <class M> inline constexpr bool is_returned<returned<M>> = true;

/// A task that gets back what it sent. Counted; any thread.
class mail_sender {
public:
  mail_sender() noexcept; // the task whose turn it is, if any
  mail_sender(const mail_sender&) = delete;
  ~mail_sender();
  void send(mail& m) noexcept; // takes it over

private:
  internal::child_record* task_;
};

template <class M> struct mail_with_sender;

template <class M> struct mail_of : mail {
  M value;
  bool has_sender = false;

  template <class... A> explicit mail_of(A&&... a) : mail(tag), value(std::forward<A>(a)...) {}
  static void drop(mail& m, [[maybe_unused]] send_result why) noexcept {
    auto& self = static_cast<mail_of&>(m);
    if constexpr (refusable<M>) self.value.refused(why);
    if constexpr (!is_returned<M> && std::is_move_constructible_v<M>) {
      if (self.has_sender) static_cast<mail_with_sender<M>&>(self).give_back(why);
    }
    destroy(self);
  }
  static void destroy(mail_of& m) noexcept {
    if constexpr (!is_returned<M>) {
      if (m.has_sender) return delete static_cast<mail_with_sender<M>*>(&m);
    }
    delete &m;
  }
  static constexpr mail_type tag{&drop};
};

template <class M> struct mail_with_sender final : mail_of<M> {
  mail_sender sender;

  template <class A> explicit mail_with_sender(A&& a) : mail_of<M>(std::forward<A>(a)) {
    this->has_sender = true;
  }
  void give_back(send_result why) noexcept {
    try {
      sender.send(*new mail_of<returned<M>>(std::move(this->value), why));
    } catch (...) { // no memory, or M's own reasons: it is counted where it was dropped
    }
  }
};

} // namespace creche::detail
