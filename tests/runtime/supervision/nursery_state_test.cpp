// Scenarios of nursery_state, told as commands in text. The machine-made ones are in
// nursery_state_model_test.cpp.
#include "tests/runtime/nursery_script.hpp"

#include <doctest/doctest.h>

#include <type_traits>

using namespace creche;
using namespace creche::testing;

static_assert(std::is_trivially_copyable_v<child_rules>);
static_assert(sizeof(nursery_state::command) <= 24);

// ---- T: Trio's nursery

TEST_CASE("T5: a failure is reported first, then the siblings are cancelled, newest first") {
  script s(body);
  CHECK(s.add(temporary) == "launch 0");
  CHECK(s.add(temporary) == "launch 1");
  CHECK(s.add(temporary) == "launch 2");
  CHECK(s.ended(1, how::failed) ==
        "report 1 failed escalated, forget 1, cancel_body, cancel 2, cancel 0");
  CHECK(s.body_ended(how::cancelled) == "");
  CHECK(s.ended(0, how::cancelled) == "forget 0");
  CHECK(s.ended(2, how::cancelled) == "forget 2, finish failed");
}

TEST_CASE("T5: opting out is explicit, counted and reported") {
  script s(body);
  s.add(ignored);
  s.add(temporary);
  CHECK(s.ended(0, how::failed) == "report 0 failed ignored, forget 0");
  CHECK(s.n.counts().ignored == 1);
  CHECK(s.body_ended(how::completed) == "");
  CHECK(s.ended(1, how::completed) == "forget 1, finish completed");
}

TEST_CASE("T.nursery_main_block_error_basic: the body's failure is the nursery's") {
  script s(body);
  CHECK(s.body_ended(how::failed) == "report body failed escalated, finish failed");
}

TEST_CASE("T.child_crash_basic, T.child_crash_wakes_parent: the body is cancelled and waited for") {
  script s(body);
  s.add(temporary);
  CHECK(s.ended(0, how::failed) == "report 0 failed escalated, forget 0, cancel_body");
  CHECK(s.n.current_phase() == phase::cancelling);
  CHECK(s.body_ended(how::cancelled) == "finish failed");
}

TEST_CASE("T.main_and_task_both_crash: both are reported") {
  script s(body);
  s.add(temporary);
  CHECK(s.body_ended(how::failed) == "report body failed escalated, cancel 0");
  CHECK(s.ended(0, how::failed) == "report 0 failed collected, forget 0, finish failed");
}

TEST_CASE("T.two_child_crashes: neither is lost") {
  script s(body);
  s.add(temporary);
  s.add(temporary);
  CHECK(s.ended(0, how::failed) == "report 0 failed escalated, forget 0, cancel_body, cancel 1");
  CHECK(s.ended(1, how::failed) == "report 1 failed collected, forget 1");
  CHECK(s.body_ended(how::completed) == "finish failed");
}

TEST_CASE("T.nursery_closure: one may start while a child lives, and not after the end") {
  script s(body);
  s.add(temporary);
  CHECK(s.body_ended(how::completed) == "");
  CHECK(s.add(temporary) == "launch 1");
  CHECK(s.ended(0, how::completed) == "forget 0");
  CHECK(s.ended(1, how::completed) == "forget 1, finish completed");
  CHECK(s.add(temporary) == "refused");
  CHECK(s.n.counts().refused == 1);
}

TEST_CASE("T19: cancel is idempotent, and newcomers are cancelled at once") {
  script s(body);
  s.add(temporary);
  CHECK(s.cancel() == "cancel_body, cancel 0");
  CHECK(s.cancel() == "");
  CHECK(s.add(temporary) == "launch 1, cancel 1");
  CHECK(s.cancel_child(1) == "");
  CHECK(s.body_ended(how::cancelled) == "");
  CHECK(s.ended(1, how::cancelled) == "forget 1");
  CHECK(s.ended(0, how::cancelled) == "forget 0, finish cancelled");
  CHECK(s.cancel() == "");
  CHECK(s.stop() == "");
}

TEST_CASE("T19: a failure beside a cancel wins") {
  script s(body);
  s.add(temporary);
  s.cancel();
  CHECK(s.ended(0, how::failed) == "report 0 failed collected, forget 0");
  CHECK(s.body_ended(how::cancelled) == "finish failed");
}

TEST_CASE("T19: a nursery that nobody left early is completed in spite of a cancel") {
  script s(body);
  s.add(temporary);
  s.cancel();
  s.body_ended(how::completed);
  CHECK(s.ended(0, how::completed) == "forget 0, finish completed");
}

