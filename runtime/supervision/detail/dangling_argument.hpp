// dangling_argument.hpp: finds a reference that would outlive what it refers to, when it compiles;
// and a function that is none, when it is given.
//
// A child keeps copies of its arguments, but a function that takes `const std::string&` and is
// started with "text" gets a string that is made for the call and dies with it, before the
// coroutine's first turn.
#pragma once

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace creche::detail {

/// The parameters of a callable, as a tuple; empty for what has none or several sets of them: an
/// overload set, a template.
template <class F, class = void> struct parameters {
  using type = std::tuple<>;
};
template <class R, class... P> struct parameters<R (*)(P...)> {
  using type = std::tuple<P...>;
};
template <class R, class... P> struct parameters<R (*)(P...) noexcept> {
  using type = std::tuple<P...>;
};
template <class F> struct parameters_of_member;
template <class C, class R, class... P> struct parameters_of_member<R (C::*)(P...)> {
  using type = std::tuple<P...>;
};
template <class C, class R, class... P> struct parameters_of_member<R (C::*)(P...) const> {
  using type = std::tuple<P...>;
};
template <class C, class R, class... P> struct parameters_of_member<R (C::*)(P...) noexcept> {
  using type = std::tuple<P...>;
};
template <class C, class R, class... P> struct parameters_of_member<R (C::*)(P...) const noexcept> {
  using type = std::tuple<P...>;
};
template <class F>
struct parameters<F, std::void_t<typename parameters_of_member<decltype(&F::operator())>::type>>
    : parameters_of_member<decltype(&F::operator())> {};

/// As std::reference_wrapper has it.
template <class Argument, class Target>
concept converts_to_reference = requires(Argument& argument) { argument.operator Target&(); };

/// A `Parameter` that is a reference refers to a temporary when it is given a kept `Argument`:
/// neither to that nor to what that refers to.
template <class Parameter, class Argument>
inline constexpr bool refers_to_a_temporary =
    std::is_reference_v<Parameter> &&
    !std::is_convertible_v<Argument*, std::remove_reference_t<Parameter>*> &&
    !std::is_convertible_v<Argument&, std::remove_cvref_t<Parameter>&> &&
    !converts_to_reference<Argument, std::remove_reference_t<Parameter>>;

/// Of kept arguments, the first of which is the function's parameter number `Offset`.
template <class F, std::size_t Offset, class... A> constexpr bool dangles() {
  using all = typename parameters<F>::type;
  constexpr auto one = []<std::size_t At, class Argument>() {
    if constexpr (At < std::tuple_size_v<all>)
      return refers_to_a_temporary<std::tuple_element_t<At, all>, Argument>;
    else
      return false;
  };
  return [one]<std::size_t... I>(std::index_sequence<I...>) {
    return (one.template operator()<I + Offset, A>() || ...);
  }(std::index_sequence_for<A...>{});
}

template <class F, std::size_t Offset, class... A> constexpr void refuse_dangling() {
  static_assert(!dangles<F, Offset, A...>(),
                "the child's function takes a reference, and this argument is converted to what it "
                "refers to: that dies before the child's first turn. Take the parameter by value, "
                "or give an argument of its type");
}

[[noreturn]] void fail_null_function();

/// Throws std::invalid_argument if a child's function is a null pointer.
template <class F> void refuse_null(const F& function) {
  if constexpr (std::is_pointer_v<F> || std::is_member_pointer_v<F>) {
    if (!function) fail_null_function();
  }
}

} // namespace creche::detail
