#include "actors/testing/internal/layer_script.hpp"

#include "actors/stack/connection.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"

#include <algorithm>
#include <deque>

namespace creche::testing::detail {

using namespace std::chrono_literals;

bool script::has(act what) const noexcept {
  return std::any_of(steps.begin(), steps.end(), [&](const step& one) { return one.what == what; });
}

std::string trace::octets() const {
  std::string s;
  for (auto& x : up) s += x;
  return s;
}

// ---- the application's end, as a layer; the script looks into it from outside

namespace {

constexpr const char* application_name = "application";

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
  std::deque<std::string> poured; // waits for room
  explicit app(app_link* link) : to(link) { to->layer = this; }
  ~app() override {
    if (to && to->layer == this) to->layer = nullptr;
  }
  const char* name() const noexcept override { return application_name; }

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
    if (due(link.hold_after)) do_hold();
    return all(in);
  }
  void eof() override {
    if (!to) return;
    auto& link = *to;
    if (std::exchange(link.t.eof, true)) say(link, "the end of the stream was told twice");
    if (!link.t.established) say(link, "the end of the stream came before established");
    if (held) say(link, "the end of the stream came while held");
  }
  void drain() override { close_below(ended_by::clean); }
  void timed_out(time_limit, clock_duration) override {
    throw std::runtime_error("the application failed");
  }
  void do_write(std::string_view text) { write_below(slice::copy_of(text)); }
  void do_pour(const std::string& text, std::size_t n) {
    poured.insert(poured.end(), n, text);
    resume_out();
  }
  void resume_out() override {
    for (; !poured.empty() && room_below(); poured.pop_front()) do_write(poured.front());
  }
  void do_finish() {
    if (can_finish_below())
      finish_below();
    else if (to)
      to->t.cannot_finish = true;
  }
  void do_close() { close_below(ended_by::clean); }
  void do_abort() { abort_below(ended_by::local); }
  void do_hold() {
    held = pause_in("check_layer");
    if (to) to->t.held = true;
  }
  void do_crash() { limit(time_limit::write, clock_duration::zero()); } // in a turn of its own
};
app_link::~app_link() {
  if (layer) layer->to = nullptr;
}

// ---- a wire and an application of its own for every life of the stack

/// One that ends is started again at once; what the script does is done to the one before, until it
/// goes on to the newest.
struct lives {
  struct life {
    explicit life(bool lockstep) : wire(lockstep) {}
    memory_wire wire;
    app_link application;
  };
  explicit lives(bool lock) : lockstep(lock) {}
  lives(const lives&) = delete;
  std::deque<life> all;
  std::size_t current = 0;
  const bool lockstep;

  memory_wire& wire() { return all[current].wire; }
  app_link& application() { return all[current].application; }
  bool is_newest() const noexcept { return current + 1 == all.size(); }
  void go_on() { // what was wrong stays so
    auto wrong = std::move(application().t.wrong);
    current = all.size() - 1;
    application().t.wrong = std::move(wrong);
  }
};

struct frames_app final : app {
  explicit frames_app(lives* all) : app(&all->all.back().application) {}
  using speaks_below = frames;
  using speaks_above = no_speech;
};
struct octets_app final : app {
  explicit octets_app(lives* all) : app(&all->all.back().application) {}
  using speaks_above = no_speech;
};

class renewed_transport final : public creche::detail::layer_part {
public:
  explicit renewed_transport(lives& all)
      : layer_part(all.lockstep ? "lockstep" : "memory", speech::nothing, speech::octets),
        lives_(all) {}
  void add_to(internal::stack_actor& stack) const override {
    auto& w = lives_.all.emplace_back(lives_.lockstep).wire;
    w.connect_later();
    w.transport().parts().front()->add_to(stack);
  }

private:
  lives& lives_;
};

any_stack stack_for(const any_stack& layer, lives& all) {
  const any_stack transport(creche::detail::part::make<renewed_transport>(all));
  any_stack below = transport.on_top(layer);
  if (layer.above() == speech::nothing) return below;
  if (layer.above() == speech::frames) return below.on_top(layered_as<frames_app>("app", &all));
  return below.on_top(layered_as<octets_app>("app", &all));
}

