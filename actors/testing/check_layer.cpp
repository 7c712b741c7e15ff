#include "actors/testing/check_layer.hpp"

#include "actors/testing/internal/layer_judge.hpp"
#include "runtime/testing/run_test.hpp"

#include <algorithm>
#include <random>

namespace creche::testing {

namespace {

using detail::act, detail::quoted, detail::script, detail::to_text, detail::trace;

/// More than what two links keep, from the application to a peer that takes nothing.
constexpr std::size_t most_kept = 160 * 1024;
/// What may be sent up "by a little" while there is no room: up to twice the high mark, as below,
/// and the last message.
constexpr std::size_t most_above = 2 * 64 * 1024;

class checker {
public:
  checker(const any_stack& l, const below_script& b, const above_script& a, const check_options& o)
      : judge_(l, o.seed ? o.seed : draw_seed(), o.patience), below_(b), above_(a), options_(o),
        frames_(l.above() == speech::frames), serves_(l.above() == speech::nothing) {
    report_.layer = l.to_text();
    report_.seed = judge_.seed();
  }
  check_report run();

private:
  trace played(const script& s) { return judge_.played(s); }
  std::string unmet(const trace& t) const;
  void check(const char* what, script s);
  void expectations();
  void last_words();
  void appetite(bool lockstep);
  void eloquence(bool lockstep);

  script begun(bool lockstep) const {
    return {.steps = {{act::connect}}, .lockstep = lockstep, .burst = false};
  }
  void splits(bool lockstep);
  void pauses(bool lockstep);
  void ends(bool lockstep);
  void writes(bool lockstep);
  void half_closed(bool lockstep);
  void garbage(bool lockstep);
  void slow_peer(bool lockstep);
  void interrupted(bool lockstep);
  void restarts(bool lockstep);
  void add_writes(script& s) const {
    for (auto& b : above_.writes) s.steps.push_back({act::write, b});
  }
  std::vector<act> breaks() const;

