// caf_plan.hpp: how a child_spec makes one caf::actor after another.
#pragma once

#include "runtime/interop/detail/at_home.hpp"
#include "runtime/supervision/child_spec.hpp"

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include <optional>
#include <tuple>

namespace creche {

namespace detail {

/// Makes one caf::actor an incarnation. caf_child, in caf.cpp, looks after it.
class caf_plan : public plan {
public:
  task<> body(ready_slot*) final;
  internal::child_actor* make(internal::child_record& record) final;
  virtual caf::actor spawn(caf::actor_config& config, caf_link link) = 0;
};

template <class T, class... A> class caf_plan_of final : public caf_plan {
public:
  template <class... B>
  explicit caf_plan_of(B&&... args) : args_(std::in_place, std::forward<B>(args)...) {}
  caf::actor spawn(caf::actor_config& config, caf_link link) override {
    return std::apply(
        [&](const auto&... args) {
          return config.host->system().template spawn_class<at_home<T>, caf::no_spawn_options>(
              config, link, args...);
        },
        *args_);
  }
  void let_go() noexcept override { args_.reset(); }

private:
  std::optional<std::tuple<A...>> args_;
};

/// Of a function, as caf::actor_system::spawn takes them; each incarnation has its own copies.
template <class F, class... A> class caf_function_plan final : public caf_plan {
public:
  using actor_class = caf::infer_impl_from_fun_t<F>;
  static_assert(std::is_base_of_v<caf::event_based_actor, actor_class>,
                "a CAF child is an event-based actor without static types: its function returns "
                "caf::behavior or void, and takes caf::event_based_actor*, "
                "caf::stateful_actor<S>* or neither");
  template <class... B>
  explicit caf_function_plan(F callable, B&&... args)
      : call_(std::in_place, std::move(callable), std::tuple<A...>(std::forward<B>(args)...)) {}
  caf::actor spawn(caf::actor_config& config, caf_link link) override {
    caf::detail::init_fun_factory<actor_class, F> make;
    config.init_fun =
        std::apply([&](const auto&... args) { return make(call_->first, args...); }, call_->second);
    return config.host->system().template spawn_class<at_home<actor_class>, caf::no_spawn_options>(
        config, link);
  }
  void let_go() noexcept override { call_.reset(); }

private:
  std::optional<std::pair<F, std::tuple<A...>>> call_;
};

} // namespace detail

} // namespace creche