TEST_CASE("T7: a cancel that hits the body alone cancels the children as well") {
  script s(body);
  s.add(temporary);
  CHECK(s.body_ended(how::cancelled) == "cancel 0");
  CHECK(s.ended(0, how::cancelled) == "forget 0, finish cancelled");
}

// ---- S1, O: policies

TEST_CASE("O.permanent/transient/temporary x normal/shutdown/abnormal") {
  struct line {
    const char* name;
    const child_rules* rules;
    how h;
    const char* expected;
  };
  const line table[] = {
      {"permanent x normal", &permanent, how::completed, "wait_until 0 +100ms"},
      {"permanent x cancelled", &permanent, how::cancelled, "forget 0"},
      {"permanent x failed", &permanent, how::failed,
       "report 0 failed restarting, wait_until 0 +100ms"},
      {"permanent x killed", &permanent, how::killed,
       "report 0 killed restarting, wait_until 0 +100ms"},
      {"transient x normal", &transient, how::completed, "forget 0"},
      {"transient x cancelled", &transient, how::cancelled, "forget 0"},
      {"transient x failed", &transient, how::failed,
       "report 0 failed restarting, wait_until 0 +100ms"},
      {"transient x killed", &transient, how::killed,
       "report 0 killed restarting, wait_until 0 +100ms"},
      {"temporary x normal", &temporary, how::completed, "forget 0"},
      {"temporary x cancelled", &temporary, how::cancelled, "forget 0"},
      {"temporary x failed", &temporary, how::failed,
       "report 0 failed escalated, forget 0, finish failed"},
      {"temporary x killed", &temporary, how::killed,
       "report 0 killed escalated, forget 0, finish failed"},
      {"ignored x failed", &ignored, how::failed, "report 0 failed ignored, forget 0"},
      {"ignored x killed", &ignored, how::killed, "report 0 killed ignored, forget 0"},
  };
  for (const auto& l : table) {
    CAPTURE(l.name);
    script s;
    s.add(*l.rules);
    CHECK(s.ended(0, l.h) == l.expected);
  }
}

TEST_CASE("S1: children start in order and stop in reverse, each after the one before") {
  script s;
  s.add(permanent);
  s.add(transient);
  s.add(temporary);
  CHECK(s.stop() == "stop 2, wait_until 2 +5000ms");
  CHECK(s.stop() == "");
  CHECK(s.ended(2, how::completed) == "forget_timer 2, forget 2, stop 1, wait_until 1 +5000ms");
  CHECK(s.ended(1, how::cancelled) == "forget_timer 1, forget 1, stop 0, wait_until 0 +5000ms");
  CHECK(s.ended(0, how::completed) == "forget_timer 0, forget 0, finish completed");
}

TEST_CASE("S1: in an orderly stop the body ends first") {
  script s(body);
  s.add(temporary);
  CHECK(s.stop() == "cancel_body");
  CHECK(s.body_ended(how::cancelled) == "stop 0, wait_until 0 +5000ms");
  CHECK(s.ended(0, how::cancelled) == "forget_timer 0, forget 0, finish completed");
}

TEST_CASE("S1: a restarted child keeps its place in the order") {
  script s;
  s.add(at_once);
  s.add(at_once);
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, launch 0");
  CHECK(s.n.first() == 0);
  CHECK(s.n.next(0) == 1);
  CHECK(s.n.next(1) == nursery_state::none);
  CHECK(s.n.last() == 1);
  CHECK(s.stop() == "stop 1, wait_until 1 +5000ms");
}

TEST_CASE("O.one_for_one: only the child that failed is restarted") {
  script s;
  s.add(permanent);
  s.add(permanent);
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait_until 0 +100ms");
  CHECK(s.n.incarnation(1) == 1);
  CHECK(s.due_after(100ms, 0) == "launch 0");
  CHECK(s.n.incarnation(0) == 2);
  CHECK(s.restarts(0) == 1);
  CHECK(s.n.counts().restarted == 1);
}

// ---- S2: budget and backoff

TEST_CASE("S2: over the budget the failure escalates and the report says so") {
  script s(quick_body, {.restarts = 3, .within = 5s});
  s.add(at_once);
  s.add(temporary);
  for (int i = 0; i < 3; ++i)
    CHECK(s.ended(0, how::failed) == "report 0 failed restarting, launch 0");
  CHECK(s.ended(0, how::failed) == "report 0 failed escalated over budget, forget 0, cancel 1");
  CHECK(exhausted_text(s.n.budget()) == "restart budget exhausted: 3 in 5 s");
  CHECK(s.ended(1, how::cancelled) == "forget 1, finish failed");
}

