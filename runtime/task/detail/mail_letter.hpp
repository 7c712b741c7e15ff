// mail_letter.hpp: a message on its way to a task: a typed letter from the pool.
//
// A message is copied or moved into its letter once, and moved out once; it is never shared. The
// address of its mail_type says what type it has: no RTTI, no registration, no CAF.
#pragma once

#include "runtime/loop/detail/letter.hpp"
#include "runtime/memory/pool.hpp"
#include "runtime/task/detail/type_name.hpp"
#include "runtime/task/mail.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

namespace creche::internal {

struct child_record;

} // namespace creche::internal

namespace creche::detail {

struct mail;

/// One for each type of message; its address is the type's name.
struct mail_type {
  std::string_view name;
  /// Nobody will receive it. On any thread.
  void (*drop)(mail& dropped, send_result why) noexcept;
  /// It was never sent.
  void (*destroy)(mail& unsent) noexcept;
};

struct mail : internal::letter, pooled {
  const mail_type* type;
  std::uint32_t weight = 0; // what it counts for in a mailbox, in units of 16 bytes

  mail(const mail&) = delete;

protected:
  explicit mail(const mail_type& its_type) noexcept : type(&its_type) {}
  ~mail() = default;
};

/// What a message weighs, in bytes: what its own `weight()` or a `weight(message)` beside its type
/// says; a string or a vector counts its elements; else its size.
template <class M> std::size_t weight_of(const M& message) {
  if constexpr (requires { std::size_t(message.weight()); })
    return std::size_t(message.weight());
  else if constexpr (requires { std::size_t(weight(message)); })
    return std::size_t(weight(message));
  else if constexpr (requires { sizeof(*message.data()) * message.size(); })
    return sizeof(M) + sizeof(*message.data()) * message.size();
  else
    return sizeof(M);
}
inline constexpr std::size_t most_weight = std::size_t(1) << 30; // of one message
constexpr std::uint32_t weight_units(std::size_t bytes) noexcept {
  return std::uint32_t(((bytes < most_weight ? bytes : most_weight) + 15) / 16);
}

/// A message that wants to know that nobody will receive it: `void refused(send_result) noexcept`.
template <class M>
concept refusable = requires(M& message, send_result why) { message.refused(why); };

template <class M> inline constexpr bool is_returned = false;
template <class M> inline constexpr bool is_returned<returned<M>> = true;

/// A task that gets back what it sent. Counted; any thread.
class mail_sender {
public:
  mail_sender() noexcept; // the task whose turn it is, if any
  mail_sender(const mail_sender&) = delete;
  ~mail_sender();
  void send(mail& returned) noexcept; // takes it over

private:
  internal::child_record* task_;
};

template <class M> struct mail_with_sender;

template <class M> struct mail_of : mail {
  static_assert(std::is_nothrow_destructible_v<M>, "a message must not throw from its destructor");
  M value;
  bool has_sender = false;

  template <class... A>
  explicit mail_of(A&&... arguments) : mail(tag), value(std::forward<A>(arguments)...) {
    weight = weight_units(weight_of(value));
  }
  static void drop(mail& dropped, [[maybe_unused]] send_result why) noexcept {
    auto& self = static_cast<mail_of&>(dropped);
    if constexpr (refusable<M>) {
      static_assert(noexcept(self.value.refused(why)),
                    "a message's refused() must be noexcept: nobody is there to take what it "
                    "throws");
      self.value.refused(why);
    }
    if constexpr (!is_returned<M> && std::is_move_constructible_v<M>) {
      if (self.has_sender) static_cast<mail_with_sender<M>&>(self).give_back(why);
    }
    destroy(self);
  }
  static void destroy(mail_of& letter) noexcept {
    if constexpr (!is_returned<M>) {
      if (letter.has_sender) return delete static_cast<mail_with_sender<M>*>(&letter);
    }
    delete &letter;
  }
  static void destroy_unsent(mail& unsent) noexcept { destroy(static_cast<mail_of&>(unsent)); }
  static constexpr mail_type tag{name_of_type<M>(), &drop, &destroy_unsent};
};

template <class M> struct mail_with_sender final : mail_of<M> {
  mail_sender sender;

  template <class A> explicit mail_with_sender(A&& message) : mail_of<M>(std::forward<A>(message)) {
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

template <class M> std::size_t creche::returned<M>::weight() const {
  return detail::weight_of(message);
}
