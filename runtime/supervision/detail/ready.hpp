// ready.hpp, continued: how a ready<R> reaches the task that waits for it.
#pragma once

#include "runtime/supervision/ready.hpp"
#include "runtime/task/detail/type_name.hpp"

#include <optional>
#include <type_traits>

namespace creche {

namespace detail {

// Shared by the child's ready<R> objects, its record, and the await in start_ready; filled once.
bool ready_counts(ready_slot* slot) noexcept; // false when it was used already
/// The empty optional<T> for an answer of that type; null when nobody waits for the value.
/// Throws std::logic_error if the starter waits for another type.
void* ready_storage(ready_slot* slot, const type_name& answer);
/// The value, if one is waited for, is there: from now on the slot is used.
void ready_done(ready_slot* slot) noexcept;
void ready_hold(ready_slot* slot) noexcept;
void ready_drop(ready_slot* slot) noexcept;

/// The child is ready, and says this, once. If R throws meanwhile, it has not said it yet.
template <class R> void answer_ready(ready_slot* slot, R value) {
  if (!ready_counts(slot)) return;
  if (void* storage = ready_storage(slot, type_of<R>))
    static_cast<std::optional<R>*>(storage)->emplace(std::move(value));
  ready_done(slot);
}

/// Becomes the ready<R> that a child's first parameter asks for.
class ready_maker {
public:
  explicit ready_maker(ready_slot* slot) noexcept : slot_(slot) {}
  /// Throws std::logic_error if the starter waits for another type.
  template <class R> operator ready<R>() const {
    if (slot_) ready_storage(slot_, type_of<R>);
    return ready<R>(slot_);
  }

private:
  ready_slot* slot_;
};

} // namespace detail

template <class R> ready<R>::ready(detail::ready_slot* slot) noexcept : slot_(slot) {
  static_assert(std::is_void_v<R> || std::is_nothrow_destructible_v<R>,
                "what a child says must not throw from its destructor");
  detail::ready_hold(slot_);
}
template <class R> ready<R>::ready(const ready& other) noexcept : ready(other.slot_) {}
template <class R> ready<R>::~ready() { detail::ready_drop(slot_); }

template <class R> void ready<R>::operator()(R value) const {
  detail::answer_ready(slot_, std::move(value));
}

namespace detail {

/// What a child's callable says with its ready<R>, if its first parameter tells; else null.
template <class T> inline constexpr const type_name* answer_of_parameter = nullptr;
template <class R> inline constexpr const type_name* answer_of_parameter<ready<R>> = &type_of<R>;

template <class F> struct answer_of_signature {
  static constexpr const type_name* type = nullptr;
};
template <class T, class P, class... A> struct answer_of_signature<T(P, A...)> {
  static constexpr const type_name* type = answer_of_parameter<std::remove_cvref_t<P>>;
};
template <class T, class... A>
struct answer_of_signature<T (*)(A...)> : answer_of_signature<T(A...)> {};
template <class T, class C, class... A>
struct answer_of_signature<T (C::*)(A...)> : answer_of_signature<T(A...)> {};
template <class T, class C, class... A>
struct answer_of_signature<T (C::*)(A...) const> : answer_of_signature<T(A...)> {};

template <class F> consteval const type_name* answer_of() {
  if constexpr (requires { &F::operator(); })
    return answer_of_signature<decltype(&F::operator())>::type;
  else
    return answer_of_signature<F>::type;
}

} // namespace detail

} // namespace creche