TEST_CASE("S2: a permanent child that completes too often escalates too") {
  script s(quick_body, {.restarts = 1, .within = 5s});
  s.add(at_once);
  CHECK(s.ended(0, how::completed) == "launch 0");
  CHECK(s.ended(0, how::completed) ==
        "report 0 completed escalated over budget, forget 0, finish failed");
}

TEST_CASE("S2: with ignore_failure an exhausted budget is only reported") {
  constexpr child_rules rules{
      .restart = restart::permanent, .backoff = {.first = 0s}, .ignore_failure = true};
  script s(quick_body, {.restarts = 1, .within = 5s});
  s.add(rules);
  s.add(temporary);
  s.ended(0, how::failed);
  CHECK(s.ended(0, how::failed) == "report 0 failed ignored over budget, forget 0");
  CHECK(s.n.current_phase() == phase::open);
}

TEST_CASE("S2, pain 2: waiting burns no budget, so a patient child is tried for ever") {
  script s; // 3 in 5 s
  constexpr child_rules patient{.restart = restart::permanent, .backoff = {.first = 2s}};
  s.add(patient);
  auto wait = clock_duration(2s);
  for (int i = 0; i < 50; ++i) {
    s.ended(0, how::failed);
    REQUIRE(s.n.next_launch(0) == s.now + wait);
    REQUIRE(s.due_after(wait, 0) == "launch 0");
    wait = std::min<clock_duration>(wait * 2, 30s);
  }
  CHECK(s.n.failures_in_a_row(0) == 50);
  CHECK(s.restarts(0) == 50);
}

TEST_CASE("S2: with all defaults, a child that fails at once escalates at its fourth failure") {
  script s;
  s.add(permanent);
  for (const auto wait : {100ms, 200ms, 400ms}) {
    s.ended(0, how::failed);
    CHECK(s.due_after(wait, 0) == "launch 0");
  }
  CHECK(s.ended(0, how::failed) ==
        "report 0 failed escalated over budget, forget 0, finish failed");
}

TEST_CASE("S2: six in 5 s is the least budget that never ends with the default backoff") {
  const auto lives = [](unsigned restarts) {
    nursery_state n({{.restarts = restarts, .within = 5s}}, [](void*) { return 1.0; });
    nursery_state::commands out;
    time_point now(24h);
    const auto c = n.add(permanent, now, out);
    for (int i = 0; i < 100 && n.live() != 0; ++i) {
      n.ended(*c, n.incarnation(*c), how::failed, now, out);
      now = n.next_launch(*c).value_or(now);
      n.due(*c, n.incarnation(*c), now, out);
    }
    return n.live() != 0;
  };
  CHECK_FALSE(lives(5)); // with the jitter that shortens most
  CHECK(lives(6));
}

TEST_CASE("S2: a healthy life resets the backoff, a shorter one does not") {
  script s(quick_body, {.restarts = 100, .within = 5s});
  s.add(permanent);
  s.ended(0, how::failed);
  s.due_after(100ms, 0);
  s.now += 59s;
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait_until 0 +200ms");
  s.due_after(200ms, 0);
  s.now += 1min;
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait_until 0 +100ms");
  CHECK(s.n.failures_in_a_row(0) == 1);
}

TEST_CASE("S2: a life is counted from its launch, not from when the launch was due") {
  script s(quick_body, {.restarts = 100, .within = 5s});
  s.add(permanent);
  s.ended(0, how::failed);
  s.due_after(30s, 0); // the loop was busy
  s.now += 31s;
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait_until 0 +200ms");
}

TEST_CASE("S2: a child does not inherit the failures of who had its id before") {
  script s;
  s.add(permanent);
  s.ended(0, how::failed);
  s.due_after(100ms, 0);
  s.cancel_child(0);
  s.ended(0, how::cancelled);
  CHECK(s.add(permanent) == "launch 0");
  CHECK(s.n.failures_in_a_row(0) == 0);
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait_until 0 +100ms");
}

