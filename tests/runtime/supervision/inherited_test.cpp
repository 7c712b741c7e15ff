// What a child has from the scopes around its nursery: their deadline, and the reason of a cancel.
#include "runtime/messages/request.hpp"
#include "runtime/supervision/when.hpp"
#include "runtime/sync/event.hpp"
#include "runtime/testing/doctest.hpp"
#include "runtime/testing/wait_all_blocked.hpp"
#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

struct question {
  int number;
  explicit question(int n) : number(n) {}
};

task<> forever() { co_await sleep_for(no_limit); }

// A child, and one of a nursery of another child.
void start_both(nursery& n, child& direct, child& below) {
  direct = n.start(forever);
  n.start([&below]() -> task<> {
    auto inner = [&](nursery& deeper) -> task<> {
      below = deeper.start(forever);
      co_return;
    };
    co_await with_nursery(inner);
  });
}

std::string reason_of(const child& ended) {
  const auto end = ended.result();
  return end && end->why ? std::string(end->why->what()) : "none";
}

} // namespace

CRECHE_TEST("T7, X15: children and branches are inside the deadlines of their starter's scopes") {
  time_point in_child, in_grandchild, in_branch, elsewhere, on_message;
  const auto due = later(now(), 5s);
  auto server = n.start([&]() -> task<> {
    auto received = co_await receive<asked<question, int>>();
    on_message = received.origin().deadline();
    received.answer(1);
  });
  auto inner = [&](nursery& deeper) -> task<> {
    deeper.start([&]() -> task<> { in_grandchild = co_await effective_deadline(); });
    co_return;
  };
  auto body = [&](nursery& children) -> task<> {
    children.start([&]() -> task<> {
      in_child = co_await effective_deadline();
      (void)co_await ask<int>(server, question(1));
      co_await with_nursery(inner);
    });
    children.start(child_spec("elsewhere", [&]() -> task<> {
                     elsewhere = co_await effective_deadline();
                   }).on(placement::any_loop));
    co_return;
  };
  auto scoped = [&]() -> task<> {
    auto branch = [&]() -> task<int> {
      in_branch = co_await effective_deadline();
      co_return 1;
    };
    (void)co_await when_all(branch(), branch());
    co_await with_nursery(body);
  };
  CHECK(co_await move_on_after(5s, scoped));
  CHECK((in_child == due));
  CHECK((in_grandchild == due));
  CHECK((in_branch == due));
  CHECK((elsewhere == due));
  CHECK((on_message == due));
}

CRECHE_TEST("T7: a shield around a nursery hides the deadlines further out from its children") {
  time_point in_child;
  const auto due = later(now(), 2s);
  auto body = [&](nursery& children) -> task<> {
    children.start([&]() -> task<> { in_child = co_await effective_deadline(); });
    co_return;
  };
  auto hidden = [&]() -> task<> { co_await with_nursery(body); };
  auto scoped = [&]() -> task<> { co_await shielded(2s, hidden); };
  CHECK(co_await move_on_after(1s, scoped));
  CHECK((in_child == due));
}

CRECHE_TEST("T7: a child's deadline is that of now, also when a scope further out moved its own") {
  time_point before, after;
  event moved;
  auto scoped = [&](cancel_scope& around) -> task<> {
    auto body = [&](nursery& children) -> task<> {
      children.start([&]() -> task<> {
        before = co_await effective_deadline();
        co_await moved.wait();
        after = co_await effective_deadline();
      });
      co_await wait_all_blocked();
      around.deadline_in(10s);
      moved.set();
    };
    co_await with_nursery(body);
  };
  const auto start = now();
  CHECK(co_await move_on_after(5s, scoped));
  CHECK((before == later(start, 5s)));
  CHECK((after == later(start, 10s)));
}

CRECHE_TEST("T7: children and grandchildren learn why they were cancelled") {
  child own, below, far, own_word;
  auto inner = [&](nursery& deeper) -> task<> {
    below = deeper.start(forever);
    far = deeper.start(child_spec("far", forever).on(placement::any_loop));
    co_return;
  };
  auto body = [&](nursery& children) -> task<> {
    own = children.start(forever);
    own_word = children.start(forever);
    children.start([&]() -> task<> { co_await with_nursery(inner); });
    co_await wait_all_blocked();
    own_word.cancel("not needed");
    children.cancel("enough");
  };
  co_await with_nursery(body);
  CHECK(reason_of(own).find("enough") != std::string::npos);
  CHECK(reason_of(below).find("enough") != std::string::npos);
  CHECK(reason_of(far).find("enough") != std::string::npos);
  CHECK(reason_of(own_word).find("not needed") != std::string::npos);
}

CRECHE_TEST("T7: a child that a deadline further out cancels is told so") {
  child direct, below;
  auto body = [&](nursery& children) -> task<> {
    start_both(children, direct, below);
    co_return;
  };
  auto scoped = [&]() -> task<> { co_await with_nursery(body); };
  CHECK(!co_await move_on_after(1s, scoped));
  CHECK(reason_of(direct).find("deadline") != std::string::npos);
  CHECK(reason_of(below).find("deadline") != std::string::npos);
}

CRECHE_TEST("T7: a child that goes because of a sibling is told its failure") {
  child direct, below;
  auto body = [&](nursery& children) -> task<> {
    start_both(children, direct, below);
    children.start([]() -> task<> {
      co_await sleep_for(1s);
      throw std::runtime_error("the disk is full");
    });
    co_return;
  };
  try {
    co_await with_nursery(body);
  } catch (const failure_group&) {
  }
  for (const auto& ended : {direct, below}) {
    const auto end = ended.result();
    REQUIRE(end);
    REQUIRE(end->why);
    REQUIRE(!end->why->causes().empty());
    CHECK(std::string(end->why->causes().front().what()).find("disk is full") != std::string::npos);
  }
}

CRECHE_TEST("T7: a child is inside its starter's scopes until it is ready") {
  time_point before, after;
  const auto due = later(now(), 5s);
  child_spec server("server", [&](ready<void> say) -> task<> {
    before = co_await effective_deadline();
    say();
    after = co_await effective_deadline();
  });
  auto start = [&]() -> task<> { co_await n.start_ready<void>(server); };
  CHECK(co_await move_on_after(5s, start));
  co_await sleep_for(2s);
  CHECK((before == due));
  CHECK((after == time_point::max()));
}

CRECHE_TEST("T7: a child that says ready to a starter that was cancelled before ends with it") {
  child started;
  bool told = false;
  auto start = [&](cancel_scope& around) -> task<> {
    child_spec server("server", [&](ready<void> say) -> task<> {
      auto slow = [&]() -> task<> {
        co_await sleep_for(1s);
        around.cancel();
        say();
      };
      co_await shielded(1h, slow);
      co_await forever();
    });
    started = (co_await n.start_ready<void>(server));
    told = true;
  };
  CHECK(!co_await move_on_after(no_limit, start));
  CHECK(!told);
}
