#include "actors/testing/check_layer.hpp"

#include "actors/connection.hpp"
#include "runtime/testing/run_test.hpp"
#include "runtime/this_task.hpp"

#include <algorithm>
#include <functional>
#include <optional>

namespace creche::testing {

namespace {

using namespace std::chrono_literals;

// ---- a script: what happens, in order. Between two steps everything settles, unless it is a
// burst.

enum class act : std::uint8_t {
  connect, // the transport is established
  feed,    // `bytes` from the peer
  eof,
  reset,
  fail,    // the transport
  take,    // the peer takes `n` bytes more
  hold,    // the application takes a hold, when it has received `n` times more
  release, // and lets go of it
  crash,   // the application fails when it has received `n` times more
  write,   // of the application: `bytes`
  finish,  // of the application: it has said all
  close,   // by the application
  cancel,  // of the stack
};

struct step {
  act what;
  std::string bytes{};
  std::size_t n = 0;
};

struct script {
  std::vector<step> steps;
  bool lockstep = false, burst = false;
};

std::string quoted(std::string_view s) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string r = "\"";
  for (const char c : s) {
    if (r.size() > 200) return r + "...\"";
    const auto b = static_cast<unsigned char>(c);
    if (c == '\n')
      r += "\\n";
    else if (c == '\r')
      r += "\\r";
    else if (b < 32 || b > 126)
      ((r += "\\x") += digits[b >> 4]) += digits[b & 15];
    else
      r += c;
  }
  return r + '"';
}

std::string to_text(const script& s) {
  std::string r = s.lockstep ? "lockstep" : "memory";
  if (s.burst) r += ", all at once";
  for (auto& x : s.steps) {
    r += "; ";
    switch (x.what) {
    case act::connect: r += "connect"; break;
    case act::feed: r += "feed " + quoted(x.bytes); break;
    case act::eof: r += "eof"; break;
    case act::reset: r += "reset"; break;
    case act::fail: r += "the transport fails"; break;
    case act::take:
      r += x.n == memory_wire::no_end ? "the peer takes all" : "take " + std::to_string(x.n);
      break;
    case act::hold: r += "hold after " + std::to_string(x.n) + " more"; break;
    case act::release: r += "release"; break;
    case act::crash: r += "crash after " + std::to_string(x.n) + " more"; break;
    case act::write: r += "write " + quoted(x.bytes); break;
    case act::finish: r += "finish"; break;
    case act::close: r += "close"; break;
    case act::cancel: r += "cancel"; break;
    }
  }
  return r;
}

// ---- what a run gives

struct trace {
  std::vector<std::string> up;
  std::string down, wrong; // wrong: what broke the contract at once
  std::size_t given = 0;
  bool established = false, eof = false, over = false, finished = false;
  ended_by how = ended_by::clean;

  std::string octets() const {
    std::string s;
    for (auto& x : up) s += x;
    return s;
  }
  /// The layer has ended the stack by itself.
  bool refused() const { return over && (how == ended_by::truncated || how == ended_by::refused); }
};

std::string to_text(const trace& t) {
  std::string s;
  for (auto& x : t.up) s += (s.empty() ? "" : " ") + quoted(x);
  if (t.eof) s += " eof";
  if (t.over) s += " ended as " + std::string(to_text(t.how));
  return "[" + s + "]";
}

/// The application's end, as a layer; the script looks into it from outside.
struct app;
struct app_link {
  app_link() = default;
  app_link(const app_link&) = delete;
  ~app_link();
  trace t;
  app* layer = nullptr;
  bool connected = false;
  std::size_t hold_after = ~std::size_t{0}, crash_after = ~std::size_t{0};
};

struct app : layer {
  app_link* to; // null: nobody looks any more
  hold held;
  explicit app(app_link* l) : to(l) { to->layer = this; }
  ~app() override {
    if (to) to->layer = nullptr;
  }
  const char* name() const noexcept override { return "application"; }

