// The tables and the drawing of actors/README.md against the code.
#include "actors/layers/framers.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/virtual_run.hpp"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

std::string trimmed(std::string s) {
  const auto first = s.find_first_not_of(' ');
  return first == s.npos ? "" : s.substr(first, s.find_last_not_of(' ') + 1 - first);
}
/// "a|b|c": ["a", "b", "c"]
strings split(const std::string& line) {
  strings r;
  for (std::size_t at = 0; at <= line.size();) {
    const auto bar = std::min(line.find('|', at), line.size());
    r.push_back(trimmed(line.substr(at, bar - at)));
    at = bar + 1;
  }
  return r;
}
/// What stands between backquotes, up to the first parenthesis.
strings names_in(const std::string& text) {
  strings r;
  for (auto at = text.find('`'); at != text.npos; at = text.find('`', at + 1)) {
    const auto end = text.find('`', at + 1);
    const auto name = text.substr(at + 1, end - at - 1);
    r.push_back(name.substr(0, name.find('(')));
    at = end;
  }
  return r;
}
strings lines_of(const std::string& path) {
  std::string root = __FILE__;
  root.resize(root.rfind("tests/"));
  std::ifstream in(root + path);
  REQUIRE(in);
  strings r;
  for (std::string line; std::getline(in, line);) r.push_back(line);
  return r;
}
/// The lines between the one that begins so and the next one that does not begin with `each`.
strings block(const std::string& first, const std::string& each) {
  strings r;
  bool inside = false;
  for (auto& line : lines_of("actors/README.md")) {
    if (inside && !line.starts_with(each)) break;
    if (inside) r.push_back(line);
    inside = inside || line.starts_with(first);
  }
  REQUIRE(r.size() > 3);
  return r;
}

// ---- a life, as it is heard

using state_row = std::tuple<std::string, std::string, std::string>; // state, hears, then

struct life {
  std::set<state_row> rows;
  std::string state = "made";
  void hears(const char* what) {
    auto then = state;
    if (what == std::string("attached")) then = "waiting";
    if (what == std::string("established")) then = "open";
    if (what == std::string("eof")) then = "read out";
    rows.emplace(state, what, then);
    state = then;
  }
};

struct listening : layer {
  life& to;
  explicit listening(life* l) : to(*l) { to.state = "made"; }
  const char* name() const noexcept override { return "listening"; }
  void attached() override { to.hears("attached"); }
  void established() override {
    to.hears("established");
    layer::established();
  }
  take received(const slice& in) override {
    to.hears("received");
    return layer::received(in);
  }
  void eof() override {
    to.hears("eof");
    (void)room_above(); // to be told when there is some
    layer::eof();
  }
  void resume_out() override { to.hears("resume_out"); }
  void resume_in() override { to.hears("resume_in"); }
  void drain() override {
    to.hears("drain");
    layer::drain();
  }
  void write(slice b) override {
    to.hears("write");
    layer::write(std::move(b));
  }
  void finish() override {
    to.hears("finish");
    layer::finish();
  }
  void close(ended_by how) override {
    to.hears("close");
    layer::close(how);
  }
  void abort(ended_by how) override {
    to.hears("abort");
    layer::abort(how);
  }
};

/// Does what the test says, and does not close by itself.
struct talker : layer {
  using speaks_above = no_speech;
  talker*& me;
  hold held;
  explicit talker(talker** m) : me(*m) { me = this; }
  const char* name() const noexcept override { return "talker"; }
  void eof() override {}
  void drain() override {}
  void do_hold() { held = pause_in("the test's"); }
  void do_release() { held.release(); }
  void do_write(std::size_t n) { write_below(slice::copy_of(std::string(n, 'x'))); }
  void do_finish() { finish_below(); }
  void do_close() { close_below(ended_by::clean); }
  void do_abort() { abort_below(ended_by::local); }
};

// ---- a drawing, as it is played

struct played {
  std::map<std::string, strings> links; // "memory|lines": {"> established", ...}
  strings notes;
};

template <class Speech> struct spy : layer {
  using speaks_below = Speech;
  using speaks_above = Speech;
  strings& log;
  explicit spy(strings* l) : log(*l) {}
  const char* name() const noexcept override { return "spy"; }
  void established() override {
    log.push_back("> established");
    layer::established();
  }
  take received(const slice& in) override {
    log.push_back("> received");
    return layer::received(in);
  }
  void eof() override {
    log.push_back("> eof");
    layer::eof();
  }
  void write(slice b) override {
    log.push_back("< write");
    layer::write(std::move(b));
  }
  void finish() override {
    log.push_back("< finish");
    layer::finish();
  }
  void close(ended_by how) override {
    log.push_back("< close");
    layer::close(how);
  }
};

struct yours : layer {
  using speaks_below = frames;
  using speaks_above = no_speech;
  strings& notes;
  yours*& me;
  hold held;
  yours(strings* n, yours** m) : notes(*n), me(*m) { me = this; }
  const char* name() const noexcept override { return "yours"; }
  take received(const slice& in) override {
    notes.emplace_back(in.view());
    if (in.view() == "ab") {
      notes.back() += ", takes a hold";
      held = pause_in("the drawing");
    }
    return all(in);
  }
  void eof() override {
    notes.push_back("answers ef, and closes");
    write_below(slice::copy_of("ef"));
    finish_below();
    close_below(ended_by::clean);
  }
  void release() {
    notes.push_back("releases it");
    held.release();
  }
};

} // namespace

