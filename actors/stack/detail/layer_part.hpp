// layer_part.hpp: how one layer of a value is made. Included by stack.hpp.
#pragma once

#include "actors/stack/stack.hpp"

#include <tuple>
#include <typeinfo>

namespace creche {

namespace internal {
class stack_actor;
} // namespace internal

namespace detail {

template <class T> constexpr speech speech_of() {
  static_assert(std::is_same_v<T, no_speech> || std::is_same_v<T, octets> ||
                    std::is_same_v<T, frames>,
                "a layer speaks creche::octets, creche::frames or creche::no_speech");
  return std::is_same_v<T, no_speech> ? speech::nothing
         : std::is_same_v<T, octets>  ? speech::octets
                                      : speech::frames;
}

/// How one layer is made. Immutable.
class layer_part {
public:
  layer_part(std::string form, speech lower, speech upper)
      : text(std::move(form)), below(lower), above(upper) {}
  layer_part(const layer_part&) = delete;
  virtual ~layer_part() = default;
  /// On the loop of the stack, in its first turn.
  virtual void add_to(internal::stack_actor& stack) const = 0;
  /// What a sentence calls it: its text, or what else there is.
  virtual std::string called() const { return text.empty() ? "a layer without a text" : text; }

  const std::string text;
  const speech below, above;
};

/// A layer of a user's.
class user_part : public layer_part {
public:
  using layer_part::layer_part;
  void add_to(internal::stack_actor& stack) const final;
  /// Without a text its class: to ask it for its name one would have to be made.
  std::string called() const final;

private:
  virtual const std::type_info& type() const noexcept = 0;
  virtual creche::layer* make() const = 0; // the caller's
};

template <class L, class... Args> consteval bool is_a_layer() {
  static_assert(std::is_base_of_v<creche::layer, L>, "layered<L>: L derives from creche::layer");
  static_assert(!std::is_abstract_v<L>,
                "layered<L>: L overrides const char* name() const noexcept");
  static_assert(std::is_abstract_v<L> || std::is_constructible_v<L, const std::decay_t<Args>&...>,
                "layered<L>(..): L has no constructor that takes these arguments");
  return true;
}

template <class L, class... Args> class layered_part final : public user_part {
public:
  template <class... From>
  explicit layered_part(std::string form, From&&... args)
      : user_part(std::move(form), speech_of<typename L::speaks_below>(),
                  speech_of<typename L::speaks_above>()),
        args_(std::forward<From>(args)...) {}

private:
  creche::layer* make() const override {
    return std::apply([](const Args&... args) { return new L(args...); }, args_);
  }
  const std::type_info& type() const noexcept override { return typeid(L); }
  std::tuple<Args...> args_;
};

} // namespace detail

inline any_stack::any_stack(detail::part lowest) { parts_.push_back(std::move(lowest)); }
inline speech any_stack::below() const noexcept { return parts_.front()->below; }
inline speech any_stack::above() const noexcept { return parts_.back()->above; }

template <class L, class... Args> auto layered(Args&&... args) {
  static_assert(detail::is_a_layer<L, Args...>());
  using part = detail::layered_part<L, std::decay_t<Args>...>;
  using value = stack_of<typename L::speaks_below, typename L::speaks_above>;
  return value(any_stack(detail::part::make<part>(std::string(), std::forward<Args>(args)...)));
}
template <class L, class... Args> auto layered_as(std::string text, Args&&... args) {
  static_assert(detail::is_a_layer<L, Args...>());
  using part = detail::layered_part<L, std::decay_t<Args>...>;
  using value = stack_of<typename L::speaks_below, typename L::speaks_above>;
  return value(any_stack(detail::part::make<part>(std::move(text), std::forward<Args>(args)...)));
}

} // namespace creche
