// The phases of a stop (drain, cancel, kill, abandon), of a child and of a nursery, and the
// deadline for being ready: what nursery_state commands.
#include "tests/runtime/nursery_script.hpp"

#include <doctest/doctest.h>

using namespace creche;
using namespace creche::testing;

namespace {

constexpr child_rules stubborn{.stop_within = 2s, .cancel_within = 3s, .ignore_failure = true};
constexpr child_rules far_away{.cancel_within = 3s, .owns_all = true, .ignore_failure = true};
constexpr child_rules slow{
    .restart = restart::permanent, .backoff = {.first = 1s, .jitter = 0}, .ready_within = 5s};
constexpr budget plenty{1000, 1s};

script with(stop_limits l) { return {quick_body, {.limits = l}}; }

} // namespace

TEST_CASE("S7: a child is drained, then cancelled, then killed, each at its deadline") {
  script s;
  s.add(stubborn);
  CHECK(s.stop_child(0) == "stop 0, wait_until 0 +2000ms");
  CHECK(s.n.phase_of(0) == child_phase::draining);
  CHECK(s.n.phase_ends(0) == s.now + 2s);
  CHECK(s.due_after(2s - 1ms, 0) == "wait_until 0 +1ms");
  CHECK(s.due_after(1ms, 0) == "cancel 0, wait_until 0 +3000ms");
  CHECK(s.due_after(3s - 1ms, 0) == "wait_until 0 +1ms");
  CHECK(s.due_after(1ms, 0) == "kill 0");
  CHECK(s.n.phase_of(0) == child_phase::killing);
  CHECK(!s.n.phase_ends(0));
  CHECK(s.n.counts().killed == 1);
  CHECK(s.stop_child(0) == "");
  CHECK(s.cancel_child(0) == "");
  CHECK(s.ended(0, how::killed) == "report 0 killed ignored, forget 0");
}

TEST_CASE("S7: who ends in time meets no further phase") {
  script s;
  s.add(stubborn);
  s.add(stubborn);
  s.stop_child(0);
  CHECK(s.ended(0, how::completed) == "forget_timer 0, forget 0");
  CHECK(s.cancel_child(1) == "cancel 1, wait_until 1 +3000ms");
  CHECK(s.ended(1, how::cancelled) == "forget_timer 1, forget 1");
}

TEST_CASE("S7: a limit of nothing goes on at once") {
  constexpr child_rules at_once_all{.stop_within = 0s, .cancel_within = 0s};
  script s;
  s.add(at_once_all);
  CHECK(s.stop_child(0) == "cancel 0, kill 0");
}

TEST_CASE("S7: who does not end when killed is abandoned, if it borrows from nobody") {
  auto s = with({.kill = 4s});
  s.add(far_away);
  s.add(stubborn);
  s.cancel_child(0);
  s.cancel_child(1);
  CHECK(s.due_after(3s, 0) == "kill 0, wait_until 0 +4000ms");
  CHECK(s.due(1) == "kill 1"); // it may look at what its siblings own
  const auto old = s.n.incarnation(0);
  CHECK(s.due_after(4s, 0) == "abandon 0, report 0 killed ignored, forget 0");
  CHECK(s.n.counts().abandoned == 1);
  s.n.ended(0, old, how::cancelled, s.now, s.out); // its end comes at last
  CHECK(s.said() == "");
  CHECK(s.n.counts().stale == 1);
  CHECK(s.body_ended(how::completed) == "");
  CHECK(s.ended(1, how::killed) == "report 1 killed ignored, forget 1, finish completed");
}

TEST_CASE(
    "S7, X5: a member that had to be killed comes back with its group; who is abandoned does not") {
  constexpr child_rules member{.restart = restart::permanent,
                               .backoff = {.first = 0s},
                               .stop_within = 0s,
                               .cancel_within = 1s,
                               .owns_all = true};
  script s(quick_body, {plenty, strategy::one_for_all, auto_shutdown::any, {.kill = 1s}});
  s.add(member);
  s.add(member);
  CHECK(s.ended(0, how::failed) ==
        "report 0 failed restarting, wait 0, cancel 1, wait_until 1 +1000ms");
  CHECK(s.due_after(1s, 1) == "kill 1, wait_until 1 +1000ms");
  CHECK(s.ended(1, how::killed) ==
        "forget_timer 1, report 1 killed restarting, wait 1, launch 0, launch 1");
  s.ended(0, how::failed);
  s.due_after(1s, 1); // kill
  CHECK(s.due_after(1s, 1) == "abandon 1, report 1 killed escalated, forget 1, forget 0, finish "
                              "failed");
}

