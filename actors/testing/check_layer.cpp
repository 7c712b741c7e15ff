#include "actors/testing/check_layer.hpp"

#include "actors/testing/internal/layer_checker.hpp"

namespace creche::testing {

std::string check_report::text() const {
  auto all = "check_layer(" + layer + "), " + std::to_string(scripts) + " scripts, seed " +
             std::to_string(seed);
  for (auto& failure : failures) all += "\n" + failure;
  if (!passed())
    all += "\nrepeat it with CRECHE_SEED=" + std::to_string(seed) +
           "; one of them alone with check_options{.script = R\"(memory; connect; ..)\"}";
  return all;
}

check_report detail::check(const any_stack& layer, const below_script& below,
                           const above_script& above, const check_options& options) {
  layer_checker checker(layer, below, above, options);
  return options.script.empty() ? checker.run() : checker.run_alone(options.script);
}

} // namespace creche::testing