void play_step(const step& one, lives& all, child& stack) {
  auto& w = all.wire();
  auto& a = all.application();
  switch (one.what) {
  case act::connect:
    a.connected = true;
    w.connect();
    break;
  case act::feed: w.feed(one.bytes); break;
  case act::eof: w.eof(); break;
  case act::reset: w.reset(); break;
  case act::fail: w.fail(); break;
  case act::take:
    w.take(one.n);
    a.t.stalled = one.n != memory_wire::no_end;
    break;
  case act::hold:
    if (one.n)
      a.hold_after = one.n - 1;
    else if (a.layer)
      a.layer->do_hold();
    break;
  case act::release:
    a.hold_after = ~std::size_t{0};
    a.t.held = false;
    if (a.layer) a.layer->held.release();
    break;
  case act::crash: a.crash_after = one.n; break;
  case act::crash_now:
    if (a.layer) a.layer->do_crash();
    break;
  case act::write:
    if (a.layer) a.layer->do_write(one.bytes);
    break;
  case act::pour:
    if (a.layer) a.layer->do_pour(one.bytes, one.n);
    break;
  case act::finish:
    if (a.layer) a.layer->do_finish();
    break;
  case act::close:
    if (a.layer) a.layer->do_close();
    break;
  case act::abort:
    if (a.layer) a.layer->do_abort();
    break;
  case act::cancel: stack.cancel("check_layer"); break;
  case act::drain: stack.stop(); break;
  case act::turns:
  case act::hour:
  case act::again: break;
  }
}

/// On their way to the layer of that name.
std::uint64_t bytes_at(const tree_node& n, std::string_view name) {
  if (n.name == name) return n.bytes;
  std::uint64_t sum = 0;
  for (auto& c : n.children) sum += bytes_at(c, name);
  return sum;
}

bool is_end(act what) noexcept {
  return what == act::reset || what == act::fail || what == act::cancel || what == act::crash_now ||
         what == act::abort;
}

} // namespace

task<> play(nursery& n, const any_stack& layer, const script& scene, clock_duration patience,
            trace& result) {
  const clock_duration far = 24h;
  lives l(scene.lockstep);
  auto spec = as_child(stack_for(layer, l), "checked").ignore_failure().stop_within(2 * far);
  if (scene.has(act::again)) spec = std::move(spec).restart(restart::permanent).backoff(no_backoff);
  auto c = n.start(std::move(spec));
  co_await sleep_for(1ns);
  bool ends = false;
  for (auto& x : scene.steps) {
    if (x.what == act::again && l.is_newest()) {
      if (ends && l.application().connected)
        l.application().t.wrong = "the stack did not end, and so was not restarted";
      l.application().t.moot = true;
      break;
    }
    if (x.what == act::again) l.go_on();
    ends = ends || is_end(x.what);
    play_step(x, l, c);
    for (std::size_t i = 0; x.what == act::turns && i < x.n; ++i) co_await sleep_for(0ns);
    if (x.what == act::hour) co_await sleep_for(1h);
    if (!scene.burst || x.what == act::again) co_await sleep_for(patience);
  }
  co_await sleep_for(patience);
  const bool drains = scene.has(act::drain);
  const auto end = [&]() -> task<> { co_await c.wait(); };
  if (drains && l.application().connected) co_await move_on_after(far, end);
  auto& t = l.application().t;
  auto& w = l.wire();
  t.over = c.ended() || !l.is_newest();
  t.down = w.got();
  t.given = w.given();
  if (scene.looks) t.above = bytes_at(tree(), application_name);
  if (w.late() && t.wrong.empty())
    t.wrong = std::to_string(w.late()) + " bytes were written below behind the layer's own finish";
  t.finished = w.finished();
  t.how = w.how();
  t.aborted = w.aborted();
  t.connected = l.application().connected;
  if (!t.over && l.application().connected && t.wrong.empty() && !scene.has(act::again)) {
    if (ends) t.wrong = "the stack did not end, though it was broken off";
    if (drains && !t.stalled && !t.held) t.wrong = "the stack did not end when it was drained";
  }
  const auto end_of_stack = c.result();
  const bool may_fail = scene.has(act::fail) || scene.has(act::crash) || scene.has(act::crash_now);
  if (end_of_stack && end_of_stack->kind == how::failed && !may_fail)
    t.wrong = "the stack failed: " + std::string(end_of_stack->why->to_text());
  result = t;
  if (!c.ended()) c.cancel();
  co_await c.wait();
}

} // namespace creche::testing::detail
