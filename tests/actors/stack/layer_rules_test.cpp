// Rules of a layer's life that are easily missed: what it hears after its last word, in the middle
// of a handshake, and while it waits with something.
#include "actors/layers/framers.hpp"
#include "actors/layers/idle.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/memory/pool.hpp"
#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"

#include <cstring>
#include <string>
#include <vector>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

struct octet_layer : layer {
  const char* name() const noexcept override { return "it"; }
};
struct frame_layer : octet_layer {
  using speaks_below = frames;
  using speaks_above = frames;
};

/// Says hello, and is established when something comes. Leaves the rest as it is.
struct greeter : octet_layer {
  bool done = false;
  void established() override { write_below(slice::of_static("HELLO")); }
  take received(const slice& in) override {
    if (done) return layer::received(in);
    done = true;
    established_above();
    return {1};
  }
};

task<> read_all(incoming& in, std::string& all) {
  while (auto f = co_await in.next()) all += std::string(f->view()) + '|';
  all += "end";
}

std::string lost(const std::exception& e) {
  const auto* l = dynamic_cast<const connection_lost*>(&e);
  return l ? std::string(to_text(l->record().how)) : std::string("another: ") + e.what();
}

} // namespace

CRECHE_TEST("P17: a peer that ends before the handshake is done ends the stack, as truncated") {
  for (const bool reset : {false, true}) {
    memory_wire w;
    if (reset)
      w.reset();
    else
      w.eof();
    std::string how;
    auto user = n.start([&]() -> task<> {
      try {
        co_await open(n, w.transport() / layered<greeter>() / lines(line_end::lf));
      } catch (const std::exception& e) {
        how = lost(e);
      }
    });
    co_await sleep_for(1s);
    CHECK(user.ended());
    CHECK(how == (reset ? "reset" : "truncated"));
    CHECK(w.over());
  }
}

namespace {
/// Passes the end on, though it was never established.
struct careless : greeter {
  void eof() override { eof_above(); }
};
} // namespace

CRECHE_TEST("P17: an end that comes to the top before bytes could flow ends the stack") {
  memory_wire w;
  std::string how;
  auto user = n.start([&]() -> task<> {
    try {
      co_await open(n, w.transport() / layered<careless>());
    } catch (const std::exception& e) {
      how = lost(e);
    }
  });
  co_await sleep_for(1s);
  w.eof();
  co_await sleep_for(1s);
  CHECK(user.ended());
  CHECK(how == "truncated");
}

namespace {
struct shy : octet_layer {
  hold h;
  void established() override {
    limit(time_limit::write_stall, 10s);
    h = pause_out("handshake");
    established_above();
  }
  take received(const slice& in) override {
    h.release();
    return layer::received(in);
  }
};
} // namespace

