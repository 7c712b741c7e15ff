// compiler.hpp: what a compiler must be told, and what g++ 12 cannot carry through a `co_await`;
// both refused before anything is compiled.
//
// g++ before 13 copies some temporaries of a `co_await` expression bit by bit into the coroutine's
// frame and destroys both copies: closures that own something (`[s = std::string("x")] { ... }`)
// and aggregates with a destructor (`options{.name = "x"}`). The program compiles without a word
// and frees memory twice, when the await completes as well as when it is cancelled.
// gcc.gnu.org/PR99576, PR100611 and PR107288, all repaired in g++ 13; clang never had them.
//
// A library cannot see the form of an argument, only its type. So whatever takes a callable or
// options for an await takes it as `F&&` and says `CRECHE_NAME_IT(F);` first, which under such a
// compiler refuses everything but named objects and plain ones. What creche passes by value has
// user-written constructors, which the compiler handles well. tests/contract holds the forms that
// work, the forms that are refused, and the forms that nobody but their author can avoid.
//
// g++ 12 also reuses stale registers in a coroutine's loop: its SLP vectorizer. No macro tells that
// it is off, so the flags of creche's package turn it off and say so.
//
// Types only; no code.
#pragma once

#if __cplusplus < 202002L
#error "creche needs C++20: build with -std=c++20"
#include "creche_needs_std_c++20.stop" // there is no such file: nothing is reported but this
#endif
#if !defined(__cpp_exceptions)
#error "creche needs exceptions: build without -fno-exceptions"
#include "creche_needs_exceptions.stop"
#endif
#if !defined(__cpp_rtti)
#error "creche needs run-time types: build without -fno-rtti"
#include "creche_needs_rtti.stop"
#endif
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13 && defined(__OPTIMIZE__) &&          \
    !defined(CRECHE_WITHOUT_SLP_VECTORIZER)
#error "g++ 12 miscompiles coroutines: -fno-tree-slp-vectorize -DCRECHE_WITHOUT_SLP_VECTORIZER"
#include "creche_needs_the_flags_of_its_package.stop"
#endif

#include <type_traits>

/// 1 for a g++ that miscompiles temporaries in `co_await` expressions, else 0.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#define CRECHE_BROKEN_TEMPORARIES 1
#else
#define CRECHE_BROKEN_TEMPORARIES 0
#endif

namespace creche {

template <class T> class task;

namespace detail {
template <class> inline constexpr bool is_task = false;
template <class T> inline constexpr bool is_task<task<T>> = true;
template <class F> inline constexpr bool names_a_task = is_task<std::remove_cvref_t<F>>;
} // namespace detail

/// True if an argument deduced as `F&&` survives a `co_await` expression under this compiler:
/// it has a name (`F` is an lvalue reference), or a copy of its bits is as good as itself.
template <class F>
inline constexpr bool safe_in_co_await =
    !CRECHE_BROKEN_TEMPORARIES || std::is_lvalue_reference_v<F> ||
    (std::is_trivially_copyable_v<std::remove_cvref_t<F>> &&
     std::is_trivially_destructible_v<std::remove_cvref_t<F>>);

/// True if a value of type `T` may be a temporary of a `co_await` expression.
template <class T>
inline constexpr bool safe_to_send =
    !CRECHE_BROKEN_TEMPORARIES || !std::is_aggregate_v<T> || std::is_trivially_destructible_v<T>;

} // namespace creche

/// What a function says that takes such a value.
#define CRECHE_SEND_FROM                                                                           \
  "g++ 12 miscompiles a temporary of this type inside a co_await expression: give the type a "     \
  "constructor, or the value a name (co_await ch.send_from(v);)"

/// The first line of every function that takes a callable or options as `F&&` and returns
/// something to `co_await`. The sentences are part of the contract (tests/contract).
#define CRECHE_NAME_IT(F)                                                                          \
  static_assert(!::creche::detail::names_a_task<F>,                                                \
                "this takes a function that returns a task, not a task: [&] { return work(); }");  \
  static_assert(::creche::safe_in_co_await<F>,                                                     \
                "g++ 12 miscompiles an owning lambda inside a co_await expression: give the "      \
                "lambda a name first (auto f = [..]..; co_await x(f);)")
