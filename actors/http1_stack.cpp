#include "actors/http1_stack.hpp"

#include "actors/internal/http1_layer.hpp"

namespace creche::http1 {

namespace {

class http1_part final : public creche::detail::layer_part {
public:
  explicit http1_part(server s)
      : layer_part("http1", speech::octets, speech::nothing), config_(std::move(s)) {}
  void add_to(internal::stack_actor& s) const override {
    auto* counters = s.counters();
    s.add_layer<internal::http1_layer>("http1", nullptr, config_, counters ? *counters : counters_);
  }

private:
  const server config_;
  mutable internal::connection_counters counters_; // of stacks without a listener
};

} // namespace

stack_of<octets, no_speech> as_layer(server s) {
  return stack_of<octets, no_speech>(
      any_stack(creche::detail::part::make<http1_part>(std::move(s))));
}

} // namespace creche::http1
