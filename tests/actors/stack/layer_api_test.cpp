// A layer of a user's: what it is told, what it may do, and what it is spared.
#include "actors/layers/framers.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t high = 64 * 1024;
auto settled() { return sleep_for(1ns); }

struct spy_hooks;

/// Does what the test says.
struct spy : layer {
  spy_hooks* on; // null: the test is over
  explicit spy(spy_hooks* h);
  ~spy() override;
  const char* name() const noexcept override { return "spy"; }
  void attached() override;
  void established() override;
  take received(const slice& in) override;
  void eof() override;
  void resume_out() override;
  void write(slice b) override;
  void close(ended_by how) override;
  void timed_out(time_limit t, clock_duration after) override;

  using layer::abort_below, layer::close_below, layer::end, layer::established_above, layer::limit,
      layer::look_again, layer::may_need, layer::pause_in, layer::pause_out, layer::room_above,
      layer::room_below, layer::send_up, layer::unused, layer::wait, layer::write_below;
};

struct spy_hooks {
  spy* me = nullptr;
  std::function<void(spy&)> attached, established, eof, resume_out;
  std::function<take(spy&, const slice&)> received;
  std::function<void(spy&, slice)> write;
  std::function<void(spy&)> close;
  std::function<void(spy&, time_limit, clock_duration)> timed_out;
  spy_hooks() = default;
  spy_hooks(const spy_hooks&) = delete;
  ~spy_hooks() {
    if (me) me->on = nullptr; // what its hooks borrow dies as well
  }
};

spy::spy(spy_hooks* h) : on(h) { on->me = this; }
spy::~spy() {
  if (on) on->me = nullptr;
}
void spy::attached() {
  if (on && on->attached) on->attached(*this);
}
void spy::established() { on && on->established ? on->established(*this) : layer::established(); }
take spy::received(const slice& in) {
  return on && on->received ? on->received(*this, in) : layer::received(in);
}
void spy::eof() { on && on->eof ? on->eof(*this) : layer::eof(); }
void spy::resume_out() {
  if (on && on->resume_out) on->resume_out(*this);
}
void spy::write(slice b) {
  on && on->write ? on->write(*this, std::move(b)) : layer::write(std::move(b));
}
void spy::close(ended_by how) {
  if (on && on->close) on->close(*this);
  layer::close(how);
}
void spy::timed_out(time_limit t, clock_duration after) {
  on && on->timed_out ? on->timed_out(*this, t, after) : layer::timed_out(t, after);
}

auto probing(spy_hooks& h) { return layered_as<spy>("spy", &h); }

std::string why(const child& c) {
  const auto r = c.result();
  return r && r->why ? std::string(r->why->to_text()) : "no failure";
}

} // namespace

CRECHE_TEST("P17: attached comes at once, established when bytes can flow through all below") {
  memory_wire w;
  w.connect_later();
  std::string order;
  spy_hooks lower, upper;
  lower.attached = [&](spy&) { order += "a"; };
  upper.attached = [&](spy&) { order += "a"; };
  lower.established = [&](spy&) { order += "1"; }; // a handshake: not yet
  upper.established = [&](spy& p) {
    order += "2";
    p.established_above();
  };
  const auto s = w.transport() / probing(lower) / probing(upper);
  bool opened = false;
  auto user = n.start([&]() -> task<> {
    auto c = co_await open(n, s);
    opened = true;
    co_await c.send("x");
  });
  co_await settled();
  CHECK(order == "aa");
  w.connect();
  co_await settled();
  CHECK(order == "aa1");
  CHECK_FALSE(opened);
  lower.me->established_above();
  lower.me->established_above(); // told once
  co_await settled();
  CHECK(order == "aa12");
  CHECK(opened);
  co_await user.wait();
  co_await settled();
  CHECK(w.got() == "x");
  CHECK(w.closed()); // the handle is gone
}

CRECHE_TEST("P21: with need a layer is not asked before so many bytes are there") {
  memory_wire w;
  std::string seen;
  spy_hooks h;
  h.received = [&](spy&, const slice& in) -> take {
    seen += std::to_string(in.size()) + " ";
    if (in.size() < 10) return {0, 10};
    return {10, 0};
  };
  auto c = co_await open(n, w.transport() / probing(h));
  for (int i = 0; i < 25; ++i) {
    w.feed("x");
    co_await settled();
  }
  // asked with the first byte of each, and then with all
  CHECK(seen == "1 10 1 10 1 ");
  w.eof();
  co_await settled();
}

