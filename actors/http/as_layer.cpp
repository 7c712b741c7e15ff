#include "actors/http/as_layer.hpp"

#include "actors/http/internal/http1_layer.hpp"

namespace creche::http1 {

namespace {

class http1_part final : public creche::detail::layer_part {
public:
  explicit http1_part(server value)
      : layer_part("http1", speech::octets, speech::nothing), config_(std::move(value)) {}
  void add_to(internal::stack_actor& stack) const override {
    auto* const* listeners = stack.find_fact<internal::request_counters*>();
    stack.add_layer<internal::http1_layer>("http1", nullptr, config_,
                                           listeners ? **listeners : counters_);
  }

private:
  const server config_;
  mutable internal::request_counters counters_; // of stacks without a listener
};

} // namespace

stack_of<octets, no_speech> as_layer(server value) {
  return stack_of<octets, no_speech>(
      any_stack(creche::detail::part::make<http1_part>(std::move(value))));
}

} // namespace creche::http1
