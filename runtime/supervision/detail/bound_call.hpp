// bound_call.hpp: a callable with its arguments, whose type is forgotten on the way to the actor
// that runs it.
#pragma once

#include "runtime/supervision/detail/dangling_argument.hpp"
#include "runtime/task/task.hpp"

#include <cstddef>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>

namespace creche::detail {

/// A callable of known size whose type was forgotten.
struct call_ops {
  std::size_t size;
  void (*move_to)(void* to, void* from);
  task<> (*invoke)(void* call);
  void (*destroy)(void* call) noexcept;
};

template <class F, class... A>
inline constexpr bool starts_a_task =
    std::is_invocable_r_v<task<>, F&, A&...> || std::is_invocable_r_v<task<>, F, A...>;

template <class F, class... A> class bound_call {
  static_assert(std::is_nothrow_destructible_v<F> && (std::is_nothrow_destructible_v<A> && ...),
                "a child's callable and arguments must not throw from their destructors");

public:
  template <class G, class... B>
  explicit bound_call(G&& callable, B&&... args)
      : f_(std::forward<G>(callable)), args_(std::forward<B>(args)...) {
    refuse_dangling<F, 0, A...>();
    refuse_null(f_);
  }

  static task<> invoke(void* call) {
    auto& self = *static_cast<bound_call*>(call);
    return std::apply(
        [&self](auto&... args) {
          if constexpr (std::is_invocable_v<F&, A&...>)
            return self.f_(args...);
          else
            return std::move(self.f_)(std::move(args)...);
        },
        self.args_);
  }

private:
  [[no_unique_address]] F f_;
  [[no_unique_address]] std::tuple<A...> args_;
};

template <class Bound>
inline constexpr call_ops call_ops_of{
    sizeof(Bound),
    [](void* to, void* from) { new (to) Bound(std::move(*static_cast<Bound*>(from))); },
    &Bound::invoke, [](void* call) noexcept { static_cast<Bound*>(call)->~Bound(); }};

} // namespace creche::detail