CRECHE_TEST("P18: what waits for a hold does not stall, and what went out stalls no more") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / layered<shy>());
  co_await c.send("early");
  co_await sleep_for(20s); // longer than the limit: it is no want of room
  CHECK_FALSE(w.over());
  w.feed("x");
  co_await sleep_for(1s);
  CHECK(w.got() == "early");
  for (int i = 0; i < 30; ++i) {
    co_await c.send("y");
    co_await sleep_for(1s);
  }
  CHECK_FALSE(w.over());
  w.take(0);
  co_await c.send(std::string(100'000, 'z'));
  co_await c.send("and more");
  co_await sleep_for(11s);
  w.take(memory_wire::no_end); // what was written is flushed
  const auto r = co_await c.ended();
  CHECK(r.how == ended_by::timeout);
}

namespace {
struct ender : octet_layer {
  std::string& heard;
  bool ended = false;
  explicit ender(std::string* h) : heard(*h) {}
  void note(const char* what) {
    if (ended) heard += std::string(what) + " ";
  }
  take received(const slice& in) override {
    note("received");
    for (int i = 0; i < 9; ++i) write_below(slice::copy_of(std::string(8000, 'x')));
    end(ended_by::refused);
    ended = true;
    return all(in);
  }
  void resume_out() override { note("resume_out"); }
  void drain() override { note("drain"); }
  void eof() override { note("eof"); }
};
} // namespace

CRECHE_TEST("P14: a layer that has said its end hears nothing more") {
  memory_wire w;
  std::string heard;
  w.take(0);
  auto c = co_await open(n, w.transport() / layered<ender>(&heard) / lines(line_end::lf));
  w.feed("x");
  co_await sleep_for(1s);
  w.take(20'000);
  w.feed("more");
  co_await sleep_for(1s);
  c.stack().stop();
  w.eof();
  co_await sleep_for(1s);
  w.take(memory_wire::no_end);
  const auto r = co_await c.ended();
  CHECK(r.how == ended_by::refused);
  CHECK(w.got().size() == 72'000);
  CHECK(heard == "");
}

namespace {
struct gate : frame_layer {
  hold h;
  bool by_hold, opened = false;
  explicit gate(bool hold) : by_hold(hold) {}
  take received(const slice& in) override {
    if (!opened && by_hold) {
      if (!h) h = pause_in("not yet");
      return {};
    }
    send_up(in);
    return all(in);
  }
  void write(slice b) override {
    opened = true;
    h.release();
    write_below(std::move(b));
  }
};
/// Uses an empty frame, and waits before the next one.
struct pacer : frame_layer {
  hold h;
  take received(const slice& in) override {
    send_up(in);
    h = pause_in("paced");
    return all(in);
  }
  void write(slice b) override {
    h.release();
    write_below(std::move(b));
  }
};
} // namespace

CRECHE_TEST("P21, P24: an empty frame is used or waited with, like any other") {
  for (const std::string sent : {"\na\n\nb\n", "a\n\n\nb\n"}) {
    memory_wire w;
    auto c = co_await open(n, w.transport() / lines(line_end::lf) / layered<gate>(true));
    w.feed(sent);
    co_await sleep_for(1s);
    CHECK(c.frames().unread() == 0);
    co_await c.send("go");
    w.eof();
    std::string got;
    co_await read_all(c.frames(), got);
    CHECK(got == (sent[0] == '\n' ? "|a||b|end" : "a|||b|end"));
  }
  memory_wire w;
  auto c = co_await open(n, w.transport() / lines(line_end::lf) / layered<pacer>());
  w.feed("\n\na\n");
  std::string got;
  for (int i = 0; i < 3; ++i) {
    got += std::string((co_await c.frames().next())->view()) + '|';
    co_await sleep_for(1s);
    CHECK(c.frames().unread() == 0);
    co_await c.send("go");
  }
  CHECK(got == "||a|");
}

namespace {
struct waits : octet_layer {
  bool ready = false;
  take received(const slice& in) override {
    if (!ready) return wait();
    send_up(in);
    return all(in);
  }
  void write(slice b) override {
    ready = true;
    look_again();
    write_below(std::move(b));
  }
};
} // namespace

CRECHE_TEST("P21: to wait for room while there is some is to use nothing, and not for good") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / layered<waits>());
  w.feed("abc");
  co_await sleep_for(1s);
  CHECK(c.frames().unread() == 0);
  co_await c.send("go");
  CHECK((co_await c.frames().next())->view() == "abc");
}

namespace {
struct notifier : octet_layer {
  const char* name() const noexcept override { return "notifier"; }
  void write(slice b) override { write_below(slice::copy_of("<" + std::string(b.view()) + ">")); }
  void finish() override {
    write_below(slice::of_static("[bye]"));
    finish_below();
  }
  void close(ended_by how) override {
    write_below(slice::of_static("[bye]"));
    close_below(how);
  }
};
struct replacer : octet_layer {
  bool* told;
  bool asked = false;
  explicit replacer(bool* t) : told(t) {}
  void write(slice b) override {
    if (b.view() != "go") return write_below(std::move(b));
    write_below(slice::of_static("GO;"));
    replace_with(layered<notifier>());
    asked = true;
  }
  void finish() override {
    *told |= asked;
    finish_below();
  }
  void close(ended_by how) override {
    *told |= asked;
    close_below(how);
  }
  void abort(ended_by how) override {
    *told |= asked;
    abort_below(how);
  }
};
} // namespace

CRECHE_TEST("L1: who is about to be replaced is given no order more: they are its successor's") {
  for (const int what : {0, 1, 2, 3, 4}) {
    memory_wire w;
    bool told = false;
    auto c = co_await open(n, w.transport() / layered<replacer>(&told));
    co_await c.send("go");
    if (what == 1 || what == 3) co_await c.send("data");
    if (what < 2) c.finish();
    if (what == 2 || what == 3) c.close();
    if (what == 4) c.abort();
    co_await sleep_for(1s);
    INFO("way " << what);
    CHECK_FALSE(told);
    if (what < 4) CHECK(w.got() == (what == 1 || what == 3 ? "GO;<data>[bye]" : "GO;[bye]"));
  }
}

namespace {
struct impatient : octet_layer {
  int* times;
  explicit impatient(int* t) : times(t) {}
  void attached() override { limit(time_limit::both, 0s); }
  void timed_out(time_limit, clock_duration after) override {
    ++*times;
    CHECK(after == 0s);
  }
};
struct negative : octet_layer {
  void attached() override { limit(time_limit::both, -1s); }
};
struct flood : octet_layer {
  take received(const slice& in) override {
    for (int i = 0; i < 1000; ++i) send_up(slice::copy_of(std::string(4096, 'x')));
    return all(in);
  }
};
} // namespace

CRECHE_TEST("P18: a limit of nothing runs out at once, and once; a negative one is refused") {
  memory_wire w, v;
  int times = 0;
  auto c = co_await open(n, w.transport() / layered<impatient>(&times));
  co_await sleep_for(1h);
  CHECK(times == 1);
  auto bad = n.start(as_child(v.transport() / layered<negative>()).ignore_failure());
  co_await bad.wait();
  CHECK(bad.result()->why->to_text().find("a limit is not less than zero") != std::string::npos);
}

CRECHE_TEST("P18, P15: who half-closed sends no more, and is not cut off for that") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / idle({.read = 10s}) / lines(line_end::lf));
  w.feed("question\n");
  w.eof();
  CHECK((co_await c.frames().next())->view() == "question");
  co_await sleep_for(60s);
  co_await c.send("answer");
  co_await c.flushed();
  CHECK(w.got() == "answer\n");
}

