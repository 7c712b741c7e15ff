// nursery.hpp, continued: its templates.
#pragma once

#include "runtime/memory/function.hpp"
#include "runtime/supervision/detail/bound_call.hpp"
#include "runtime/supervision/detail/nursery_scope.hpp"
#include "runtime/supervision/detail/start_ready.hpp"
#include "runtime/supervision/nursery.hpp"

namespace creche {

template <class F, class... A>
  requires(!std::is_same_v<std::decay_t<F>, child_spec>)
child nursery::start(F&& body, A&&... args) {
  static_assert((std::is_constructible_v<std::decay_t<A>, A> && ...),
                "a child owns its arguments: move what cannot be copied, n.start(f, std::move(x))");
  static_assert(detail::starts_a_task<std::decay_t<F>, std::decay_t<A>...>,
                "a child is a function that returns a task<>, called with these arguments");
  using bound = detail::bound_call<std::decay_t<F>, std::decay_t<A>...>;
  static_assert(alignof(bound) <= alignof(std::max_align_t));
  bound call(std::forward<F>(body), std::forward<A>(args)...);
  return start_call(detail::call_ops_of<bound>, &call);
}

template <class... Specs>
  requires(std::is_same_v<Specs, child_spec> && ...)
std::array<child, sizeof...(Specs)> nursery::start_all(Specs... specs) {
  child_spec all[] = {std::move(specs)...};
  std::array<child, sizeof...(Specs)> started;
  start_all(std::span(all), std::span(started));
  return started;
}

template <class R> detail::start_ready_op<R> nursery::start_ready(child_spec& spec) {
  return detail::start_ready_op<R>(actor_, spec);
}

template <class T> T& nursery::keep(T value) {
  static_assert(std::is_nothrow_destructible_v<T>,
                "what a nursery keeps must not throw from its destructor");
  auto* kept = new T(std::move(value));
  keep_box(kept, [](void* box) { delete static_cast<T*>(box); });
  return *kept;
}

template <class F, class... A>
  requires(!std::is_same_v<std::decay_t<F>, child_spec>)
child nursery::handle::start(F&& body, A&&... args) const {
  return start(child_spec("", std::decay_t<F>(std::forward<F>(body)),
                          std::decay_t<A>(std::forward<A>(args))...));
}

template <class F>
detail::nursery_op<F> with_nursery(nursery_options options, F&& body, std::source_location where) {
  CRECHE_NAME_IT(F);
  return detail::nursery_op<F>(options, std::forward<F>(body), where);
}

template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, nursery_options>)
detail::nursery_op<F> with_nursery(F&& body, std::source_location where) {
  CRECHE_NAME_IT(F);
  return detail::nursery_op<F>(nursery_options{}, std::forward<F>(body), where);
}

} // namespace creche

/// A function that awaits returns a task.
template <class... A> struct std::coroutine_traits<void, creche::nursery&, A...> {
  static_assert(creche::detail::never<A...>, "a function that awaits returns creche::task<>");
  using promise_type = typename std::coroutine_traits<creche::task<>>::promise_type;
};