CRECHE_TEST("P21: a layer may ask for more than 64 KiB if it has said so, and then gets it") {
  constexpr std::uint32_t size = 1'000'000;
  memory_wire w;
  std::size_t frames = 0, asked = 0;
  spy_hooks h;
  h.attached = [&](spy& p) { p.may_need(size); };
  h.received = [&](spy&, const slice& in) -> take {
    ++asked;
    if (in.size() < size) return {0, size};
    ++frames;
    return {size, 0};
  };
  auto c = co_await open(n, w.transport() / probing(h));
  w.feed(std::string(2 * size + high, 'x'));
  co_await settled();
  CHECK(frames == 2);
  CHECK(asked < 10); // not once for every packet
  CHECK(w.given() == 2 * size + high);
}

CRECHE_TEST("P21: with just as many bytes left as it needs, a layer is asked again") {
  memory_wire w;
  std::string seen;
  spy_hooks h;
  h.received = [&](spy&, const slice& in) -> take {
    seen += std::to_string(in.size()) + " ";
    return {in.size() < 2 ? 0u : 2u, 2};
  };
  auto c = co_await open(n, w.transport() / probing(h));
  w.feed("aabbcc");
  co_await settled();
  CHECK(seen == "6 4 2 ");
  w.feed("d");
  w.feed("dee"); // these lie in its buffer
  co_await settled();
  CHECK(seen == "6 4 2 1 4 2 ");
}

CRECHE_TEST("L3: what a layer needs once is no more let through when it has had it") {
  constexpr std::uint32_t size = 1'000'000;
  memory_wire w;
  bool done = false;
  hold enough;
  spy_hooks h;
  h.attached = [&](spy& p) { p.may_need(size); };
  h.received = [&](spy& p, const slice& in) -> take {
    if (done) return enough = p.pause_in("enough"), take{};
    if (in.size() < size) return {0, size};
    done = true;
    return {size, 0};
  };
  auto c = co_await open(n, w.transport() / probing(h));
  w.feed(std::string(2 * size, 'x'));
  co_await settled();
  CHECK(done);
  CHECK(w.given() < size + 3 * high);
}