  /// Counts down; then once.
  static bool due(std::size_t& left) {
    if (left == ~std::size_t{0}) return false;
    return left-- == 0;
  }
  static void say(app_link& link, const char* what) {
    if (link.t.wrong.empty()) link.t.wrong = what;
  }
  void established() override {
    if (!to) return;
    auto& link = *to;
    if (std::exchange(link.t.established, true)) say(link, "established was told twice");
    if (!link.connected) say(link, "established was told before the layer below was");
  }
  take received(const slice& in) override {
    if (!to) return all(in);
    auto& link = *to;
    if (!link.t.established) say(link, "bytes came before established");
    if (link.t.eof) say(link, "bytes came after the end of the stream");
    if (held) say(link, "bytes came while they were held");
    if (due(link.crash_after)) throw std::runtime_error("the application failed");
    link.t.up.emplace_back(in.view());
    if (due(link.hold_after)) held = pause_in("check_layer");
    return all(in);
  }
  void eof() override {
    if (!to) return;
    auto& link = *to;
    if (std::exchange(link.t.eof, true)) say(link, "the end of the stream was told twice");
    if (!link.t.established) say(link, "the end of the stream came before established");
    if (held) say(link, "the end of the stream came while held");
  }
  void do_write(std::string_view b) { write_below(slice::copy_of(b)); }
  void do_finish() { finish_below(); }
  void do_close() { close_below(ended_by::clean); }
  void do_hold() { held = pause_in("check_layer"); }
};
app_link::~app_link() {
  if (layer) layer->to = nullptr;
}

struct frames_app final : app {
  using app::app;
  using speaks_below = frames;
  using speaks_above = no_speech;
};
struct octets_app final : app {
  using app::app;
  using speaks_above = no_speech;
};

any_stack stack_for(memory_wire& w, const any_stack& layer, app_link& a) {
  const any_stack below = w.transport().on_top(layer);
  if (layer.above() == speech::frames) return below.on_top(layered_as<frames_app>("app", &a));
  return below.on_top(layered_as<octets_app>("app", &a));
}

void play_step(const step& x, memory_wire& w, app_link& a, child& c) {
  switch (x.what) {
  case act::connect:
    a.connected = true;
    w.connect();
    break;
  case act::feed: w.feed(x.bytes); break;
  case act::eof: w.eof(); break;
  case act::reset: w.reset(); break;
  case act::fail: w.fail(); break;
  case act::take: w.take(x.n); break;
  case act::hold:
    if (x.n)
      a.hold_after = x.n - 1;
    else if (a.layer)
      a.layer->do_hold();
    break;
  case act::release:
    a.hold_after = ~std::size_t{0};
    if (a.layer) a.layer->held.release();
    break;
  case act::crash: a.crash_after = x.n; break;
  case act::write:
    if (a.layer) a.layer->do_write(x.bytes);
    break;
  case act::finish:
    if (a.layer) a.layer->do_finish();
    break;
  case act::close:
    if (a.layer) a.layer->do_close();
    break;
  case act::cancel: c.cancel("check_layer"); break;
  }
}

/// One stack through one script; afterwards it is ended, and must have.
task<> play(nursery& n, const any_stack& layer, const script& s, trace& result) {
  memory_wire w(s.lockstep);
  w.connect_later();
  app_link a;
  auto spec = as_child(stack_for(w, layer, a), "checked").ignore_failure();
  auto c = n.start(std::move(spec));
  co_await sleep_for(1ns);
  for (auto& x : s.steps) {
    play_step(x, w, a, c);
    if (!s.burst) co_await sleep_for(1ns);
  }
  co_await sleep_for(1ns);
  auto& t = a.t;
  t.over = c.ended();
  t.down = w.got();
  t.given = w.given();
  t.finished = w.finished();
  t.how = w.how();
  const auto broken = std::any_of(s.steps.begin(), s.steps.end(), [](const step& x) {
    return x.what == act::reset || x.what == act::fail || x.what == act::cancel;
  });
  if (broken && !t.over && a.connected) t.wrong = "the stack did not end with its transport";
  result = t;
  if (!c.ended()) c.cancel();
  co_await c.wait();
}

// ---- the judge

class checker {
public:
  checker(const any_stack& l, const below_script& b, const above_script& a, const check_options& o)
      : layer_(l), below_(b), above_(a), options_(o), frames_(l.above() == speech::frames) {
    report_.layer = l.to_text();
    report_.seed = o.seed ? o.seed : draw_seed();
  }
  check_report run();

private:
  trace played(const script& s);
  std::string verdict(const script& s);
  std::string differs(const trace& t, const trace& whole, bool complete) const;
  void check(const char* what, script s);
  void expectations();
  void appetite(bool lockstep);
  script smaller(script s);