CRECHE_TEST("L3: a layer that sends up without looking for room fails past twice the mark") {
  memory_wire w;
  auto child = n.start(as_child(w.transport() / layered<flood>()).ignore_failure());
  w.feed("x");
  co_await child.wait();
  CHECK(child.result()->why->to_text().find(
            "sent up past twice the high mark without looking for room") != std::string::npos);
}

CRECHE_TEST("X2, L3: a stream that comes in single bytes is held, whatever a piece costs") {
  memory_wire w;
  auto c = co_await open(n, w.transport());
  const auto before = creche::detail::pool::carved(); // 0 for ever where every block is malloc's
  constexpr int bytes = 60'000;
  for (int i = 0; i < bytes; ++i) {
    w.feed("x");
    co_await sleep_for(1ns);
  }
  CHECK(c.frames().unread() <= 65'536 / 64);
  CHECK(creche::detail::pool::carved() - before < 1'000'000);
  w.eof();
  std::size_t all = 0;
  while (auto b = co_await c.frames().next()) all += b->size();
  CHECK(all == bytes);
}

namespace {
/// Sends up each piece in a slab that others fill.
struct crowded : octet_layer {
  std::vector<const char*>* cut;
  explicit crowded(std::vector<const char*>* c) : cut(c) {}
  take received(const slice& in) override {
    auto& c = slab_cursor::for_input();
    std::memcpy(c.room(in.size()).data(), in.view().data(), in.size());
    auto piece = c.cut(in.size());
    c.room(creche::detail::slab::standard);
    cut->push_back(piece.view().data());
    send_up(std::move(piece));
    return all(in);
  }
};
/// Wants nothing until it may, then says where what it is shown lies.
struct patient : octet_layer {
  std::vector<const char*>* seen;
  hold* until;
  patient(std::vector<const char*>* s, hold* h) : seen(s), until(h) {}
  void established() override {
    *until = pause_in("until it may");
    established_above();
  }
  take received(const slice& in) override {
    seen->push_back(in.view().data());
    return layer::received(in);
  }
};
} // namespace

CRECHE_TEST("X2, L3: what waits before a held layer pins no slabs that others read into") {
  memory_wire w;
  std::vector<const char*> cut, seen;
  hold h;
  auto c = co_await open(n, w.transport() / layered<crowded>(&cut) / layered<patient>(&seen, &h));
  for (int i = 0; i < 50; ++i) {
    w.feed(std::string(1, char('a' + i % 26)));
    co_await sleep_for(1ms);
  }
  CHECK(seen.empty());
  h.release();
  co_await sleep_for(1s);
  REQUIRE(cut.size() == 50);
  REQUIRE(seen.size() == 50);
  for (std::size_t i = 0; i < cut.size(); ++i) CHECK(seen[i] != cut[i]);
  w.eof();
  std::string all;
  while (auto b = co_await c.frames().next()) all += b->view();
  REQUIRE(all.size() == 50);
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i] == char('a' + i % 26));
}

