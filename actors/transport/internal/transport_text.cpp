#include "actors/transport/internal/transport_text.hpp"

#include <algorithm>

namespace creche::internal {

std::string transport_text(std::string_view word, std::string_view name,
                           std::span<const named_time> known, const transport_timeouts& given) {
  constexpr transport_timeouts usual;
  if (!is_plain_argument(name)) return {};
  std::string text(word);
  (text += '(') += name;
  for (const auto& time : known) {
    const clock_duration value = given.*time.which;
    if (value < clock_duration::zero()) return {};
    if (value != clock_duration(usual.*time.which))
      (((text += ',') += time.word) += '=') += to_text(value);
  }
  return text += ')';
}

transport_timeouts parse_times(const text_arguments& args, std::span<const named_time> known,
                               std::string_view how) {
  expect_count(args, 1, 1 + known.size(), how);
  transport_timeouts times;
  std::vector<std::string_view> given;
  for (std::size_t i = 1; i < args.size(); ++i) {
    const named_argument said(args[i]);
    const auto time = std::find_if(known.begin(), known.end(),
                                   [&](const named_time& x) { return x.word == said.word; });
    if (time == known.end() || !said.has_value ||
        std::find(given.begin(), given.end(), said.word) != given.end())
      refuse_argument(i, how);
    given.push_back(said.word);
    times.*time->which = about_argument(i, [&] { return parse_duration(said.value); });
  }
  return times;
}

} // namespace creche::internal