  detail::layer_judge judge_;
  const below_script& below_;
  const above_script& above_;
  const check_options& options_;
  const bool frames_, serves_; // serves: nobody is above, and what it does is what the peer gets
  std::size_t received_ = 0;   // how often the application was shown something, of the whole
  std::size_t answers_ = 0;    // bytes that the peer got, of the whole
  std::size_t found_ = 0;      // scripts that failed
  check_report report_;
};

void checker::check(const char* what, script s) {
  if (found_ >= 5) return; // enough to begin with
  const auto first = judge_.verdict(s);
  if (first.empty()) return;
  ++found_;
  auto small = judge_.smaller(s);
  auto why = judge_.verdict(small);
  if (why.empty()) { // what it does depends on what was done before
    small = std::move(s);
    why = first + "; but not when it is played again: is anything kept beside the layer?";
  }
  const auto script = why + "\n  script: " + to_text(small);
  const auto told = [&](const std::string& f) { return f.ends_with(": " + script); };
  if (std::none_of(report_.failures.begin(), report_.failures.end(), told))
    report_.failures.push_back(what + (": " + script));
}

// What the author says has to come out, at all.
void checker::expectations() {
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
void checker::last_words() {
  if (!report_.failures.empty()) return;
  script s;
  const auto add = [&](const std::string& why) {
    report_.failures.push_back(why + "\n  script: " + to_text(s));
  };
  const auto told = [&](const trace& x) { return serves_ ? x.over : x.eof; };
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
std::string checker::unmet(const trace& t) const {
  if (!serves_ && !t.established) return "established is never told";
  std::string all;
  for (auto& x : above_.received) all += x;
  if (frames_ ? t.up != above_.received : t.octets() != all)
    return "what came out is " + to_text(t) + ", and not what was expected";
  if (!t.down.ends_with(above_.sent) || (above_.sent.empty() && !above_.writes.empty()))
    return "the peer got " + quoted(t.down) + " and not " + quoted(above_.sent);
  return {};
}

void checker::splits(bool lockstep) {
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

void checker::pauses(bool lockstep) {
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
std::vector<act> checker::breaks() const {
  if (serves_) return {act::reset, act::fail, act::cancel};
  return {act::reset, act::fail, act::cancel, act::crash_now, act::abort};
}

void checker::ends(bool lockstep) {
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
void checker::interrupted(bool lockstep) {
  const auto all = below_.messages + below_.left_over;
  std::vector<script> talks;
  if (!serves_) {
    auto held = begun(lockstep);
    for (std::size_t i = 0; i <= received_; i += std::max<std::size_t>(1, received_ / 2)) {
      held.steps.push_back({act::hold, {}, i});
      held.steps.push_back({act::feed, below_.messages});
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
void checker::restarts(bool lockstep) {
  const auto all = below_.messages + below_.left_over;
  const auto again = [&](script s) {
    s.steps.insert(s.steps.end(), {{act::again}, {act::connect}, {act::feed, below_.messages}});
    add_writes(s);
    check("a restart", s);
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
void checker::slow_peer(bool lockstep) {
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

void checker::writes(bool lockstep) {
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
    both.steps.push_back({act::feed, below_.messages});
  }
  both.steps.push_back({act::take, {}, memory_wire::no_end});
  check("both directions at once", both);
}

// The peer has said its end, the application has not; and the other way round.
void checker::half_closed(bool lockstep) {
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
void checker::garbage(bool lockstep) {
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

// Nobody takes anything, above or, of a layer that answers, below: then not everything may be taken
// from the peer; and all of it comes out in the end.
void checker::appetite(bool lockstep) {
  if (!options_.repeats || below_.messages.empty()) return;
  std::string block;
  std::size_t times = 0;
  for (; block.size() < 16 * 1024; ++times) block += below_.messages;
  const auto blocks = 2 * options_.most_taken / block.size() + 2;
  times *= blocks;
  auto s = begun(lockstep);
  s.steps.push_back(serves_ ? detail::step{act::take} : detail::step{act::hold});
  for (std::size_t i = 0; i < blocks; ++i) s.steps.push_back({act::feed, block});
  const auto add = [&](const std::string& why) {
    report_.failures.push_back("a peer that never stops: " + why +
                               "\n  script: " + std::string(lockstep ? "lockstep" : "memory") +
                               "; connect; " + (serves_ ? "take 0; " : "hold; ") +
                               std::to_string(blocks) + " times feed " + quoted(block));
  };
  s.looks = true;
  const auto held = played(s);
  s.looks = false;
  if (!held.wrong.empty()) return add(held.wrong);
  if (held.given > options_.most_taken)
    return add(std::to_string(held.given) + " bytes were taken while nobody " +
               (serves_ ? "took the answers" : "above took any"));
  std::size_t largest = 0;
  for (auto& x : above_.received) largest = std::max(largest, x.size());
  if (held.above > most_above + largest)
    return add(std::to_string(held.above) + " bytes were sent up while there was no room");
  s.steps.push_back(serves_ ? detail::step{act::take, {}, memory_wire::no_end}
                            : detail::step{act::release});
  const auto t = played(s);
  if (!t.wrong.empty()) return add(t.wrong);
  std::size_t octets = 0;
  for (auto& x : above_.received) octets += x.size();
  const auto wants = [&](std::size_t got, std::size_t once, const char* what) {
    if (got != once * times) add(std::to_string(got) + what);
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
void checker::eloquence(bool lockstep) {
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

check_report checker::run() {
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

} // namespace

std::string check_report::text() const {
  auto s = "check_layer(" + layer + "), " + std::to_string(scripts) + " scripts, seed " +
           std::to_string(seed);
  for (auto& f : failures) s += "\n" + f;
  if (!passed()) s += "\nrepeat it with CRECHE_SEED=" + std::to_string(seed);
  return s;
}

check_report detail::check(const any_stack& layer, const below_script& below,
                           const above_script& above, const check_options& o) {
  return checker(layer, below, above, o).run();
}

} // namespace creche::testing
