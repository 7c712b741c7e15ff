// A hold pauses as long as it lives: counted, labelled, and nothing happens in a destructor.
#include "actors/stack/hold.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <random>
#include <type_traits>
#include <vector>

using namespace creche;

namespace {

struct watched : holds {
  int resumes = 0;
  void released() noexcept override { ++resumes; }
};

} // namespace

TEST_CASE("X2: holds are counted; only the last one that goes is told") {
  watched w;
  CHECK_FALSE(w.any());
  {
    hold a(w, "a"), b(w, "b");
    CHECK(w.count() == 2);
    CHECK(w.blame() == "b");
    b.release();
    b.release(); // once is enough
    CHECK(w.count() == 1);
    CHECK(w.blame() == "a");
    CHECK(w.resumes == 0);
  }
  CHECK_FALSE(w.any());
  CHECK(w.blame() == "");
  CHECK(w.resumes == 1);
}

TEST_CASE("X2: a hold moves, and holds once") {
  watched w, v;
  hold a(w, "a");
  hold b(std::move(a));
  CHECK_FALSE(bool(a));
  CHECK(bool(b));
  CHECK(b.why() == "a");
  CHECK(w.count() == 1);
  auto& self = b;
  b = std::move(self);
  CHECK(w.count() == 1);
  b = hold(v, "other"); // lets go of the first
  CHECK(w.resumes == 1);
  CHECK(v.count() == 1);
  b = hold();
  CHECK(v.resumes == 1);
  static_assert(std::is_nothrow_move_constructible_v<hold>);
  static_assert(!std::is_copy_constructible_v<hold>);
}

TEST_CASE("X2: what is held may die first") {
  auto w = std::make_unique<watched>();
  hold a(*w, "a"), b(*w, "b");
  w.reset();
  CHECK_FALSE(bool(a));
  CHECK_FALSE(bool(b));
  a.release();
  b = std::move(a);
}

TEST_CASE("X2: any order of taking, moving and releasing keeps the count") {
  std::mt19937 random(7);
  watched w;
  std::vector<hold> all;
  for (int i = 0; i < 10'000; ++i) {
    switch (random() % 3) {
    case 0: all.emplace_back(w, "x"); break;
    case 1:
      if (!all.empty()) all.erase(all.begin() + long(random() % all.size()));
      break;
    default:
      if (all.size() > 1) std::swap(all.front(), all[random() % all.size()]);
    }
    REQUIRE(w.count() == all.size());
    REQUIRE(w.any() == !all.empty());
  }
}
