// layer_appetite.cpp: how much a layer takes, and keeps, when one side never stops.
#include "actors/testing/internal/layer_checker.hpp"

#include <algorithm>

namespace creche::testing::detail {

namespace {

/// More than what two links keep, from the application to a peer that takes nothing.
constexpr std::size_t most_kept = 160 * 1024;
/// What may be sent up "by a little" while there is no room: up to twice the high mark, as below,
/// and the last message.
constexpr std::size_t most_above = 2 * 64 * 1024;

} // namespace

std::string layer_checker::too_much(const trace& got) const {
  if (!(serves_ ? got.stalled : got.held)) return {};
  if (got.given > options_.most_taken)
    return std::to_string(got.given) + " bytes were taken while nobody " +
           (serves_ ? "took the answers" : "above took any") + ", more than " +
           std::to_string(options_.most_taken);
  std::size_t largest = 0;
  for (auto& message : above_.received) largest = std::max(largest, message.size());
  if (got.above > most_above + largest)
    return std::to_string(got.above) + " bytes were sent up while there was no room, more than " +
           std::to_string(most_above + largest);
  return {};
}

// Nobody takes anything, above or, of a layer that answers, below: then not everything may be taken
// from the peer; and all of it comes out in the end.
void layer_checker::appetite(bool lockstep) {
  if (!options_.repeats || below_.messages.empty()) return;
  std::string block;
  std::size_t times = 0;
  for (; block.size() < 16 * 1024; ++times) block += below_.messages;
  const auto blocks = 2 * options_.most_taken / block.size() + 2;
  times *= blocks;
  auto s = begun(lockstep);
  s.steps.push_back(serves_ ? step{act::take} : step{act::hold});
  for (std::size_t i = 0; i < blocks; ++i) s.steps.push_back({act::feed, block});
  const auto add = [&](const std::string& why) {
    report_.failures.push_back("a peer that never stops: " + why + "\n  script: " + to_text(s));
  };
  s.looks = true;
  const auto held = played(s);
  s.looks = false;
  if (!held.wrong.empty()) return add(held.wrong);
  if (const auto why = too_much(held); !why.empty()) return add(why);
  s.steps.push_back(serves_ ? step{act::take, {}, memory_wire::no_end} : step{act::release});
  const auto t = played(s);
  if (!t.wrong.empty()) return add(t.wrong);
  std::size_t octets = 0;
  for (auto& x : above_.received) octets += x.size();
  const auto wants = [&](std::size_t got, std::size_t once, const char* what) {
    if (got != once * times)
      add(std::to_string(got) + what + " instead of " + std::to_string(once * times));
  };
  if (serves_)
    wants(t.down.size(), answers_, " bytes of answers came");
  else if (frames_)
    wants(t.up.size(), received_, " frames came out");
  else
    wants(t.octets().size(), octets, " bytes came out");
}

// The application has more to say than anybody keeps, and says it while there is room: to a peer
// that takes nothing, and then all; and to one that takes it at once.
void layer_checker::eloquence(bool lockstep) {
  if (above_.sent.empty() || above_.writes.empty() || !options_.repeats) return;
  auto said = above_.writes;
  std::size_t times = most_kept / above_.sent.size() + 1, at_once = 1;
  auto s = begun(lockstep);
  if (!frames_) { // of octets it may say more at once, unless the layer makes messages of them
    std::string block;
    for (at_once = 0; block.size() < 1024; ++at_once)
      for (auto& b : above_.writes) block += b;
    s.steps.push_back({act::write, block});
    if (played(s).down.size() == above_.sent.size() * at_once)
      said = {block};
    else
      at_once = 1;
    s.steps.pop_back();
    times += at_once - times % at_once;
  }
  s.steps.insert(s.steps.end(), {{act::feed, below_.messages}, {act::take}});
  for (auto& b : said) s.steps.push_back({act::pour, b, times / at_once});
  s.steps.push_back({act::take, {}, memory_wire::no_end});
  const auto add = [&](const std::string& why) {
    report_.failures.push_back("an application that never stops: " + why +
                               "\n  script: " + to_text(s));
  };
  const auto t = played(s);
  if (!t.wrong.empty()) return add(t.wrong);
  const auto want = answers_ + above_.sent.size() * (times - 1);
  if (t.down.size() != want)
    return add("the peer got " + std::to_string(t.down.size()) + " bytes instead of " +
               std::to_string(want));
  std::erase_if(s.steps, [](auto& x) { return x.what == act::take; });
  const auto taken = played(s);
  if (!taken.wrong.empty()) return add(taken.wrong);
  if (taken.down != t.down) add("the peer gets other bytes when it takes them at once");
}

} // namespace creche::testing::detail
