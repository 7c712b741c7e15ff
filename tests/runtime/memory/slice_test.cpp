// Bytes that travel: who keeps which memory alive, and what it costs to keep a few of them.
#include "runtime/memory/slice.hpp"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace creche;
using detail::slab;

namespace {

/// Writes into the room of a cursor, as a transport does.
slice written(slab_cursor& c, std::string_view text) {
  const auto room = c.room(std::uint32_t(text.size()));
  REQUIRE(room.size() >= text.size());
  std::memcpy(room.data(), text.data(), text.size());
  return c.cut(std::uint32_t(text.size()));
}

} // namespace

TEST_CASE("L12: a slice keeps its bytes, its copies and parts see the same") {
  slice part;
  {
    const auto whole = slice::copy_of("hello world");
    part = whole.part(6, 5);
    CHECK(part.view().data() == whole.view().data() + 6);
    const slice copy = whole; // NOLINT(performance-unnecessary-copy-initialization)
    CHECK(copy.view() == "hello world");
  }
  CHECK(part.view() == "world");
  part.skip(1);
  CHECK(part.view() == "orld");
  slice taken = std::move(part);
  CHECK(part.empty()); // NOLINT(bugprone-use-after-move)
  part = taken;
  auto& self = part;
  part = self;
  CHECK(part.view() == "orld");
  taken = slice();
  CHECK(part.view() == "orld");
  CHECK(part.bytes().size() == 4);
}

TEST_CASE("L12: empty and static slices own nothing") {
  CHECK(slice().empty());
  CHECK(slice::copy_of("").empty());
  auto s = slice::of_static("static text");
  const auto* at = s.view().data();
  s.keep_cheaply();
  CHECK(s.view().data() == at);
  CHECK(s.private_copy().view() == "static text");
  CHECK(s.private_copy().view().data() != at);
  CHECK(slice().private_copy().empty());
}

TEST_CASE("L12: a cursor starts over when nobody holds a slice of its slab") {
  slab_cursor c;
  const char* first = nullptr;
  for (int i = 0; i < 1000; ++i) {
    const auto s = written(c, "some bytes");
    if (!first) first = s.view().data();
    CHECK(s.view().data() == first);
  }
  const auto kept = written(c, "kept");
  const auto next = written(c, "next");
  CHECK(next.view().data() > kept.view().data());
  CHECK(next.view().data() < first + slab::standard);
  CHECK(kept.view() == "kept");
}

TEST_CASE("L12: a cursor never writes over what somebody holds") {
  std::mt19937 random(3);
  slab_cursor c;
  std::vector<std::pair<slice, std::string>> held;
  for (int i = 0; i < 3000; ++i) {
    std::string text(1 + random() % 9000, char('a' + i % 26));
    held.emplace_back(written(c, text), text);
    if (held.size() > 40) held.erase(held.begin() + long(random() % held.size()));
  }
  for (auto& [s, text] : held) CHECK((s.view() == text));
}

TEST_CASE("L12: a cursor has as much room as is asked for, up to a whole slab") {
  slab_cursor c;
  const auto whole = written(c, std::string(slab::standard, 'x'));
  const auto more = written(c, std::string(slab::standard, 'y'));
  CHECK(whole.view()[slab::standard - 1] == 'x');
  CHECK(more.view()[0] == 'y');
}

TEST_CASE("L12: what is kept for long is copied when it would pin more than eight times its size") {
  slab_cursor c;
  const auto kept = [&](std::size_t n) {
    auto s = written(c, std::string(n, 'x'));
    const auto* before = s.view().data();
    s.keep_cheaply();
    CHECK(s.view() == std::string(n, 'x'));
    return s.view().data() == before;
  };
  CHECK_FALSE(kept(10));
  CHECK_FALSE(kept(slab::standard / 8 - 1));
  CHECK(kept(slab::standard / 8));
  CHECK(kept(9000));
  auto exact = slice::copy_of("x");
  const auto* before = exact.view().data();
  exact.keep_cheaply();
  CHECK(exact.view().data() == before); // its slab is no larger than it is
}

TEST_CASE("L12: a slab of exactly the standard size is told from a standard one") {
  for (const std::size_t n : {std::size_t{slab::standard} - 1, std::size_t{slab::standard},
                              std::size_t{slab::standard} + 1, std::size_t{1'000'000}}) {
    const auto s = slice::copy_of(std::string(n, 'x'));
    CHECK(s.size() == n);
    CHECK(s.view().back() == 'x');
  }
}

TEST_CASE("L12: a private copy may be freed on another thread") {
  std::vector<slice> all;
  slab_cursor c;
  for (std::size_t n : {1u, 100u, 5000u, 70'000u})
    all.push_back(slice::copy_of(std::string(n, 'x')).private_copy());
  all.push_back(written(c, "from a cursor").private_copy());
  std::thread other([mine = std::move(all)]() mutable {
    CHECK(mine.back().view() == "from a cursor");
    mine.clear();
  });
  other.join();
}

TEST_CASE("L12: cursors belong to their thread and give back what they hold") {
  for (int i = 0; i < 20; ++i) {
    std::thread([] {
      const auto in = written(slab_cursor::for_input(), "in");
      const auto out = written(slab_cursor::for_output(), "out");
      CHECK(in.view() == "in");
      CHECK(out.view() == "out");
    }).join();
  }
}

TEST_CASE("P21: a receive buffer holds pieces together, and no memory while empty") {
  receive_buffer b;
  CHECK(b.empty());
  CHECK(b.all().empty());
  b.append("");
  CHECK(b.empty());
  b.append("abc");
  b.append("def");
  CHECK(b.all().view() == "abcdef");
  b.consume(2);
  CHECK(b.all().view() == "cdef");
  b.consume(0);
  b.append("gh");
  CHECK(b.size() == 6);
  CHECK(b.all().view() == "cdefgh");
  b.consume(6);
  CHECK(b.empty());
  b.append("again");
  b.clear();
  CHECK(b.empty());
}

TEST_CASE("P21: what a receive buffer has shown stays as it was, whatever comes after") {
  std::mt19937 random(5);
  receive_buffer b;
  std::string expected;
  std::vector<std::pair<slice, std::string>> shown;
  for (int i = 0; i < 5000; ++i) {
    const std::string piece(random() % 50, char('a' + i % 26));
    b.append(piece);
    expected += piece;
    if (random() % 3 == 0) shown.emplace_back(b.all(), expected);
    if (random() % 3 == 0 && !expected.empty()) {
      const auto n = random() % (expected.size() + 1);
      b.consume(n);
      expected.erase(0, n);
    }
    if (shown.size() > 20) shown.erase(shown.begin());
    REQUIRE((b.all().view() == expected));
    for (auto& [s, text] : shown) REQUIRE((s.view() == text));
  }
}