namespace {
/// As the page shows it: sends up without asking whether there is room.
struct copier : octet_layer {
  take received(const slice& in) override {
    send_up(slice::copy_of(in.view()));
    return all(in);
  }
};
/// A byte becomes a thousand, which wait here while there is no room above.
struct inflater : octet_layer {
  std::string waiting;
  bool ended = false;
  void pump() {
    while (!waiting.empty() && room_above()) {
      const auto n = std::min<std::size_t>(waiting.size(), 4096);
      send_up(slice::copy_of(waiting.substr(0, n)));
      waiting.erase(0, n);
    }
    if (waiting.empty() && ended) eof_above();
  }
  take received(const slice& in) override {
    for (const char c : in.view()) waiting += std::string(1000, c);
    pump();
    return all(in);
  }
  void resume_in() override { pump(); }
  void eof() override {
    ended = true;
    pump();
  }
};
/// Says its end as soon as it can.
struct brief : octet_layer {
  using speaks_above = no_speech;
  void established() override {
    write_below(slice::of_static("bye"));
    finish_below();
  }
};
struct no_half_close : octet_layer {
  bool* told;
  explicit no_half_close(bool* t) : told(t) {}
  bool can_finish() const noexcept override { return false; }
  void finish() override { *told = true; }
};
struct hasty : octet_layer {
  hasty() { limit(time_limit::both, 1s); }
};
} // namespace

CRECHE_TEST("L3, P17: a frame far larger than the marks passes a layer that looks for no room") {
  for (const std::size_t size : {60'000u, 140'000u, 1'000'000u}) {
    auto ends = memory_pair();
    auto a = co_await open(n, ends.a / layered<copier>() / length_prefix(4));
    auto b = co_await open(n, ends.b / length_prefix(4));
    for (int i = 0; i < 2; ++i) {
      co_await b.send(std::string(size, char('x' + i)));
      const auto f = co_await a.frames().next();
      REQUIRE(f);
      CHECK((f->view() == std::string(size, char('x' + i))));
    }
  }
}

CRECHE_TEST("L3, P21: a layer that has more to send up than has room is told when there is some") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / layered<inflater>());
  w.feed(std::string(500, 'x'));
  w.eof();
  co_await sleep_for(1s);
  CHECK(c.frames().unread() < 100);
  std::size_t all = 0;
  while (auto b = co_await c.frames().next()) all += b->size();
  CHECK(all == 500'000);
}

namespace {
/// Ends the stack when it is told the word, while what it wrote waits below it.
struct refuser : octet_layer {
  void write(slice b) override {
    if (b.view() == "end")
      end(ended_by::refused);
    else
      write_below(std::move(b));
  }
};
struct holder : octet_layer {
  hold* until;
  explicit holder(hold* h) : until(h) {}
  void attached() override { *until = pause_out("until it may"); }
};
} // namespace

namespace {
/// Wants four bytes at a time, until it is told that fewer will do.
struct by_fours : octet_layer {
  by_fours** me;
  std::size_t wanted = 4;
  explicit by_fours(by_fours** m) : me(m) { *m = this; }
  using layer::look_again;
  take received(const slice& in) override {
    if (in.size() < wanted) return {0, std::uint32_t(wanted)};
    send_up(in);
    return all(in);
  }
};
} // namespace