CRECHE_TEST("P21: a layer that asks for more than it said is a failure, with a clear word") {
  for (const std::uint32_t most : {0u, 100'000u}) {
    memory_wire w;
    spy_hooks h;
    h.attached = [&](spy& p) {
      if (most) p.may_need(most);
    };
    const auto limit = std::max(most, high);
    h.received = [&](spy&, const slice& in) -> take {
      return {0, in.size() == 1 ? limit : limit + 1};
    };
    auto spec = as_child(w.transport() / probing(h)).ignore_failure();
    auto c = n.start(std::move(spec));
    w.feed("x");
    co_await settled();
    CHECK_FALSE(c.ended());
    w.feed(std::string(limit, 'x'));
    co_await c.wait();
    CHECK(why(c).find("needs more bytes than it may keep") != std::string::npos);
  }
}

CRECHE_TEST("P14: a layer is shown nothing while there is no room above, and nothing is lost") {
  memory_wire w;
  std::size_t shown = 0;
  spy_hooks h;
  h.received = [&](spy& p, const slice& in) -> take {
    shown += in.size();
    p.send_up(in);
    return {in.size(), 0};
  };
  auto c = co_await open(n, w.transport() / probing(h));
  w.feed(std::string(1'000'000, 'x'));
  co_await settled();
  CHECK(shown < 3 * high);
  std::size_t got = 0;
  while (got < 1'000'000) {
    auto piece = co_await c.frames().next();
    got += piece->size();
  }
  CHECK(got == 1'000'000);
}

CRECHE_TEST("P14: pause_out keeps what is written above, and its order; a close waits behind it") {
  memory_wire w;
  hold h1;
  spy_hooks h;
  h.attached = [&](spy& p) { h1 = p.pause_out("handshake"); };
  auto c = co_await open(n, w.transport() / probing(h));
  co_await c.send("ab");
  co_await c.send("cd");
  c.close();
  co_await settled();
  CHECK(w.got() == "");
  CHECK_FALSE(w.closed());
  h1.release();
  CHECK(w.got() == ""); // not from here
  co_await settled();
  CHECK(w.got() == "abcd");
  CHECK(w.closed());
  const auto end = co_await c.ended();
  CHECK(end.how == ended_by::clean);
  CHECK_FALSE(bool(h1)); // it went with its layer
}

CRECHE_TEST("P14: pause_out may be taken again and again, and be released twice in a turn") {
  memory_wire w;
  hold h1, h2;
  spy_hooks h;
  auto c = co_await open(n, w.transport() / probing(h));
  std::string all;
  for (const char* text : {"ab", "cd", "ef"}) {
    h1 = h.me->pause_out("one");
    h2 = h.me->pause_out("two");
    co_await c.send(text);
    co_await settled();
    CHECK(w.got() == all);
    h1.release();
    co_await settled();
    CHECK(w.got() == all);
    h2.release();
    h2 = h.me->pause_out("three");
    h2.release();
    co_await settled();
    CHECK(w.got() == (all += text));
  }
}

CRECHE_TEST("L2: finish is an order like others: a layer may put its last word before it") {
  struct says_bye final : layer {
    const char* name() const noexcept override { return "says_bye"; }
    void finish() override {
      write_below(slice::of_static("bye"));
      finish_below();
    }
  };
  memory_wire w;
  w.take(0);
  auto c = co_await open(n, w.transport() / layered<says_bye>());
  const std::string block(10'000, 'x');
  for (int i = 0; i < 8; ++i) co_await c.send(block);
  c.finish();
  co_await settled();
  CHECK_FALSE(w.finished());
  w.take(memory_wire::no_end);
  co_await settled();
  CHECK(w.got().size() == 80'003);
  CHECK(w.got().ends_with("xbye"));
  CHECK(w.finished());
  w.feed("x");
  auto f = co_await c.frames().next();
  CHECK(f->view() == "x");
}

CRECHE_TEST("P14: whoever writes above is held while there is no room below") {
  memory_wire w;
  w.take(0);
  std::size_t written = 0;
  spy_hooks h;
  h.write = [&](spy& p, slice b) {
    written += b.size();
    p.write_below(std::move(b));
  };
  auto c = co_await open(n, w.transport() / probing(h));
  std::size_t sent = 0;
  auto user = n.start([&]() -> task<> {
    const std::string block(10'000, 'x');
    for (; sent < 1'000'000; sent += block.size()) co_await c.send(block);
  });
  co_await settled();
  CHECK(written < high + 10'001);
  CHECK(sent < 3 * high);
  w.take(memory_wire::no_end);
  co_await user.wait();
  co_await settled();
  CHECK(w.got().size() == 1'000'000);
}

CRECHE_TEST("X2: a hold of a layer keeps everything where it is; the end of the stream as well") {
  memory_wire w;
  hold held;
  spy_hooks h;
  h.attached = [&](spy& p) { held = p.pause_in("test"); };
  auto c = co_await open(n, w.transport() / probing(h));
  w.feed("abc");
  w.eof();
  co_await settled();
  bool came = false;
  auto user = n.start([&]() -> task<> {
    while (co_await c.frames().next()) came = true;
  });
  co_await settled();
  CHECK_FALSE(came);
  CHECK_FALSE(user.ended());
  held.release();
  co_await user.wait();
  CHECK(came);
}

CRECHE_TEST("P18: a silent peer is told as a limit of its own, with what it was and how long") {
  memory_wire w;
  std::string seen;
  spy_hooks h;
  h.attached = [](spy& p) {
    p.limit(time_limit::read, 10s);
    p.limit(time_limit::both, 25s);
  };
  h.timed_out = [&](spy&, time_limit t, clock_duration after) {
    seen += std::string(to_text(t)) + " " + std::to_string(after / 1s) + ", ";
  };
  auto c = co_await open(n, w.transport() / probing(h));
  for (int i = 0; i < 5; ++i) { // bytes in time: nothing is told
    co_await sleep_for(9s);
    w.feed("x");
  }
  CHECK(seen == "");
  co_await sleep_for(10s + 1ms);
  CHECK(seen == "read 10, ");
  co_await sleep_for(9s);
  co_await c.send("x"); // not silent in both directions
  co_await sleep_for(2s);
  CHECK(seen == "read 10, read 10, ");
  co_await sleep_for(23s + 1ms);
  CHECK(seen == "read 10, read 10, read 10, read 10, read and write 25, ");
}

CRECHE_TEST("P18: nobody asked for, a limit that ran out ends the stack as a timeout") {
  memory_wire w;
  spy_hooks h;
  h.attached = [](spy& p) { p.limit(time_limit::write, 5s); };
  auto c = co_await open(n, w.transport() / probing(h));
  co_await sleep_for(4s);
  co_await c.send("x");
  const auto before = now();
  const auto end = co_await c.ended();
  CHECK(now() - before >= 5s);
  CHECK(end.how == ended_by::timeout);
  CHECK(end.layer == "spy");
  CHECK(end.why == std::errc::timed_out);
  CHECK(end.age >= 9s);
  CHECK(end.to_text() == "timeout by spy after 9.0 s: Connection timed out");
  CHECK(w.got() == "x");
}

CRECHE_TEST("P18: a handshake has a limit, which ends with it") {
  memory_wire quick, slow;
  spy_hooks a, b;
  a.attached = b.attached = [](spy& p) { p.limit(time_limit::handshake, 5s); };
  b.established = [](spy&) {}; // never
  auto c = co_await open(n, quick.transport() / probing(a));
  std::string failed;
  const auto s = slow.transport() / probing(b);
  try {
    auto never = co_await open(n, s);
  } catch (const std::exception& e) {
    failed = e.what();
  }
  CHECK(failed != "");
  CHECK(slow.how() == ended_by::timeout);
  co_await sleep_for(1min);
  CHECK_FALSE(c.stack().ended());
}

CRECHE_TEST("P18: bytes that wait below for too long are a write stall; no stall, no word") {
  memory_wire w;
  int stalls = 0;
  spy_hooks h;
  h.attached = [](spy& p) { p.limit(time_limit::write_stall, 10s); };
  h.timed_out = [&](spy&, time_limit t, clock_duration) {
    CHECK(t == time_limit::write_stall);
    ++stalls;
  };
  auto c = co_await open(n, w.transport() / probing(h));
  co_await sleep_for(1min);
  CHECK(stalls == 0);
  w.take(0);
  for (int i = 0; i < 8; ++i) co_await c.send(std::string(10'000, 'x'));
  co_await sleep_for(8s);
  CHECK(stalls == 0);
  co_await sleep_for(3s);
  CHECK(stalls == 1);
  w.take(memory_wire::no_end);
  co_await sleep_for(1min);
  CHECK(stalls == 1);
}

CRECHE_TEST("P22: a layer that ends the stack is the one in the record, and says why") {
  memory_wire w;
  spy_hooks h;
  h.received = [](spy& p, const slice& in) -> take {
    p.write_below(slice::of_static("sorry"));
    p.end(ended_by::refused, std::make_error_code(std::errc::protocol_error));
    p.end(ended_by::timeout); // the first word counts
    return {in.size(), 0};
  };
  auto c = co_await open(n, w.transport() / probing(h));
  w.feed("x");
  w.feed("y"); // not looked at any more
  std::string what;
  ended_by how{};
  try {
    co_await c.frames().next();
  } catch (const connection_lost& e) {
    what = e.what();
    how = e.record().how;
    CHECK(e.code() == std::errc::protocol_error);
  }
  CHECK(how == ended_by::refused);
  CHECK(what.find("refused by spy") != std::string::npos);
  CHECK(w.got() == "sorry");
  CHECK(w.closed());
  CHECK(w.how() == ended_by::refused);
}

CRECHE_TEST("T5: a handler that throws fails its stack, and frees the layer") {
  memory_wire w;
  spy_hooks h, other;
  h.received = [](spy&, const slice&) -> take { throw std::runtime_error("boom"); };
  auto spec = as_child(w.transport() / probing(h) / probing(other)).ignore_failure();
  auto c = n.start(std::move(spec));
  co_await settled();
  CHECK(h.me);
  w.feed("x");
  co_await c.wait();
  CHECK(c.result()->kind == how::failed);
  CHECK(why(c).find("boom") != std::string::npos);
  CHECK_FALSE(h.me);
  CHECK_FALSE(other.me);
}

CRECHE_TEST("P11: the tree shows every layer by its name") {
  memory_wire w;
  spy_hooks h;
  auto c = co_await open(n, w.transport() / probing(h) / lines(line_end::lf), "peer");
  const auto tree = creche::tree().to_text();
  for (auto* name : {"peer", "memory", "spy", "lines"})
    CHECK_MESSAGE(tree.find(name) != std::string::npos, tree);
}

CRECHE_TEST(
    "X2, L3: the tree says who holds whom, and what is inside, in a layer, a stack, a nursery") {
  memory_wire w;
  w.take(0);
  spy_hooks h;
  auto c = co_await open(n, w.transport() / probing(h));
  const auto find = [](const tree_node& t, std::string_view name) {
    const auto look = [&](const auto& self, const tree_node& x) -> const tree_node* {
      if (x.name == name) return &x;
      for (auto& y : x.children)
        if (auto* found = self(self, y)) return found;
      return nullptr;
    };
    auto* found = look(look, t);
    REQUIRE(found);
    return *found;
  };
  CHECK(tree().bytes == 0);
  auto in = h.me->pause_in("the database is slow");
  auto out = h.me->pause_out("a handshake");
  w.feed("12345");
  co_await c.send("123");
  co_await settled();
  auto t = tree();
  CHECK(find(t, "spy").detail == "held: the database is slow, writes held: a handshake");
  CHECK(find(t, "spy").bytes == 5);
  CHECK(find(t, "top").bytes == 3); // of the link below it
  CHECK(find(t, "stack").bytes == 8);
  CHECK(t.bytes == 8);
  CHECK(t.to_text().find("spy  spy  running  5 bytes inside") != std::string::npos);
  CHECK(t.to_json().find("\"bytes\":8") != std::string::npos);
  CHECK(tree(0).bytes == 8); // who is not listed counts as well
  in.release();
  out.release();
  co_await settled();
  t = tree();
  CHECK(find(t, "spy").detail == "");
  CHECK(find(t, "spy").bytes == 3); // the peer takes none
  CHECK(t.bytes == 3);
  w.take(memory_wire::no_end);
  co_await settled();
  CHECK(tree().bytes == 0);
}

CRECHE_TEST("L2: half-close is a capability: a layer whose protocol has none says so") {
  struct old_tls : layer {
    const char* name() const noexcept override { return "old_tls"; }
    bool can_finish() const noexcept override { return false; }
  };
  memory_wire w;
  auto c = co_await open(n, w.transport() / layered<old_tls>() / lines(line_end::lf));
  CHECK_FALSE(c.can_finish());
  std::string said;
  try {
    c.finish();
  } catch (const std::logic_error& e) {
    said = e.what();
  }
  CHECK(said == "old_tls cannot say its end and still read: close()");
  co_await c.send("still"); // nothing has happened
  co_await c.remove("old_tls");
  CHECK(c.can_finish());
  c.finish();
  c.finish();
  w.feed("late\n");
  auto late = co_await c.frames().next();
  REQUIRE(late);
  CHECK(late->view() == "late");
  co_await settled(); // what comes in does not wait for what goes out
  CHECK(w.got() == "still\n");
  CHECK(w.finished());
}

namespace {

// What a process says on standard error in which this runs, and the signal that ends it.
std::pair<std::string, int> last_words(void (*on_another_thread)(spy&, hold&)) {
  int err[2];
  REQUIRE(::pipe(err) == 0);
  const auto pid = ::fork();
  if (pid == 0) {
    ::dup2(err[1], 2);
    std::signal(SIGABRT, SIG_DFL);
    run_virtual([&](nursery& n) -> task<> {
      memory_wire w;
      spy_hooks h;
      auto c = co_await open(n, w.transport() / probing(h));
      auto taken = h.me->pause_in("mine");
      std::thread([&] { on_another_thread(*h.me, taken); }).join();
    });
    ::_exit(0);
  }
  REQUIRE(pid > 0);
  ::close(err[1]);
  std::string said;
  char some[512];
  for (ssize_t k; (k = ::read(err[0], some, sizeof some)) > 0;) said.append(some, std::size_t(k));
  ::close(err[0]);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return {said, WIFSIGNALED(status) ? WTERMSIG(status) : 0};
}

} // namespace

TEST_CASE("X2: a hold on another thread than its layer's ends the program with a sentence") {
  const auto said = last_words([](spy&, hold& h) { h.release(); });
  INFO(said.first);
  CHECK(
      said.first.find("creche: the hold \"mine\" was taken, moved or released on another thread") !=
      std::string::npos);
  CHECK(said.second == SIGABRT);
  CHECK(last_words([](spy&, hold& h) { auto other = std::move(h); }).second == SIGABRT);
  CHECK(last_words([](spy& l, hold&) { auto h = l.pause_out("mine"); }).second == SIGABRT);
  CHECK(last_words([](spy&, hold&) {}) == std::pair(std::string(), 0));
}