TEST_CASE("X7: the table of verbs names every letter, and its direction") {
  std::map<std::string, std::string> code, page;
  bool inside = false;
  for (auto& line : lines_of("actors/stack/internal/layer_message.hpp")) {
    if (inside && line.starts_with("}")) break;
    if (inside) {
      const auto name = trimmed(line.substr(0, line.find(',')));
      const auto direction = line.substr(line.find("// ") + 3);
      code[name] = direction.substr(0, direction.find(':'));
    }
    inside = inside || line.starts_with("enum class verb");
  }
  REQUIRE(code.size() > 5);
  for (auto& line : block("| verb | direction", "|")) {
    const auto cells = split(line);
    const auto names = names_in(line);
    if (!names.empty() && names[0] != "attached") page[names[0]] = cells[2]; // no letter: a turn
  }
  CHECK(page == code);
}

TEST_CASE("X7: the table of a layer's life says what it hears, and nothing else") {
  std::set<state_row> page;
  for (auto& line : block("| state | hears", "|")) {
    const auto cells = split(line);
    for (auto& heard : names_in(cells[2]))
      page.emplace(names_in(cells[1]).at(0), heard, names_in(cells[3]).at(0));
  }
  life l;
  using doing = void (*)(memory_wire&, talker&, child&);
  static constexpr doing ends[] = {
      [](memory_wire&, talker& t, child&) { t.do_close(); },
      [](memory_wire&, talker& t, child&) { t.do_abort(); },
      [](memory_wire&, talker&, child& c) { c.stop(); },
      [](memory_wire& w, talker&, child&) { w.reset(); },
  };
  for (const auto end : ends) {
    for (const int stage : {0, 1, 2}) { // waiting, open, read out
      const auto r = run_virtual([&](nursery& n) -> task<> {
        memory_wire w;
        w.connect_later();
        talker* top = nullptr;
        const any_stack value = w.transport() / layered<listening>(&l) / layered<talker>(&top);
        auto spec = as_child(value);
        auto c = n.start(std::move(spec));
        co_await sleep_for(1ns);
        if (stage >= 1) {
          w.connect();
          top->do_hold();
          w.feed(std::string(100'000, 'x')); // more than has room
          co_await sleep_for(1ns);
          top->do_release();
          co_await sleep_for(1ns);
        }
        if (stage == 2) {
          top->do_hold();
          w.feed(std::string(65'536, 'x')); // just so much
          w.eof();
          co_await sleep_for(1ns);
          top->do_release();
        }
        co_await sleep_for(1ns);
        w.take(0);
        for (int i = 0; i < (stage ? 9 : 1); ++i) top->do_write(10'000); // 7 have room
        co_await sleep_for(1ns);
        w.take(memory_wire::no_end);
        co_await sleep_for(1ns);
        top->do_finish();
        co_await sleep_for(1ns);
        end(w, *top, c);
        co_await sleep_for(1ns);
        if (!c.ended()) c.cancel();
        co_await c.wait();
      });
      CHECK(r.deadlock == "");
    }
  }
  const auto to_text = [](const std::set<state_row>& rows) {
    std::string t;
    for (auto& [state, heard, then] : rows) t += "\n" + state + " | " + heard + " | " + then;
    return t;
  };
  CHECK(to_text(l.rows) == to_text(page));
}

TEST_CASE("X7: the drawing of a stack is what its layers say to each other") {
  played page, run;
  const strings columns{"memory|lines", "lines|yours"};
  for (auto& line : block("    peer ", "    ")) {
    const auto cells = split(line);
    REQUIRE(cells.size() == 5);
    for (std::size_t i = 0; i < columns.size(); ++i) {
      std::string label;
      for (const char c : cells[i + 2])
        if ((c >= 'a' && c <= 'z') || c == '_') label += c;
      const auto* direction = cells[i + 2].ends_with('>') ? "> " : "< ";
      if (!label.empty()) page.links[columns[i]].push_back(direction + label);
    }
    if (!cells[4].empty()) page.notes.push_back(cells[4]);
  }
  const auto r = run_virtual([&](nursery& n) -> task<> {
    memory_wire w;
    w.connect_later();
    yours* top = nullptr;
    const any_stack value = w.transport() / layered<spy<octets>>(&run.links[columns[0]]) /
                            lines(line_end::lf) / layered<spy<frames>>(&run.links[columns[1]]) /
                            layered<yours>(&run.notes, &top);
    auto spec = as_child(value);
    auto c = n.start(std::move(spec));
    co_await sleep_for(1ns);
    w.connect();
    co_await sleep_for(1ns);
    w.feed("ab\ncd\n");
    co_await sleep_for(1ns);
    top->release();
    co_await sleep_for(1ns);
    w.eof();
    co_await c.wait();
    CHECK(w.got() == "ef\n");
  });
  CHECK(r.deadlock == "");
  CHECK(run.notes == page.notes);
  for (auto& column : columns) {
    INFO(column);
    CHECK(run.links[column] == page.links[column]);
  }
}