TEST_CASE("S7: the nursery's own limits hold for the stop as a whole") {
  auto s = with({.drain = 3s, .cancel = 2s, .kill = 1s});
  s.add(far_away);
  s.add(stubborn); // 2 s
  s.add(stubborn); // 2 s
  CHECK(s.stop() == "wait_until +3000ms, stop 2, wait_until 2 +2000ms");
  CHECK(s.n.phase_ends(nursery_state::none) == s.now + 3s);
  CHECK(s.due_after(2s, 2) == "cancel 2, wait_until 2 +3000ms");
  CHECK(s.ended(2, how::cancelled) == "forget_timer 2, forget 2, stop 1, wait_until 1 +2000ms");
  CHECK(s.due_all_after(1s - 1ms) == "wait_until +1ms");
  CHECK(s.due_all_after(1ms) ==
        "wait_until +2000ms, forget_timer 1, cancel 1, wait_until 1 +3000ms, "
        "cancel 0, wait_until 0 +3000ms");
  CHECK(s.n.current_phase() == phase::cancelling);
  CHECK(s.due_all_after(2s) == "forget_timer 1, kill 1, forget_timer 0, kill 0, wait_until 0 "
                               "+1000ms");
  CHECK(s.n.current_phase() == phase::killing);
  CHECK(s.ended(1, how::killed) == "report 1 killed ignored, forget 1");
  CHECK(s.due_after(1s, 0) == "abandon 0, report 0 killed ignored, forget 0, finish completed");
}

TEST_CASE("S7: a stop in time leaves no timer of the nursery") {
  auto s = with({.drain = 3s, .cancel = 2s});
  s.add(temporary);
  s.stop();
  CHECK(s.ended(0, how::completed) == "forget_timer 0, forget 0, forget_timer, finish completed");
  auto c = with({.cancel = 2s});
  c.add(temporary);
  CHECK(c.cancel() == "wait_until +2000ms, cancel 0");
  CHECK(c.ended(0, how::cancelled) == "forget 0, forget_timer, finish cancelled");
}

TEST_CASE("S7: kill comes after cancel, in any phase, once, and newcomers meet it, too") {
  for (const int before : {0, 1, 2}) {
    script s(body, {.limits = {.drain = 3s, .cancel = 2s}});
    s.add(temporary);
    if (before == 1) s.stop();
    if (before == 2) s.cancel();
    const std::string all = "forget_timer, kill_body, kill 0";
    CHECK(s.kill() == (before == 0   ? "wait_until +2000ms, cancel_body, cancel 0, " + all
                       : before == 1 ? "wait_until +2000ms, cancel 0, " + all
                                     : all));
    CHECK(s.kill() == "");
    CHECK(s.add(temporary) == "launch 1, cancel 1, kill 1");
    s.body_ended(how::cancelled);
    s.ended(0, how::cancelled);
    CHECK(s.ended(1, how::cancelled) == "forget 1, finish cancelled");
    CHECK(s.kill() == "");
  }
}

TEST_CASE("S7: a late letter for the nursery's timer is counted") {
  script s;
  CHECK(s.due_all_after(1s) == "");
  CHECK(s.n.counts().stale == 1);
}

// ---- ready

TEST_CASE("S4: who is not ready in time is cancelled, has failed, and is restarted by its policy") {
  script s;
  CHECK(s.add(slow) == "launch 0, wait_until 0 +5000ms");
  CHECK(s.due_after(5s - 1ms, 0) == "wait_until 0 +1ms");
  CHECK(s.due_after(1ms, 0) == "cancel 0");
  CHECK(s.n.is_late(0));
  CHECK(s.ended(0, how::cancelled) == "report 0 failed restarting, wait_until 0 +1000ms");
  CHECK(s.due_after(1s, 0) == "launch 0, wait_until 0 +5000ms");
  CHECK(s.ready(0) == "forget_timer 0");
  CHECK(s.ready(0) == "");
  CHECK(s.n.counts().stale == 1);
}

TEST_CASE("S4: who is late, and ends by itself in that moment, has failed all the same") {
  script s;
  s.add(slow);
  s.due_after(5s, 0);
  CHECK(s.ended(0, how::completed) == "report 0 failed restarting, wait_until 0 +1000ms");
}

