#include "actors/testing/internal/layer_judge.hpp"

#include "runtime/testing/virtual_run.hpp"

#include <algorithm>

namespace creche::testing::detail {

namespace {

/// Ten times what the layers here need for it, and more.
std::size_t most_rounds(const script& scene) noexcept {
  std::size_t n = 10'000;
  for (auto& x : scene.steps) n += (x.bytes.size() + 1) * (x.what == act::pour ? x.n : 1);
  return n;
}

bool ends_it(act what) noexcept {
  switch (what) {
  case act::reset:
  case act::fail:
  case act::crash:
  case act::crash_now:
  case act::close:
  case act::abort:
  case act::cancel:
  case act::drain: return true;
  default: return false;
  }
}

} // namespace

trace layer_judge::played(const script& scene) {
  trace t;
  const auto body = [&](nursery& n) { return play(n, layer_, scene, patience_, t); };
  ++scripts_;
  const virtual_options o{.name = "check", .seed = seed_, .most_rounds = most_rounds(scene)};
  const auto r = run_virtual(o, body);
  if (!r.deadlock.empty()) t.wrong = "it hangs:\n" + r.deadlock;
  if (r.leaked) t.wrong = std::to_string(r.leaked) + " actors are left";
  if (r.pending_timers) t.wrong = std::to_string(r.pending_timers) + " timers are left";
  if (r.run.failures() && t.wrong.empty()) t.wrong = r.run.failures()->to_text();
  return t;
}

// What is different from the run with the same bytes, whole.
std::string layer_judge::differs(const trace& t, const trace& whole, extent much) const {
  const auto instead = " instead of " + to_text(whole);
  const bool all = much == extent::all || much == extent::what_came;
  if (frames_) {
    if (all ? t.up != whole.up
            : t.up.size() > whole.up.size() ||
                  !std::equal(t.up.begin(), t.up.end(), whole.up.begin()))
      return "what came out is " + to_text(t) + instead;
  } else {
    const auto a = t.octets(), b = whole.octets();
    if (all ? a != b : !b.starts_with(a)) return "what came out is " + to_text(t) + instead;
  }
  if ((much == extent::all && t.down != whole.down) ||
      (serves_ && much == extent::beginning && !whole.down.starts_with(t.down)))
    return "the peer got " + shown(t.down) + " instead of " + shown(whole.down);
  if (much == extent::all &&
      (t.eof != whole.eof || t.over != whole.over || (t.over && t.how != whole.how)))
    return "the end is different: " + to_text(t) + instead;
  return {};
}

// How the transport was told to end, against what the layer was asked for first. It may have
// refused the peer before that.
std::string layer_judge::wrong_end(const script& scene, const trace& got) const {
  const step* asked = nullptr;
  for (auto& x : scene.steps) {
    if (x.what == act::again)
      asked = nullptr;
    else if (!ends_it(x.what))
      continue;
    else if (asked)
      return {}; // two of them: whichever came first
    else
      asked = &x;
  }
  if (serves_ || !asked || !got.connected || got.refused()) return {};
  if (asked->what == act::abort && got.over && !(got.aborted && got.how == ended_by::local))
    return "the application broke it off, and the peer was told that it ended as " +
           std::string(creche::to_text(got.how)) + (got.aborted ? "" : ", by a good end");
  if ((asked->what != act::close && asked->what != act::drain) || got.stalled) return {};
  // a drain is told behind what came before it
  const bool waits = asked->what == act::drain && got.held;
  if (!got.over) // what was written before may wait for a handshake
    return got.established && !waits ? "the stack did not end when it was closed" : "";
  if (got.aborted || got.how != ended_by::clean)
    return "the application closed it, and it was broken off as " +
           std::string(creche::to_text(got.how));
  return {};
}

std::string layer_judge::verdict(const script& scene) {
  const auto t = played(scene);
  if (!t.wrong.empty() || t.moot) return t.wrong;
  if (auto why = wrong_end(scene, t); !why.empty()) return why;
  // the same bytes in one life, whole, with everything taken at once
  const script begun{.steps = {{act::connect}}, .lockstep = false, .burst = false};
  auto plain = begun;
  std::string fed;
  bool ended = false, connected = false, said = false, closed = false;
  auto e = extent::all;
  std::vector<step> orders;
  for (auto& x : scene.steps) {
    switch (x.what) {
    case act::feed: fed += x.bytes; break;
    case act::eof: ended = true; break;
    case act::write: plain.steps.push_back(x); break;
    case act::finish:
      said = true;
      orders.push_back(x);
      break;
    case act::close:
      closed = true;
      orders.push_back(x);
      break;
    case act::connect: connected = true; break;
    case act::drain:
      if (e == extent::all) e = scene.burst ? extent::beginning_of_what_came : extent::what_came;
      break;
    case act::reset:
    case act::fail:
    case act::crash:
    case act::crash_now:
    case act::abort:
    case act::cancel:
    case act::hour: e = extent::beginning; break;
    case act::again:
      plain = begun;
      fed.clear();
      orders.clear();
      ended = connected = said = closed = false;
      e = extent::all;
      break;
    default: break;
    }
  }
  if (!connected || (closed && scene.steps.back().what != act::close)) e = extent::beginning;
  if (t.held || t.stalled) e = extent::beginning;
  if (!fed.empty()) plain.steps.insert(plain.steps.begin() + 1, {act::feed, fed});
  if (ended) plain.steps.push_back({act::eof});
  plain.steps.insert(plain.steps.end(), orders.begin(), orders.end());
  const auto whole = played(plain);
  if (!whole.wrong.empty()) return whole.wrong;
  const auto* life = scene.has(act::again) ? "after a restart, " : "";
  if (auto why = differs(t, whole, e); !why.empty()) return life + why;
  if (e != extent::all) return {};
  if (ended && !serves_ && !t.eof && !t.refused())
    return "the end of the stream was not told: " + to_text(t);
  if (said && !t.over && !t.finished && !t.cannot_finish)
    return "the peer was not told that the application has said all";
  return {};
}

// Steps, and halves of what is fed, are left out while it still fails.
script layer_judge::smaller(script scene) {
  for (bool again = true; again;) {
    again = false;
    for (std::size_t i = scene.steps.size(); i-- > 0;) {
      if (scene.steps[i].what == act::connect) continue;
      auto less = scene;
      less.steps.erase(less.steps.begin() + long(i));
      if (!verdict(less).empty()) {
        scene = std::move(less);
        again = true;
        continue;
      }
      const auto n = scene.steps[i].bytes.size();
      if (scene.steps[i].what != act::feed || n < 2) continue;
      for (const bool first : {true, false}) {
        less = scene;
        auto& b = less.steps[i].bytes;
        b = first ? b.substr(0, n / 2) : b.substr(n / 2);
        if (verdict(less).empty()) continue;
        scene = std::move(less);
        again = true;
        break;
      }
    }
  }
  return scene;
}

} // namespace creche::testing::detail
