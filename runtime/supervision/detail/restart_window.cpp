#include "runtime/supervision/detail/restart_window.hpp"

#include <algorithm>

namespace creche {

bool restart_window::admit(time_point launch_time, time_point now) {
  const auto is_past = [&](time_point launch) { return later(launch, budget_.within) < now; };
  const auto keep = std::find_if_not(launches_.begin(), launches_.end(), is_past);
  launches_.erase(launches_.begin(), keep);

  // With the new one in its place: do any restarts + 1 neighbours, it among them, lie too close?
  const auto place = std::upper_bound(launches_.begin(), launches_.end(), launch_time);
  const auto before = static_cast<std::size_t>(place - launches_.begin());
  const auto at = [&](std::size_t i) {
    return i < before ? launches_[i] : i == before ? launch_time : launches_[i - 1];
  };
  const std::size_t most = budget_.restarts;
  for (auto i = before > most ? before - most : 0; i <= before; ++i) {
    if (i + most > launches_.size()) break;
    if (at(i + most) <= later(at(i), budget_.within)) return false;
  }
  launches_.insert(place, launch_time);
  return true;
}

} // namespace creche
