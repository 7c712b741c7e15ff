#include "runtime/time/wheel.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

using namespace creche;

namespace {

// A timer that does what a test says.
struct alarm : timer {
  std::vector<std::uint64_t>* log = nullptr;
  void (*then)(alarm&) = nullptr;
  class wheel* wheel = nullptr;
  alarm* other = nullptr;

  alarm() {
    fire = [](timer& t) {
      auto& a = static_cast<alarm&>(t);
      if (a.log) a.log->push_back(a.wheel->now());
      if (a.then) a.then(a);
    };
  }
};

struct fixture {
  wheel w{1000};
  std::vector<std::uint64_t> fired; // the times at which timers went off
  alarm a, b, c;

  fixture() {
    for (auto* x : {&a, &b, &c}) {
      x->wheel = &w;
      x->log = &fired;
    }
  }
  void set(alarm& x, std::uint64_t due) {
    w.remove(x);
    x.due = due;
    w.insert(x);
  }
};

using times = std::vector<std::uint64_t>;

} // namespace

TEST_CASE_FIXTURE(fixture, "P9: a timer goes off exactly when due, once") {
  for (const std::uint64_t after : {1u, 63u, 64u, 65u, 4095u, 4096u, 1'000'000u, 4'000'000'000u}) {
    CAPTURE(after);
    fired.clear();
    const auto due = w.now() + after;
    set(a, due);
    CHECK(a.armed());
    CHECK(w.size() == 1);
    CHECK(w.advance(due - 1) == 0);
    CHECK(w.advance(due) == 1);
    CHECK(fired == times{due});
    CHECK_FALSE(a.armed());
    CHECK(w.empty());
    CHECK(w.advance(due + 1) == 0);
  }
}

TEST_CASE_FIXTURE(fixture, "P9: timers go off in the order of their times, whatever the jump") {
  set(a, 1'000'000'000);
  set(b, 1001);
  set(c, 70'000);
  CHECK(w.advance(~0ull) == 3);
  CHECK(fired == times{1001, 70'000, 1'000'000'000});
  CHECK(w.now() == ~0ull);
}

TEST_CASE("P9: equal times go off in the order of insertion, however far ahead they were set") {
  wheel w(0);
  std::vector<int> order;
  struct numbered : timer {
    std::vector<int>* out = nullptr;
    int n = 0;
  };
  std::vector<std::unique_ptr<numbered>> all;
  const std::uint64_t due = 123'456'789;
  for (const std::uint64_t now : {0ull, 1ull, 123'000'000ull, 123'456'000ull, 123'456'788ull})
    for (int i = 0; i < 3; ++i) {
      w.advance(now);
      auto& t = *all.emplace_back(std::make_unique<numbered>());
      t.out = &order;
      t.n = static_cast<int>(all.size());
      t.due = due;
      t.fire = [](timer& x) {
        auto& self = static_cast<numbered&>(x);
        self.out->push_back(self.n);
      };
      w.insert(t);
    }
  CHECK(w.advance(due) == all.size());
  CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE_FIXTURE(fixture, "P9: what is due already goes off at the next advance") {
  set(a, 1000);
  set(b, 3);
  CHECK(w.bound() == 1000);
  CHECK(w.advance(1000) == 2);
  CHECK(fired == times{1000, 1000});
  CHECK(a.due == 1000); // left as it was set
  CHECK(b.due == 3);
}

TEST_CASE_FIXTURE(fixture, "P9: a timer that always sets itself for now cannot hold up the loop") {
  a.then = [](alarm& x) { x.wheel->insert(x); };
  set(a, 2000);
  CHECK(w.advance(1'000'000'000) == 1);
  CHECK(w.bound() == 1'000'000'000);
  CHECK(w.advance(1'000'000'000) == 1);
  CHECK(w.advance(1'000'000'001) == 1);
  w.remove(a);
  CHECK(w.bound() == wheel::never);
}

TEST_CASE_FIXTURE(fixture, "P9: a timer set by another goes off in the same advance when due") {
  a.other = &b;
  a.then = [](alarm& x) {
    x.other->due = x.wheel->now() + 10;
    x.wheel->insert(*x.other);
  };
  set(a, 2000);
  set(c, 2005);
  CHECK(w.advance(3000) == 3);
  CHECK(fired == times{2000, 2005, 2010});
}

TEST_CASE_FIXTURE(fixture, "P9: a timer removed by another does not go off, even if due as well") {
  a.other = &b;
  a.then = [](alarm& x) { x.wheel->remove(*x.other); };
  for (const std::uint64_t due : {5000u, 5001u, 5999u}) {
    const auto now = w.now();
    set(a, now + 5000);
    set(b, now + due);
    set(c, now + due);
    CHECK(w.advance(now + 6000) == 2);
    CHECK_FALSE(b.armed());
    CHECK(w.empty());
  }
  set(a, 1); // late, all three
  set(b, 1);
  set(c, 1);
  CHECK(w.advance(0) == 2);
  CHECK(w.empty());
}

TEST_CASE_FIXTURE(fixture, "P9: a timer moved by another goes off at its new time only") {
  a.other = &b;
  a.then = [](alarm& x) {
    x.wheel->remove(*x.other);
    x.other->due = x.wheel->now() + 700;
    x.wheel->insert(*x.other);
  };
  set(a, 2000);
  set(b, 2000);
  CHECK(w.advance(2500) == 1);
  CHECK(w.advance(2700) == 1);
  CHECK(fired == times{2000, 2700});
}

TEST_CASE_FIXTURE(fixture, "P9: inserting an armed timer or removing an unarmed one is fine") {
  set(a, 2000);
  w.insert(a);
  CHECK(w.size() == 1);
  w.remove(a);
  w.remove(a);
  CHECK(w.empty());
  CHECK(w.bound() == wheel::never);
  CHECK(w.advance(3000) == 0);
}

TEST_CASE_FIXTURE(fixture, "P9: an advance from within a timer does nothing") {
  a.then = [](alarm& x) { x.wheel->advance(x.wheel->now() + 1'000'000); };
  set(a, 2000);
  set(b, 2500);
  CHECK(w.advance(2100) == 1);
  CHECK(w.now() == 2100);
  CHECK(w.advance(2500) == 1);
}

TEST_CASE_FIXTURE(fixture, "P9: now never goes back, and the ends of time are like others") {
  w.advance(5000);
  w.advance(10);
  CHECK(w.now() == 5000);
  set(a, ~0ull);
  set(b, ~0ull - 1);
  CHECK(w.advance(~0ull - 2) == 0);
  CHECK(w.bound() <= ~0ull - 1);
  CHECK(w.advance(~0ull - 1) == 1);
  CHECK(w.advance(~0ull) == 1);
  CHECK(w.empty());
}

TEST_CASE_FIXTURE(fixture, "P9: from bound to bound, a timer is reached in at most eleven steps") {
  for (int shift = 0; shift < 64; ++shift) {
    wheel far(0);
    alarm x;
    x.wheel = &far;
    x.due = (std::uint64_t{1} << shift) | (0x5555555555555555 >> (63 - shift));
    far.insert(x);
    int steps = 0;
    for (; x.armed(); ++steps) {
      REQUIRE(far.bound() <= x.due);
      far.advance(far.bound());
    }
    CHECK(far.now() == x.due);
    CHECK(steps <= 11);
  }
}

namespace {

// What a wheel is meant to be, written down without thinking.
class naive_wheel {
public:
  explicit naive_wheel(std::uint64_t now) : now_(now) {}
  void insert(timer& t) {
    remove(t);
    if (t.due <= now_)
      late_.push_back(&t);
    else
      ahead_.emplace(t.due, &t);
    t.prev = &t;
  }
  void remove(timer& t) {
    if (!t.armed()) return;
    std::erase(late_, &t);
    std::erase(batch_, &t);
    std::erase_if(ahead_, [&](auto& entry) { return entry.second == &t; });
    t.prev = nullptr;
  }
  std::size_t advance(std::uint64_t to) {
    std::size_t fired = 0;
    batch_.swap(late_);
    for (; !batch_.empty(); ++fired) fire(*batch_.front());
    for (; !ahead_.empty() && ahead_.begin()->first <= to; ++fired) {
      now_ = ahead_.begin()->first;
      fire(*ahead_.begin()->second);
    }
    now_ = std::max(now_, to);
    return fired;
  }
  std::size_t size() const { return late_.size() + batch_.size() + ahead_.size(); }
  std::uint64_t now() const { return now_; }
  std::uint64_t first() const {
    return !late_.empty() ? now_ : ahead_.empty() ? wheel::never : ahead_.begin()->first;
  }

private:
  void fire(timer& t) {
    remove(t);
    t.fire(t);
  }
  std::uint64_t now_;
  std::vector<timer*> late_, batch_;
  std::multimap<std::uint64_t, timer*> ahead_;
};

// The same timers, with the same chance, on one wheel or the other.
template <class Wheel> class drill {
public:
  explicit drill(std::uint64_t seed) : rng_(seed), w_(rng_() >> (rng_() % 64)) {
    for (auto& t : timers_) {
      t.self = this;
      t.fire = [](timer& x) {
        auto& mine = static_cast<member&>(x);
        mine.self->fired(mine);
      };
    }
  }
  void step() {
    const auto n = rng_() % 4;
    if (n == 0)
      advance();
    else
      change(n);
  }
  Wheel& wheel() { return w_; }
  std::vector<std::uint64_t> log;

private:
  struct member : timer {
    drill* self = nullptr;
  };

  void advance() {
    auto to = w_.now() + span();
    if (to < w_.now()) to = w_.now();
    log.push_back(w_.advance(to));
    log.push_back(w_.now());
  }
  void fired(member& t) {
    log.push_back(static_cast<std::uint64_t>(&t - timers_));
    log.push_back(w_.now());
    for (auto n = rng_() % 3; n != 0; --n) change(rng_());
  }
  void change(std::uint64_t n) {
    auto& t = timers_[rng_() % std::size(timers_)];
    w_.remove(t);
    if (n % 4 == 0) return;
    t.due = w_.now() + span();
    if (rng_() % 16 == 0) t.due = w_.now() - rng_() % 3;
    w_.insert(t);
  }
  // Short ones, long ones, and many that meet.
  std::uint64_t span() {
    if (rng_() % 2) return rng_() % 4 * 64;
    return (rng_() >> (12 + rng_() % 52));
  }

  std::mt19937_64 rng_;
  Wheel w_;
  member timers_[24];
};

void compare(std::uint64_t seed) {
  INFO("repeat with CRECHE_SEED=" << seed);
  drill<wheel> real(seed);
  drill<naive_wheel> model(seed);
  for (int i = 0; i < 2000; ++i) {
    real.step();
    model.step();
    REQUIRE(real.log == model.log);
    real.log.clear();
    model.log.clear();
    REQUIRE(real.wheel().size() == model.wheel().size());
    REQUIRE(real.wheel().now() == model.wheel().now());
    const auto bound = real.wheel().bound();
    if (bound > model.wheel().first()) FAIL("bound() is after the first timer");
    if ((bound == wheel::never) != (model.wheel().size() == 0) &&
        model.wheel().first() != wheel::never)
      FAIL("bound() is never although there is a timer, or the other way round");
  }
}

} // namespace

TEST_CASE("P9: a random life, against a multimap; CRECHE_SEED repeats a run") {
  if (const char* given = std::getenv("CRECHE_SEED"))
    return compare(std::strtoull(given, nullptr, 0));
  for (std::uint64_t seed = 1; seed <= 60; ++seed) compare(seed);
}
