// compiler.hpp: what g++ 12 cannot carry through a `co_await`, refused before it is compiled.
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
// Types only; no code.
#pragma once

#include <type_traits>

/// 1 for a g++ that miscompiles temporaries in `co_await` expressions, else 0.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
#define CRECHE_BROKEN_TEMPORARIES 1
#else
#define CRECHE_BROKEN_TEMPORARIES 0
#endif

namespace creche {

/// True if an argument deduced as `F&&` survives a `co_await` expression under this compiler:
/// it has a name (`F` is an lvalue reference), or a copy of its bits is as good as itself.
template <class F>
inline constexpr bool safe_in_co_await =
    !CRECHE_BROKEN_TEMPORARIES || std::is_lvalue_reference_v<F> ||
    (std::is_trivially_copyable_v<std::remove_cvref_t<F>> &&
     std::is_trivially_destructible_v<std::remove_cvref_t<F>>);

} // namespace creche

/// The first line of every function that takes a callable or options as `F&&` and returns
/// something to `co_await`. The sentence is part of the contract (tests/contract).
#define CRECHE_NAME_IT(F)                                                                          \
  static_assert(::creche::safe_in_co_await<F>,                                                     \
                "g++ 12 miscompiles an owning lambda inside a co_await expression: give the "      \
                "lambda a name first (auto f = [..]..; co_await x(f);)")
