// tap: what passes is in the file, the file has its limit, and its errors are nobody's.
#include "actors/layers/tap.hpp"

#include "actors/layers/framers.hpp"
#include "actors/services/standard_words.hpp"
#include "actors/stack/connection.hpp"
#include "actors/testing/memory.hpp"
#include "runtime/supervision/tree.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/doctest.hpp"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>

using namespace creche;
using namespace creche::testing;
using namespace std::chrono_literals;

namespace {

struct scratch {
  std::string path = (std::filesystem::temp_directory_path() /
                      ("creche_tap_" + std::to_string(::getpid()) + ".tap"))
                         .string();
  scratch() { std::filesystem::remove(path); }
  ~scratch() { std::filesystem::remove(path); }
  scratch(const scratch&) = delete;
  std::string bytes() const {
    std::ifstream f(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(f), {}};
  }
  void put(std::string_view b) const {
    std::ofstream(path, std::ios::binary).write(b.data(), std::streamsize(b.size()));
  }
};

std::string text_of(const std::vector<tap_record>& all) {
  static constexpr const char* words[] = {"in ", "out ", "eof", "finish", "close", "broken"};
  std::string s;
  for (auto& r : all) {
    s += std::to_string(r.at / 1s) + ": " + words[std::size_t(r.what)] + r.bytes + "\n";
  }
  return s;
}

/// The detail of the node of that kind, wherever it is.
std::string detail_of(const tree_node& t, std::string_view kind) {
  if (t.kind == kind) return t.detail;
  for (auto& c : t.children)
    if (auto d = detail_of(c, kind); !d.empty()) return d;
  return {};
}

} // namespace

CRECHE_TEST("X7: tap records what passes, when, and which way; a replay gives the same") {
  const scratch file;
  {
    memory_wire w;
    auto c = co_await open(n, w.transport() / tap(file.path) / lines(line_end::lf));
    co_await sleep_for(1s);
    w.feed("hel");
    co_await sleep_for(1s);
    w.feed("lo\n");
    auto f = co_await c.frames().next();
    CHECK(f->view() == "hello");
    co_await c.send("yes");
    co_await sleep_for(1s);
    w.eof();
    f = co_await c.frames().next();
    CHECK_FALSE(f.has_value());
    c.finish(); // with both ends said it ends
    co_await c.ended();
  }
  const auto all = tap_records(file.path);
  CHECK(text_of(all) == "1: in hel\n2: in lo\n\n2: out yes\n\n3: eof\n3: finish\n3: close\n");
  memory_wire again;
  auto c = co_await open(n, again.transport() / lines(line_end::lf));
  for (auto& r : all)
    if (r.what == tap_event::in) again.feed(r.bytes);
  auto f = co_await c.frames().next();
  CHECK(f->view() == "hello");
}

CRECHE_TEST("L13: tap records that a stack was over without a close, and lets go of its file") {
  const scratch file;
  void (*const ways[])(memory_wire&, connection&) = {
      [](memory_wire& w, connection&) { w.reset(); },
      [](memory_wire&, connection& c) { c.abort(); },
      [](memory_wire&, connection& c) { c.stack().cancel(); },
  };
  for (const auto way : ways) {
    memory_wire w;
    auto c = co_await open(n, w.transport() / tap(file.path));
    w.feed("x");
    co_await sleep_for(1s);
    way(w, c);
    co_await sleep_for(1s);
    CHECK(text_of(tap_records(file.path)) == "0: in x\n1: broken\n");
  }
}

CRECHE_TEST("L13: a stack that is opened again at once is recorded again") {
  const scratch file;
  for (const char* word : {"one", "two"}) {
    memory_wire w;
    auto c = co_await open(n, w.transport() / tap(file.path));
    w.feed(word);
    co_await c.frames().next();
    c.close();
    co_await c.ended();
    CHECK(text_of(tap_records(file.path)) == "0: in " + std::string(word) + "\n0: close\n");
  }
}

CRECHE_TEST("X7: tap between frames records each, also an empty one") {
  const scratch file;
  memory_wire w;
  auto c = co_await open(n, w.transport() / netstring() / tap<frames>(file.path));
  w.feed("0:,2:ab,");
  co_await c.send("");
  co_await c.frames().next();
  co_await c.frames().next();
  c.close();
  co_await c.ended();
  std::string in, out;
  for (auto& r : tap_records(file.path)) {
    if (r.what == tap_event::in) (in += r.bytes) += '|';
    if (r.what == tap_event::out) (out += r.bytes) += '|';
  }
  CHECK(in == "|ab|");
  CHECK(out == "|");
}

