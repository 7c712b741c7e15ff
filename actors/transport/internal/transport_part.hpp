// transport_part.hpp: makes a value for tcp(..) / .. of a transport's layer.
#pragma once

#include "actors/stack/internal/stack_actor.hpp"
#include "actors/transport/internal/stream_layer.hpp"

#include <tuple>

namespace creche::internal {

/// The layer is made with references to these arguments, which outlive it.
template <class Layer, class... Args> class transport_part final : public detail::layer_part {
public:
  template <class... From>
  transport_part(const char* word, std::string form, const transport_limits& limits, From&&... args)
      : layer_part(std::move(form), speech::nothing, speech::octets), word_(word), limits_(limits),
        args_(std::forward<From>(args)...) {}
  void add_to(stack_actor& stack) const override {
    std::apply(
        [&](const Args&... args) { stack.add_layer<Layer>(word_, nullptr, args..., limits_); },
        args_);
  }

private:
  const char* word_;
  transport_limits limits_;
  std::tuple<Args...> args_;
};

/// `word`: what the tree calls it, static text. `text`: its text form, or "".
template <class Layer, class... Args>
stack_of<no_speech, octets> transport_value(const char* word, std::string text,
                                            const transport_limits& limits, Args&&... args) {
  using part = transport_part<Layer, std::decay_t<Args>...>;
  return stack_of<no_speech, octets>(any_stack(
      detail::part::make<part>(word, std::move(text), limits, std::forward<Args>(args)...)));
}

} // namespace creche::internal
