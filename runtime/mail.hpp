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

} // namespace creche

namespace creche::internal {

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

template <class M> struct mail_of final : mail {
  M value;

  template <class... A> explicit mail_of(A&&... a) : mail(tag), value(std::forward<A>(a)...) {}
  static void drop(mail& m, [[maybe_unused]] send_result why) noexcept {
    auto& self = static_cast<mail_of&>(m);
    if constexpr (refusable<M>) self.value.refused(why);
    delete &self;
  }
  static constexpr mail_type tag{&drop};
};

} // namespace creche::detail