CRECHE_TEST("X7: a file of tap has its limit, and all passes behind it") {
  for (const bool fits : {true, false}) {
    const scratch file;
    memory_wire w;
    const tap_options o{.most_bytes = std::uint64_t(8 + 16 + 5 + 16 + 5 - (fits ? 0 : 1))};
    auto c = co_await open(n, w.transport() / tap(file.path, o));
    co_await c.send("01234");
    co_await c.send("56789");
    co_await sleep_for(1ns);
    CHECK(w.got() == "0123456789");
    CHECK(text_of(tap_records(file.path)) ==
          (fits ? "0: out 01234\n0: out 56789\n" : "0: out 01234\n"));
    CHECK(file.bytes().size() <= o.most_bytes);
    CHECK(detail_of(tree(), "tap") == (fits ? "" : "recording ended: the file is full"));
    c.close();
    co_await c.ended();
  }
}

CRECHE_TEST("X7: a file that cannot be written ends the recording, not the stack") {
  const std::string no_folder = "/nowhere/at/all", full = "/dev/full";
  for (auto& path : {no_folder, full}) {
    memory_wire w;
    auto c = co_await open(n, w.transport() / tap(path));
    co_await c.send("x");
    co_await sleep_for(1ns);
    CHECK(w.got() == "x");
    CHECK(detail_of(tree(), "tap") == (path == full
                                           ? "recording ended: No space left on device"
                                           : "recording ended: No such file or directory"));
    c.close();
    const auto end = co_await c.ended();
    CHECK(end.how == ended_by::clean);
  }
}

CRECHE_TEST("X7: a file that is being written is left alone; afterwards it begins anew") {
  const scratch file;
  memory_wire w, v, u;
  const auto t = tap(file.path);
  auto a = co_await open(n, w.transport() / t);
  auto b = co_await open(n, v.transport() / t);
  co_await b.send("b");
  co_await a.send("a");
  co_await sleep_for(1ns);
  CHECK(text_of(tap_records(file.path)) == "0: out a\n");
  CHECK(v.got() == "b");
  CHECK(tree().to_text().find("not recorded: another stack records to its file") !=
        std::string::npos);
  a.close();
  co_await a.ended();
  auto c = co_await open(n, u.transport() / t);
  CHECK(text_of(tap_records(file.path)) == "");
}

TEST_CASE("X7: the reader takes whole records only, and says what is no record") {
  const scratch file;
  const std::string head("CRTAP\0\0\1", 8);
  std::string one(16, '\0');
  one[8] = 2; // bytes
  one[12] = 1;
  file.put(head + one + "ab");
  const auto all = tap_records(file.path);
  REQUIRE(all.size() == 1);
  CHECK(all[0].bytes == "ab");
  for (std::size_t cut = 1; cut <= 18; ++cut) {
    file.put((head + one + "ab").substr(0, 26 - cut));
    CHECK(tap_records(file.path).empty());
  }
  one[12] = 5;
  file.put(head + one + "ab");
  CHECK(tap_records(file.path).at(0).what == tap_event::broken);
  one[12] = 6; // there is no such event
  file.put(head + one + "ab");
  CHECK_THROWS_AS(tap_records(file.path), std::invalid_argument);
  file.put("CRTAP");
  CHECK_THROWS_AS(tap_records(file.path), std::invalid_argument);
  CHECK_THROWS_AS(tap_records("/nowhere/at/all"), std::system_error);
}

TEST_CASE("P11: the text of tap parses and prints the same") {
  for (std::string text : {"tap(/tmp/a.tap)", "tap(a,24)", "netstring/tap(a b,100,frames)",
                           "netstring/tap(frames,frames)", "tap(frames)"})
    CHECK(parse_stack(text).to_text() == text);
  CHECK(tap("a,b").to_text() == "?");
  CHECK(tap("a\nb").to_text() == "?"); // P11: it would not parse
  CHECK(tap("a)").to_text() == "?");
  for (std::string text :
       {"tap", "tap()", "tap(a,23)", "tap(a,x)", "tap(a,frames,100)", "tap(a,30,40)"})
    CHECK_THROWS_AS(parse_stack(text), stack_text_error);
}