TEST_CASE("S4, S2: a life is healthy from when it is ready, and a late one never") {
  script s(quick_body, plenty);
  s.add(slow);
  s.ended(0, how::failed);
  s.due_after(1s, 0);
  s.now += 4s;
  s.ready(0);
  s.now += 1min - 1s;
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait_until 0 +2000ms");
  s.due_after(2s, 0);
  s.ready(0);
  s.now += 1min;
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, wait_until 0 +1000ms");
}

TEST_CASE("S4: who is stopped or cancelled before it is ready has no failure") {
  for (const bool stops : {false, true}) {
    script s;
    s.add(slow);
    CHECK((stops ? s.stop_child(0) : s.cancel_child(0)) ==
          (stops ? "forget_timer 0, stop 0, wait_until 0 +5000ms" : "forget_timer 0, cancel 0"));
    CHECK(s.ready(0) == ""); // it may still say so
    CHECK(s.n.counts().stale == 0);
    s.ended(0, how::cancelled);
    CHECK(s.n.counts().failed == 0);
    CHECK(s.n.live() == 0);
  }
}

TEST_CASE("S4: who is late and is cancelled by name is not restarted") {
  script s;
  s.add(slow);
  s.due_after(5s, 0);
  CHECK(s.cancel_child(0) == "");
  CHECK(s.ended(0, how::cancelled) == "forget 0");
}

// ---- a starter that waits until its child is ready

namespace {
constexpr child_rules awaited{
    .restart = restart::permanent, .backoff = {.first = 0s}, .says_ready = true};
} // namespace

TEST_CASE("S4: a child that ends before it is ready is its starter's, if that waits") {
  for (const auto end : {how::completed, how::failed, how::killed}) {
    script s;
    s.add(awaited, {}, true);
    s.n.ended(0, 1, end, s.now, s.out);
    CHECK(s.said() == "forget 0"); // no restart, no report
    CHECK(s.n.current_phase() == phase::open);
    CHECK(s.n.counts().failed == 0);
  }
  script s;
  s.add(awaited, {}, true);
  s.ready(0);
  CHECK(s.ended(0, how::failed) == "report 0 failed restarting, launch 0");
}

TEST_CASE("S4: when its starter has given up, a child can no longer become ready") {
  script s;
  s.add(awaited, {}, true);
  s.add(at_once, {0});
  CHECK(s.starter_left(0) == "forget 1, cancel 0");
  CHECK(!s.n.ready(0, 1, s.now, s.out));
  CHECK(s.said() == "");
  CHECK(s.n.ended(0, 1, how::failed, s.now, s.out) == how::failed);
  CHECK(s.said() == "forget 0"); // the starter's
  CHECK(s.n.counts().stale == 0);
}

TEST_CASE("S4: a starter that leaves when its child is ready changes nothing") {
  script s;
  s.add(awaited, {}, true);
  CHECK(s.n.ready(0, 1, s.now, s.out));
  CHECK(s.starter_left(0) == "");
  CHECK(s.n.counts().stale == 1);
  CHECK(s.n.phase_of(0) == child_phase::running);
}

TEST_CASE("S4: one that is stopped by others may still become ready for its starter") {
  script s;
  s.add(awaited, {}, true);
  s.stop_child(0);
  CHECK(s.n.ready(0, 1, s.now, s.out));
  CHECK(s.ended(0, how::failed) == "forget_timer 0, report 0 failed escalated, forget 0, finish "
                                   "failed");
}

TEST_CASE("S3, S4, S7: values that make no sense are named") {
  CHECK(complaint(child_rules{}) == "");
  CHECK(complaint({.stop_within = -1ns}) == "stop_within is negative");
  CHECK(complaint({.cancel_within = 0ns}) == "");
  CHECK(complaint({.cancel_within = -1ns}) == "cancel_within is negative");
  CHECK(complaint({.ready_within = 1ns}) == "");
  CHECK(complaint({.ready_within = 0ns}) == "ready_within must be more than nothing");
  CHECK(complaint({.restart = restart::permanent, .significant = true}) ==
        "it is significant, and permanent: it never ends for good");
  CHECK(complaint(stop_limits{}) == "");
  CHECK(complaint({.drain = 0ns, .cancel = 0ns, .kill = 0ns}) == "");
  CHECK(complaint({.cancel = -1ns}) == "a limit of its stop is negative");
}