TEST_CASE("S2: jitter comes from the source of chance that was given") {
  double chance = 1;
  nursery_state n({}, [](void* p) { return *static_cast<double*>(p); }, &chance);
  nursery_state::commands out;
  const time_point now(24h);
  const auto c = n.add(permanent, now, out);
  n.ended(*c, 1, how::failed, now, out);
  CHECK(n.next_launch(*c) == now + 80ms);
}

TEST_CASE("O.hanging_restart_loop: while a child waits for its restart, all else goes on") {
  script s;
  s.add(permanent);
  s.ended(0, how::failed);
  CHECK(s.n.phase_of(0) == child_phase::waiting);
  CHECK(s.add(temporary) == "launch 1");
  CHECK(s.stop() == "forget_timer 0, forget 0, stop 1, wait_until 1 +5000ms");
  CHECK(s.ended(1, how::completed) == "forget_timer 1, forget 1, finish completed");
}

TEST_CASE("S2: a cancel forgets the child that waits for its restart") {
  script s(body);
  s.add(permanent);
  s.ended(0, how::failed);
  CHECK(s.cancel() == "cancel_body, forget_timer 0, forget 0");
  CHECK(s.body_ended(how::cancelled) == "finish cancelled");
}

// ---- S3: per-child stop, significant children

TEST_CASE("S3, O.sup_stop_timeout: who does not stop in time is cancelled, then the next") {
  constexpr child_rules slow{.stop_within = 2s};
  script s;
  s.add(temporary);
  s.add(slow);
  CHECK(s.stop() == "stop 1, wait_until 1 +2000ms");
  CHECK(s.due_after(1s, 1) == "wait_until 1 +1000ms"); // too early
  CHECK(s.due_after(1s, 1) == "cancel 1");
  CHECK(s.due(1) == "");
  CHECK(s.ended(1, how::cancelled) == "forget 1, stop 0, wait_until 0 +5000ms");
}

TEST_CASE("S3, O.brutal_kill: stop_within 0 cancels at once, no_limit waits for ever") {
  constexpr child_rules brutal{.stop_within = 0s};
  constexpr child_rules for_ever{.stop_within = no_limit};
  script s;
  s.add(for_ever);
  s.add(brutal);
  CHECK(s.stop() == "cancel 1");
  CHECK(s.ended(1, how::cancelled) == "forget 1, stop 0");
  CHECK(s.due(0) == "");
  CHECK(s.ended(0, how::completed) == "forget 0, finish completed");
}

TEST_CASE("S3: a cancel while stopping reaches everybody, once") {
  script s(body);
  s.add(temporary);
  s.add(temporary);
  s.stop();
  s.body_ended(how::cancelled);
  CHECK(s.cancel() == "forget_timer 1, cancel 1, cancel 0");
  CHECK(s.ended(0, how::cancelled) == "forget 0");
  CHECK(s.ended(1, how::cancelled) == "forget 1, finish cancelled");
}

TEST_CASE("S3: a failure in an orderly stop is reported, and the stop goes on") {
  script s;
  s.add(temporary);
  s.add(temporary);
  s.stop();
  CHECK(s.ended(1, how::failed) ==
        "forget_timer 1, report 1 failed collected, forget 1, stop 0, wait_until 0 +5000ms");
  CHECK(s.add(temporary) == "refused");
  CHECK(s.ended(0, how::completed) == "forget_timer 0, forget 0, finish failed");
}

TEST_CASE("S3: a child that ends out of turn during a stop is only forgotten") {
  script s;
  s.add(permanent);
  s.add(temporary);
  s.stop();
  CHECK(s.ended(0, how::completed) == "forget 0");
  CHECK(s.ended(1, how::completed) == "forget_timer 1, forget 1, finish completed");
}

TEST_CASE("O25.auto_shutdown: a significant child that ends for good stops the nursery") {
  constexpr child_rules chief{.restart = restart::transient, .significant = true};
  for (const auto h : {how::completed, how::cancelled}) {
    CAPTURE(to_text(h));
    script s;
    s.add(permanent);
    s.add(chief);
    CHECK(s.ended(1, how::failed) == "report 1 failed restarting, wait_until 1 +100ms");
    CHECK(s.due_after(100ms, 1) == "launch 1");
    CHECK(s.ended(1, h) == "forget 1, stop 0, wait_until 0 +5000ms");
    CHECK(s.ended(0, how::cancelled) == "forget_timer 0, forget 0, finish completed");
  }
}

TEST_CASE("O25.auto_shutdown: a significant child whose end was asked for stops nobody") {
  constexpr child_rules chief{.significant = true};
  script s;
  s.add(permanent);
  s.add(chief);
  s.stop_child(1);
  CHECK(s.ended(1, how::completed) == "forget_timer 1, forget 1");
  CHECK(s.n.current_phase() == phase::open);
}

