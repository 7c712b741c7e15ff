#include "actors/testing/internal/layer_checker.hpp"

#include "runtime/testing/run_test.hpp"

#include <algorithm>
#include <random>

namespace creche::testing::detail {

namespace {

/// "lines(lf)/shout": a layer without a text by the name of its class.
std::string called(const any_stack& layers) {
  std::string name;
  for (auto& part : layers.parts()) name += (name.empty() ? "" : "/") + part->called();
  return name;
}

} // namespace

layer_checker::layer_checker(const any_stack& layer, const below_script& below,
                             const above_script& above, const check_options& options)
    : judge_(layer, options.seed ? options.seed : draw_seed(), options.patience), below_(below),
      above_(above), options_(options), frames_(layer.above() == speech::frames),
      serves_(layer.above() == speech::nothing) {
  report_.layer = called(layer);
  report_.seed = judge_.seed();
}

check_report layer_checker::run() {
  expectations();
  report_.scripts = judge_.scripts();
  if (!report_.failures.empty()) return report_;
  for (const bool lockstep : {false, true}) {
    splits(lockstep);
    pauses(lockstep);
    ends(lockstep);
    writes(lockstep);
    half_closed(lockstep);
    garbage(lockstep);
    slow_peer(lockstep);
    interrupted(lockstep);
    restarts(lockstep);
    appetite(lockstep);
    eloquence(lockstep);
  }
  last_words();
  report_.scripts = judge_.scripts();
  return report_;
}

check_report layer_checker::run_alone(std::string_view text) {
  auto alone = parse_script(text);
  alone.looks = true;
  const auto got = played(alone);
  alone.looks = false;
  auto why = judge_.verdict(alone);
  if (why.empty()) why = too_much(got);
  if (!why.empty()) report_.failures.push_back(why + "\n  script: " + to_text(alone));
  report_.scripts = judge_.scripts();
  return report_;
}

void layer_checker::check(const char* what, script scene) {
  if (found_ >= 5) return; // enough to begin with
  const auto first = judge_.verdict(scene);
  if (first.empty()) return;
  ++found_;
  auto small = judge_.smaller(scene);
  auto why = judge_.verdict(small);
  if (why.empty()) { // what it does depends on what was done before
    small = std::move(scene);
    why = first + "; but not when it is played again: is anything kept beside the layer?";
  }
  const auto script = why + "\n  script: " + to_text(small);
  const auto told = [&](const std::string& text) { return text.ends_with(": " + script); };
  if (std::none_of(report_.failures.begin(), report_.failures.end(), told))
    report_.failures.push_back(what + (": " + script));
}

// What the author says has to come out, at all.
void layer_checker::expectations() {
  auto s = begun(false);
  s.steps.push_back({act::feed, below_.messages});
  const auto add = [&](const std::string& why) {
    report_.failures.push_back(why + "\n  script: " + to_text(s));
  };
  const auto only_fed = played(s);
  received_ = only_fed.up.size();
  add_writes(s);
  const auto t = played(s);
  if (!t.wrong.empty()) return add(t.wrong);
  if (const auto why = unmet(t); !why.empty()) return add(why);
  answers_ = t.down.size();
}

// The end behind whole messages is a good one, and in the middle of one it is not.
void layer_checker::last_words() {
  if (!report_.failures.empty()) return;
  script s;
  const auto add = [&](const std::string& why) {
    report_.failures.push_back(why + "\n  script: " + to_text(s));
  };
  const auto told = [&](const trace& got) { return serves_ ? got.over : got.eof; };
  s.steps = {{act::connect}, {act::feed, below_.messages}, {act::eof}};
  const auto whole = played(s);
  if (!whole.wrong.empty()) return add(whole.wrong);
  if (whole.refused() || !told(whole))
    return add("the end behind whole messages: " + to_text(whole));
  if (below_.left_over.empty()) return;
  s.steps[1].bytes += below_.left_over;
  const auto half = played(s);
  if (!half.wrong.empty()) return add(half.wrong);
  if (!half.refused())
    add("the end in the middle of a message is told as a good one: " + to_text(half));
}

// Of the whole run, what its author did not expect.
std::string layer_checker::unmet(const trace& t) const {
  if (!serves_ && !t.established) return "established is never told";
  std::string all;
  for (auto& x : above_.received) all += x;
  if (frames_ ? t.up != above_.received : t.octets() != all)
    return "what came out is " + to_text(t) + " instead of " +
           (frames_ ? to_text(above_.received) : shown(all));
  if (!t.down.ends_with(above_.sent) || (above_.sent.empty() && !above_.writes.empty()))
    return "the peer got " + shown(t.down) + " and not, at the end of it, " + shown(above_.sent);
  return {};
}

void layer_checker::splits(bool lockstep) {
  const auto all = below_.messages + below_.left_over;
  auto bytewise = begun(lockstep);
  for (const char c : all) bytewise.steps.push_back({act::feed, std::string(1, c)});
  auto burst = bytewise;
  burst.burst = true;
  check("byte by byte", bytewise);
  check("byte by byte, at once", burst);
  for (std::size_t i = 1; i < all.size(); ++i) {
    auto s = begun(lockstep);
    s.steps.push_back({act::feed, all.substr(0, i)});
    s.steps.push_back({act::feed, all.substr(i)});
    check("split in two", s);
  }
  script early{.steps = {{act::feed, all}, {act::connect}}, .lockstep = lockstep, .burst = false};
  check("fed before it is connected", early);
}

void layer_checker::pauses(bool lockstep) {
  if (serves_) return; // nobody could take a hold
  for (std::size_t i = 0; i <= received_; ++i) {
    for (const bool ended : {false, true}) {
      auto s = begun(lockstep);
      s.steps.push_back({act::hold, {}, i});
      s.steps.push_back({act::feed, below_.messages});
      if (ended) s.steps.push_back({act::eof});
      s.steps.push_back({act::release});
      check("a hold above", s);
      s.steps.insert(s.steps.end() - 1, {{act::release}, {act::hold}});
      check("a hold above, taken twice", s);
    }
  }
}

// How a life may end before its time.
std::vector<act> layer_checker::breaks() const {
  if (serves_) return {act::reset, act::fail, act::cancel};
  return {act::reset, act::fail, act::cancel, act::crash_now, act::abort};
}

void layer_checker::ends(bool lockstep) {
  const auto all = below_.messages + below_.left_over;
  auto ways = breaks();
  ways.insert(ways.end(), {act::eof, act::drain});
  if (!serves_) ways.push_back(act::close);
  for (std::size_t i = 0; i <= all.size(); ++i) {
    for (const auto how : ways) {
      auto s = begun(lockstep);
      if (i) s.steps.push_back({act::feed, all.substr(0, i)});
      s.steps.push_back({how});
      check("an end after every byte", s);
      if (how == act::close) continue;
      s.burst = true;
      check("an end right after every byte", s);
    }
  }
  for (const auto how : ways) {
    if (how == act::drain || how == act::close) continue; // they wait for the connection
    script s{.steps = {{how}}, .lockstep = lockstep, .burst = false};
    if (how == act::eof) s.steps.push_back({act::connect});
    check("an end before it is connected", s);
  }
  for (std::size_t i = 0; !serves_ && i <= received_; ++i) {
    auto s = begun(lockstep);
    s.steps.push_back({act::crash, {}, i});
    s.steps.push_back({act::feed, below_.messages});
    check("the application fails", s);
  }
}

// Whatever it is about: held, or with a peer that takes nothing, or with all of it at once.
void layer_checker::interrupted(bool lockstep) {
  const auto all = below_.messages + below_.left_over;
  std::vector<script> talks;
  if (!serves_) {
    auto held = begun(lockstep);
    for (std::size_t i = 0; i <= received_; i += std::max<std::size_t>(1, received_ / 2)) {
      held.steps.push_back({act::hold, {}, i});
      if (i == 0 || options_.repeats) held.steps.push_back({act::feed, below_.messages});
      held.steps.push_back({act::release});
    }
    talks.push_back(held);
  }
  auto stalled = begun(lockstep);
  stalled.steps.push_back({act::take, {}, 0});
  stalled.steps.push_back({act::feed, all});
  add_writes(stalled);
  for (std::size_t i = 0; i < answers_; i += std::max<std::size_t>(1, answers_ / 8))
    stalled.steps.push_back({act::take, {}, i + 1});
  stalled.steps.push_back({act::finish});
  stalled.steps.push_back({act::eof});
  stalled.steps.push_back({act::take, {}, memory_wire::no_end});
  talks.push_back(stalled);
  for (auto& talk : talks) {
    for (std::size_t i = 1; i <= talk.steps.size(); ++i) {
      for (const auto how : breaks()) {
        auto s = talk;
        s.steps.resize(i);
        s.steps.push_back({how});
        check("an end at every step", s);
        s.burst = true;
        check("an end right after every step", s);
      }
    }
  }
  auto at_once = begun(lockstep);
  at_once.burst = true;
  at_once.steps.push_back({act::feed, all});
  add_writes(at_once);
  constexpr std::size_t most_turns = 16; // more than a letter takes up and down again
  for (std::size_t i = 1; i <= most_turns; ++i) {
    for (const auto how : breaks()) {
      auto s = at_once;
      s.steps.push_back({act::turns, {}, i});
      s.steps.push_back({how});
      check("an end at every turn", s);
    }
  }
}

// However a life ended, the next one is as the first.
void layer_checker::restarts(bool lockstep) {
  const auto all = below_.messages + below_.left_over;
  const auto again = [&](script scene) {
    scene.steps.insert(scene.steps.end(),
                       {{act::again}, {act::connect}, {act::feed, below_.messages}});
    add_writes(scene);
    check("a restart", scene);
  };
  for (const auto how : breaks()) {
    if (how == act::cancel) continue; // that is an order, and for good
    again({.steps = {{how}}, .lockstep = lockstep, .burst = false});
    for (std::size_t i = 0; i <= all.size(); ++i) {
      auto s = begun(lockstep);
      if (i) s.steps.push_back({act::feed, all.substr(0, i)});
      s.steps.push_back({how});
      again(s);
    }
    auto stalled = begun(lockstep);
    stalled.steps.push_back({act::hold});
    stalled.steps.push_back({act::take, {}, 0});
    stalled.steps.push_back({act::feed, below_.messages});
    add_writes(stalled);
    stalled.steps.push_back({how});
    again(stalled);
  }
}

// What it answers, to a peer that takes it slowly.
void layer_checker::slow_peer(bool lockstep) {
  if (!serves_) return;
  auto stalled = begun(lockstep);
  stalled.steps.push_back({act::take, {}, 0});
  stalled.steps.push_back({act::feed, below_.messages});
  for (const bool ended : {false, true}) {
    auto slow = stalled;
    if (ended) slow.steps.push_back({act::eof});
    for (std::size_t i = 0; i < answers_; ++i) slow.steps.push_back({act::take, {}, 1});
    slow.steps.push_back({act::take, {}, memory_wire::no_end});
    check("a peer that takes a byte at a time", slow);
  }
  for (std::size_t i = 0; i <= answers_; ++i) {
    auto s = stalled;
    if (i) s.steps.push_back({act::take, {}, i});
    auto rest = s;
    rest.steps.push_back({act::eof});
    rest.steps.push_back({act::take, {}, memory_wire::no_end});
    check("the peer has said all, and takes the rest", rest);
    for (const auto how : breaks()) {
      auto broken = s;
      broken.steps.push_back({how});
      check("an end while the peer takes nothing", broken);
    }
  }
}

void layer_checker::writes(bool lockstep) {
  if (above_.writes.empty()) return;
  const auto size = above_.sent.size();
  auto slow = begun(lockstep);
  slow.steps.push_back({act::take, {}, 0});
  for (auto& b : above_.writes) slow.steps.push_back({act::write, b});
  const auto stalled = slow;
  for (std::size_t i = 0; i < size; ++i) slow.steps.push_back({act::take, {}, 1});
  slow.steps.push_back({act::take, {}, memory_wire::no_end});
  check("a peer that takes a byte at a time", slow);
  for (std::size_t i = 0; i <= size; ++i) {
    auto s = stalled;
    if (i) s.steps.push_back({act::take, {}, i});
    auto cancelled = s, reset = s;
    s.steps.push_back({act::take, {}, memory_wire::no_end});
    s.steps.push_back({act::close});
    check("a close behind what was written", s);
    auto half = stalled;
    if (i) half.steps.push_back({act::take, {}, i});
    half.steps.push_back({act::finish});
    half.steps.push_back({act::take, {}, memory_wire::no_end});
    half.steps.push_back({act::feed, below_.messages});
    check("what comes after our end was said", half);
    cancelled.steps.push_back({act::cancel});
    check("cancelled while the peer takes nothing", cancelled);
    reset.steps.push_back({act::reset});
    check("reset while the peer takes nothing", reset);
  }
  auto both = begun(lockstep);
  both.steps.push_back({act::take, {}, 0});
  for (auto& b : above_.writes) {
    both.steps.push_back({act::write, b});
    if (&b == &above_.writes.front() || options_.repeats)
      both.steps.push_back({act::feed, below_.messages});
  }
  both.steps.push_back({act::take, {}, memory_wire::no_end});
  check("both directions at once", both);
}

// The peer has said its end, the application has not; and the other way round.
void layer_checker::half_closed(bool lockstep) {
  if (serves_) return;
  auto s = begun(lockstep);
  s.steps.push_back({act::feed, below_.messages});
  s.steps.push_back({act::eof});
  if (!played(s).over) { // its protocol may end with the peer's end
    add_writes(s);
    check("what is written after the peer's end", s);
    s.steps.push_back({act::close});
    check("a close after the peer's end", s);
  }
  auto said = begun(lockstep);
  said.steps.push_back({act::feed, below_.messages});
  add_writes(said);
  said.steps.push_back({act::finish});
  said.steps.push_back({act::close});
  check("a close after our end was said", said);
}

// Bytes that are no messages, and time that nobody uses, are nobody's failure.
void layer_checker::garbage(bool lockstep) {
  const auto& good = below_.messages;
  if (good.empty()) return;
  std::mt19937_64 random(judge_.seed());
  const auto below = [&](std::size_t n) { return std::size_t(random() % n); };
  constexpr std::string_view odd("\0\x01\x7f\x80\xff -+09aZ\r\n:;,", 17);
  for (int round = 0; round < 100; ++round) {
    auto bad = good;
    for (std::size_t i = 0, n = 1 + below(3); i < n && !bad.empty(); ++i) {
      const auto at = below(bad.size());
      const char c = below(2) ? odd[below(odd.size())] : char(below(256));
      switch (below(3)) {
      case 0: bad[at] = c; break;
      case 1: bad.insert(at, 1, c); break;
      default: bad.erase(at, 1 + below(3));
      }
    }
    auto s = begun(lockstep);
    s.steps.push_back({act::feed, bad});
    s.steps.push_back({act::feed, good});
    check("bytes that are no messages", s);
  }
  if (serves_) return; // it may have something to say about that
  for (std::size_t i = 0; i <= good.size(); ++i) {
    auto s = begun(lockstep);
    if (i) s.steps.push_back({act::feed, good.substr(0, i)});
    s.steps.push_back({act::hour});
    check("time passes", s);
  }
}

} // namespace creche::testing::detail
