#include "runtime/supervision/internal/start_order.hpp"

#include <functional>
#include <queue>

namespace creche {

start_order start_order_of(std::span<const std::vector<std::size_t>> needs) {
  const auto n = needs.size();
  std::vector<std::size_t> missing(n);
  std::vector<std::vector<std::size_t>> needed_by(n);
  std::priority_queue<std::size_t, std::vector<std::size_t>, std::greater<>> free;
  for (std::size_t i = 0; i < n; ++i) {
    missing[i] = needs[i].size();
    for (auto of : needs[i]) needed_by[of].push_back(i);
    if (missing[i] == 0) free.push(i);
  }
  start_order found;
  while (!free.empty()) {
    const auto i = free.top();
    free.pop();
    found.order.push_back(i);
    for (auto by : needed_by[i])
      if (--missing[by] == 0) free.push(by);
  }
  if (found.order.size() == n) return found;

  // Each child that is left needs another that is left: going from one to the next comes back.
  found.order.clear();
  std::vector<bool> seen(n);
  std::size_t at = 0;
  while (missing[at] == 0) ++at;
  const auto next = [&](std::size_t i) {
    for (auto of : needs[i])
      if (missing[of] != 0) return of;
    return i; // not reached
  };
  while (!seen[at]) {
    seen[at] = true;
    at = next(at);
  }
  const auto first = at;
  do {
    found.cycle.push_back(at);
    at = next(at);
  } while (at != first);
  return found;
}

} // namespace creche