// ---- O: handles, stale letters, numbers

TEST_CASE("O.child_adm: stop twice is fine, an unknown child is counted, an id is used again") {
  script s;
  s.add(permanent);
  CHECK(s.stop_child(0) == "stop 0, wait_until 0 +5000ms");
  CHECK(s.stop_child(0) == "");
  CHECK(s.ended(0, how::completed) == "forget_timer 0, forget 0"); // asked: not restarted
  CHECK(s.stop_child(0) == "");
  CHECK(s.cancel_child(7) == "");
  CHECK(s.n.counts().stale == 2);
  CHECK(s.add(permanent) == "launch 0");
  CHECK(s.n.incarnation(0) == 2);
}

TEST_CASE("O.child_adm: a cancel after a stop, and a stop of a child that waits") {
  script s;
  s.add(permanent);
  s.add(permanent);
  s.stop_child(0);
  CHECK(s.cancel_child(0) == "forget_timer 0, cancel 0");
  CHECK(s.ended(0, how::cancelled) == "forget 0");
  s.ended(1, how::failed);
  CHECK(s.stop_child(1) == "forget_timer 1, forget 1");
  CHECK(s.n.live() == 0);
  CHECK(s.n.current_phase() == phase::open);
}

TEST_CASE("T5: a failure while a handle stops the child is no less a failure") {
  script s;
  s.add(permanent);
  s.add(temporary);
  s.stop_child(0);
  CHECK(s.ended(0, how::failed) == "forget_timer 0, report 0 failed escalated, forget 0, cancel 1");
}

TEST_CASE("S8: the letters of an earlier incarnation are ignored and counted") {
  script s;
  s.add(at_once);
  s.ended(0, how::failed); // now 2
  s.n.ended(0, 1, how::failed, s.now, s.out);
  s.n.due(0, 1, s.now, s.out);
  s.n.due(0, 2, s.now, s.out); // nothing was asked for
  s.n.ended(9, 1, how::failed, s.now, s.out);
  CHECK(s.said() == "");
  CHECK(s.n.counts().stale == 4);
  CHECK(s.body_ended(how::completed) == "");
  CHECK(s.body_ended(how::failed) == ""); // there is none any more
  CHECK(s.n.counts().stale == 5);
}

TEST_CASE("S8: an end is not believed twice") {
  script s;
  s.add(permanent);
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait_until 0 +100ms");
  CHECK(s.ended(0, how::failed) == "");
  CHECK(s.n.counts().failed == 1);
}

TEST_CASE("S1: a nursery stays open while it is empty, until its body ends") {
  {
    script s;
    s.add(temporary);
    CHECK(s.ended(0, how::completed) == "forget 0");
    CHECK(s.stop() == "finish completed");
    CHECK(s.stop() == "");
  }
  {
    script s;
    CHECK(s.cancel() == "finish cancelled");
  }
  {
    script s;
    s.add(temporary);
    CHECK(s.body_ended(how::completed) == "");
    CHECK(s.add(temporary) == "launch 1");
    CHECK(s.ended(0, how::completed) == "forget 0");
    CHECK(s.ended(1, how::completed) == "forget 1, finish completed");
    CHECK(s.body_ended(how::completed) == "");
  }
}

TEST_CASE("O.count_children, scale_many_temporary: 10^6 children, ids and rows are used again") {
  script s;
  constexpr nursery_state::child_id many = 1'000'000;
  for (nursery_state::child_id i = 0; i < many; ++i) {
    (void)s.n.add(ignored, s.now, s.out);
    s.out.clear();
  }
  CHECK(s.n.live() == many);
  for (nursery_state::child_id i = 0; i < many; i += 2) {
    s.n.ended(i, 1, how::failed, s.now, s.out);
    s.out.clear();
  }
  CHECK(s.n.live() == many / 2);
  CHECK(s.n.counts().ignored == many / 2);
  const auto id = s.n.add(ignored, s.now, s.out);
  REQUIRE(id);
  CHECK(*id < many);
  CHECK(s.n.incarnation(*id) == 2);
  CHECK(s.n.last() == *id);
  s.body_ended(how::completed);
  s.n.cancel(s.now, s.out);
  CHECK(s.out.size() == many / 2 + 1);
  CHECK(s.out.front().child == *id);
}