  script begun(bool lockstep) const {
    return {.steps = {{act::connect}}, .lockstep = lockstep, .burst = false};
  }
  void splits(bool lockstep);
  void pauses(bool lockstep);
  void ends(bool lockstep);
  void writes(bool lockstep);

  const any_stack& layer_;
  const below_script& below_;
  const above_script& above_;
  const check_options& options_;
  const bool frames_;
  std::size_t received_ = 0; // how often the application was shown something, of the whole
  check_report report_;
};

trace checker::played(const script& s) {
  trace t;
  const auto body = [&](nursery& n) { return play(n, layer_, s, t); };
  ++report_.scripts;
  const auto r = run_virtual({.name = "check", .seed = report_.seed}, body);
  if (!r.deadlock.empty()) t.wrong = "it hangs:\n" + r.deadlock;
  if (r.leaked) t.wrong = std::to_string(r.leaked) + " actors are left";
  if (r.pending_timers) t.wrong = std::to_string(r.pending_timers) + " timers are left";
  if (r.run.failures() && t.wrong.empty()) t.wrong = r.run.failures()->to_text();
  return t;
}

// What is different from the run with the same bytes, whole.
std::string checker::differs(const trace& t, const trace& whole, bool complete) const {
  const auto instead = " instead of " + to_text(whole);
  if (frames_) {
    if (complete ? t.up != whole.up
                 : t.up.size() > whole.up.size() ||
                       !std::equal(t.up.begin(), t.up.end(), whole.up.begin()))
      return "what came out is " + to_text(t) + instead;
  } else {
    const auto a = t.octets(), b = whole.octets();
    if (complete ? a != b : !b.starts_with(a)) return "what came out is " + to_text(t) + instead;
  }
  if (complete && t.down != whole.down)
    return "the peer got " + quoted(t.down) + " instead of " + quoted(whole.down);
  if (complete && (t.eof != whole.eof || t.over != whole.over || (t.over && t.how != whole.how)))
    return "the end is different: " + to_text(t) + instead;
  return {};
}

std::string checker::verdict(const script& s) {
  const auto t = played(s);
  if (!t.wrong.empty()) return t.wrong;
  // the same bytes, whole, with everything taken at once
  script plain = begun(false);
  std::string fed;
  bool ended = false, complete = true, connected = false;
  for (auto& x : s.steps) {
    switch (x.what) {
    case act::feed: fed += x.bytes; break;
    case act::eof: ended = true; break;
    case act::write:
    case act::finish:
    case act::close: break;
    case act::connect: connected = true; break;
    case act::reset:
    case act::fail:
    case act::crash:
    case act::cancel: complete = false; break;
    default: break;
    }
  }
  if (!connected) complete = false;
  if (!fed.empty()) plain.steps.push_back({act::feed, fed});
  for (auto& x : s.steps)
    if (x.what == act::write) plain.steps.push_back(x);
  if (ended) plain.steps.push_back({act::eof});
  for (auto& x : s.steps) {
    if (x.what != act::close && x.what != act::finish) continue;
    plain.steps.push_back(x);
    if (x.what == act::close && s.steps.back().what != act::close) complete = false;
  }
  const auto whole = played(plain);
  if (!whole.wrong.empty()) return whole.wrong;
  if (auto why = differs(t, whole, complete); !why.empty()) return why;
  if (complete && ended && !t.eof && !t.refused())
    return "the end of the stream was not told: " + to_text(t);
  const auto said = [](const step& x) { return x.what == act::finish; };
  if (complete && !t.over && std::any_of(s.steps.begin(), s.steps.end(), said) && !t.finished)
    return "the peer was not told that the application has said all";
  return {};
}

// Steps, and halves of what is fed, are left out while it still fails.
script checker::smaller(script s) {
  for (bool again = true; again;) {
    again = false;
    for (std::size_t i = s.steps.size(); i-- > 0;) {
      if (s.steps[i].what == act::connect) continue;
      auto less = s;
      less.steps.erase(less.steps.begin() + long(i));
      if (!verdict(less).empty()) {
        s = std::move(less);
        again = true;
        continue;
      }
      const auto n = s.steps[i].bytes.size();
      if (s.steps[i].what != act::feed || n < 2) continue;
      for (const bool first : {true, false}) {
        less = s;
        auto& b = less.steps[i].bytes;
        b = first ? b.substr(0, n / 2) : b.substr(n / 2);
        if (verdict(less).empty()) continue;
        s = std::move(less);
        again = true;
        break;
      }
    }
  }
  return s;
}

void checker::check(const char* what, script s) {
  if (report_.failures.size() >= 5) return; // enough to begin with
  if (verdict(s).empty()) return;
  s = smaller(std::move(s));
  report_.failures.push_back(std::string(what) + ": " + verdict(s) + "\n  script: " + to_text(s));
}

// What the author says has to come out, at all.
void checker::expectations() {
  auto s = begun(false);
  s.steps.push_back({act::feed, below_.messages});
  const auto only_fed = played(s);
  received_ = only_fed.up.size();
  for (auto& b : above_.writes) s.steps.push_back({act::write, b});
  const auto t = played(s);
  const auto add = [&](const std::string& why) {
    report_.failures.push_back(why + "\n  script: " + to_text(s));
  };
  if (!t.wrong.empty()) return add(t.wrong);
  if (!t.established) return add("established is never told");
  std::string all;
  for (auto& x : above_.received) all += x;
  if (frames_ ? t.up != above_.received : t.octets() != all)
    add("what came out is " + to_text(t) + ", and not what was expected");
  if (!t.down.ends_with(above_.sent) || (above_.sent.empty() && !above_.writes.empty()))
    add("the peer got " + quoted(t.down) + " and not " + quoted(above_.sent));
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

void checker::ends(bool lockstep) {
  const auto all = below_.messages + below_.left_over;
  for (std::size_t i = 0; i <= all.size(); ++i) {
    for (const auto how : {act::eof, act::reset, act::fail, act::cancel}) {
      auto s = begun(lockstep);
      if (i) s.steps.push_back({act::feed, all.substr(0, i)});
      s.steps.push_back({how});
      check("an end after every byte", s);
      s.burst = true;
      check("an end right after every byte", s);
    }
  }
  for (const auto how : {act::eof, act::reset, act::fail, act::cancel}) {
    script s{.steps = {{how}}, .lockstep = lockstep, .burst = false};
    if (how == act::eof) s.steps.push_back({act::connect});
    check("an end before it is connected", s);
  }
  for (std::size_t i = 0; i <= received_; ++i) {
    auto s = begun(lockstep);
    s.steps.push_back({act::crash, {}, i});
    s.steps.push_back({act::feed, below_.messages});
    check("the application fails", s);
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

// Nobody above takes anything: then not everything may be taken from below; and all of it comes out
// in the end.
void checker::appetite(bool lockstep) {
  if (!options_.repeats || below_.messages.empty()) return;
  std::string block;
  std::size_t times = 0;
  for (; block.size() < 16 * 1024; ++times) block += below_.messages;
  auto s = begun(lockstep);
  s.steps.push_back({act::hold});
  const auto blocks = 2 * options_.most_taken / block.size() + 2;
  for (std::size_t i = 0; i < blocks; ++i) s.steps.push_back({act::feed, block});
  s.burst = false;
  const auto held = played(s);
  const auto add = [&](const std::string& why) {
    report_.failures.push_back("a peer that never stops: " + why + "\n  script: " +
                               std::string(lockstep ? "lockstep" : "memory") + "; connect; hold; " +
                               std::to_string(blocks) + " times feed " + quoted(block));
  };
  if (!held.wrong.empty()) return add(held.wrong);
  if (held.given > options_.most_taken)
    return add(std::to_string(held.given) + " bytes were taken while nobody above took any");
  s.steps.push_back({act::release});
  const auto t = played(s);
  if (!t.wrong.empty()) return add(t.wrong);
  const auto want = frames_ ? received_ * times * blocks : 0;
  std::size_t octets = 0;
  for (auto& x : above_.received) octets += x.size();
  if (frames_ ? t.up.size() != want : t.octets().size() != octets * times * blocks)
    add(frames_ ? std::to_string(t.up.size()) + " frames came out, not " + std::to_string(want)
                : std::to_string(t.octets().size()) + " bytes came out");
}

check_report checker::run() {
  expectations();
  if (!report_.failures.empty()) return report_;
  for (const bool lockstep : {false, true}) {
    splits(lockstep);
    pauses(lockstep);
    ends(lockstep);
    writes(lockstep);
    appetite(lockstep);
  }
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