CRECHE_TEST("P21: a layer that asks for it is shown what is there, whatever it has said it needs") {
  memory_wire w;
  by_fours* layer = nullptr;
  auto c = co_await open(n, w.transport() / layered<by_fours>(&layer));
  w.feed("ab");
  co_await sleep_for(1s);
  CHECK(c.frames().unread() == 0);
  layer->wanted = 2;
  layer->look_again();
  co_await sleep_for(1s);
  CHECK(c.frames().unread() == 1);
}

CRECHE_TEST("L1: with read_ahead(false), a next() that was cancelled has asked for nothing") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / lines(line_end::lf));
  c.read_ahead(false);
  auto read = [&]() -> task<> { co_await c.frames().next(); };
  auto reader = n.start(read);
  co_await sleep_for(1s);
  reader.cancel();
  co_await reader.wait();
  w.feed("a line\nand bytes");
  co_await sleep_for(1s);
  CHECK(c.frames().unread() == 0);
  co_await c.remove("lines");
  std::string all;
  while (all.size() < 16) {
    auto b = co_await c.frames().next();
    REQUIRE(b);
    all += b->view();
  }
  CHECK(all == "a line\nand bytes");
}

CRECHE_TEST("P17: how a stack ends is not forgotten while its last bytes wait") {
  memory_wire w;
  hold h;
  auto c = co_await open(n, w.transport() / layered<holder>(&h) / layered<refuser>());
  co_await c.send("last");
  co_await c.send("end");
  co_await sleep_for(1s);
  CHECK(w.got() == "");
  h.release();
  co_await sleep_for(1s);
  CHECK(w.got() == "last");
  CHECK(w.how() == ended_by::refused);
}

CRECHE_TEST("P22: what had come and had no room is still the task's when the stack fails") {
  memory_wire w;
  auto c = co_await open(n, w.transport());
  for (int i = 0; i < 60; ++i) w.feed(std::string(4096, 'x'));
  co_await sleep_for(1s);
  const auto given = w.given();
  CHECK(given > 100'000); // more than has room where the task reads
  w.reset();
  co_await sleep_for(1s);
  std::size_t all = 0;
  try {
    while (auto b = co_await c.frames().next()) all += b->size();
  } catch (const connection_lost& e) {
    CHECK(e.record().how == ended_by::reset);
  }
  CHECK(all == given);
}

CRECHE_TEST("P14: a drain in the middle of a handshake ends the stack at once") {
  memory_wire w;
  w.connect_later();
  auto child = n.start(as_child(w.transport()));
  co_await sleep_for(1s);
  const auto before = now();
  child.stop();
  co_await child.wait();
  CHECK(now() - before < 1ms);
  CHECK(w.how() == ended_by::local);
  CHECK(w.closed());
}

CRECHE_TEST("P22: who cannot say its end and still read is not asked to, whoever is above it") {
  memory_wire w;
  bool told = false;
  auto child = n.start(as_child(w.transport() / layered<no_half_close>(&told) / layered<brief>()));
  co_await sleep_for(1s);
  CHECK(w.got() == "bye");
  CHECK_FALSE(w.finished());
  CHECK_FALSE(child.ended());
  w.eof();
  co_await child.wait();
  CHECK(w.closed());
  CHECK_FALSE(told);
}

CRECHE_TEST("P21: a layer that wants something of its stack in its constructor is told where to") {
  memory_wire w;
  auto child = n.start(as_child(w.transport() / layered<hasty>()).ignore_failure());
  co_await child.wait();
  CHECK(child.result()->why->to_text().find(
            "a layer has no stack in its constructor: do this in attached()") != std::string::npos);
}

namespace {
/// Asks to be shown again while it is shown, and uses the bytes only then.
struct second_thoughts : octet_layer {
  int shown = 0;
  take received(const slice& in) override {
    if (++shown % 2 == 0) return layer::received(in);
    look_again();
    return {};
  }
};
} // namespace

CRECHE_TEST(
    "P21: a layer that asks for it while it is shown is shown again, in a turn of its own") {
  memory_wire w;
  auto c = co_await open(n, w.transport() / layered<second_thoughts>());
  for (const char* piece : {"a", "bc"}) {
    w.feed(piece);
    CHECK((co_await c.frames().next())->view() == piece);
  }
}
