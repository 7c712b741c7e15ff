// A stop can be seen: stopping(), is_stopping(), and a shield whose limit counts from the cancel.
#include "runtime/supervision/nursery.hpp"
#include "runtime/supervision/when.hpp"
#include "tests/runtime/clean_run.hpp"

using namespace creche;
using namespace creche::testing;

namespace {

task<> told(std::string& trace, char letter, clock_duration last_words) {
  mark end(trace, 'e');
  co_await stopping();
  trace += letter;
  co_await sleep_for(last_words);
  trace += '.';
}

} // namespace

TEST_CASE("S7, X5: who looks for its stop is told, and has its time for last words") {
  std::string trace;
  const auto took = run_clean([&](nursery& n) -> task<> {
    auto c = n.start(told, std::ref(trace), 'a', 3s);
    co_await sleep_for(1s);
    c.stop();
    co_await c.wait();
    CHECK(c.result()->kind == how::completed);
  });
  CHECK(took == 4s);
  CHECK(trace == "a.e");
}

TEST_CASE("S7, X5: who does not end by then is cancelled, and who does not look at once") {
  std::string trace;
  const auto took = run_clean([&](nursery& n) -> task<> {
    auto slow = n.start(child_spec("slow", told, std::ref(trace), 'a', 1000h).stop_within(2s));
    auto blind = n.start([]() -> task<> { co_await sleep_for(1000h); });
    co_await sleep_for(1s);
    const auto then = now();
    slow.stop();
    blind.stop();
    co_await blind.wait();
    CHECK(now() == then);
    co_await slow.wait();
    CHECK(slow.result()->kind == how::cancelled);
    CHECK(blind.result()->kind == how::cancelled);
  });
  CHECK(took == 3s);
  CHECK(trace == "ae");
}

TEST_CASE("S7, X5: a stop reaches tasks below, also those that are started later") {
  std::string trace;
  const auto took = run_clean([&](nursery& n) -> task<> {
    auto work = [&]() -> task<> {
      auto tick = []() -> task<> { co_await sleep_for(10s); };
      auto stop = []() -> task<> { co_await stopping(); };
      for (int i = 0; i < 3; ++i) {
        const auto first = (co_await when_any(tick(), stop())).first;
        trace += first == 0 ? 't' : 's';
        if (first == 1) CHECK(is_stopping());
      }
      auto inner = [&](nursery& m) -> task<> {
        m.start(told, std::ref(trace), 'i', 1s);
        co_return;
      };
      co_await with_nursery(inner);
    };
    auto c = n.start(work);
    co_await sleep_for(15s);
    c.stop();
    co_await c.wait();
    CHECK(c.result()->kind == how::completed);
  });
  CHECK(took == 16s);
  CHECK(trace == "tssi.e");
}

TEST_CASE("S7: an orderly stop tells each child when it is its turn, the newest first") {
  std::string trace;
  const auto took = run_clean([&](nursery&) -> task<> {
    auto body = [&](nursery& m) -> task<> {
      m.start(told, std::ref(trace), 'a', 1s);
      m.start(told, std::ref(trace), 'b', 1s);
      co_await sleep_for(1s);
      m.stop();
    };
    co_await with_nursery(body);
  });
  CHECK(took == 3s);
  CHECK(trace == "b.ea.e");
}

TEST_CASE("T7: who waits for its stop is cancelled like others") {
  std::string trace;
  const auto took = run_clean([&](nursery& n) -> task<> {
    auto c = n.start(told, std::ref(trace), 'a', 1s);
    co_await sleep_for(1s);
    c.cancel();
    co_await c.wait();
    auto wait = []() -> task<> { co_await stopping(); };
    CHECK_FALSE(co_await move_on_after(1s, wait));
    CHECK_FALSE(is_stopping());
  });
  CHECK(took == 2s);
  CHECK(trace == "e");
}

TEST_CASE("T7: a shield after a cancel has all its time before, and the limit behind it") {
  std::string trace;
  const auto work = [&](clock_duration need) -> task<> {
    auto body = [&]() -> task<> {
      co_await sleep_for(need);
      trace += 'd';
    };
    trace += co_await shielded(after_cancel(5s), body) ? 'y' : 'n';
    co_await checkpoint();
    trace += '!';
  };
  const struct {
    clock_duration need, cancelled, ends;
    const char* trace;
  } rows[] = {{1h, 2h, 1h, "dy!"},                   // never cancelled
              {1h, 1h - 3s, 1h, "dy"},               // in time
              {1h, 10s, 15s, "n"},                   // cut
              {1h, clock_duration::zero(), 5s, "n"}, // cancelled before it began
              {4s, clock_duration::zero(), 4s, "dy"}};
  for (const auto& row : rows) {
    trace.clear();
    const auto took = run_clean([&](nursery&) -> task<> {
      auto all = [&]() -> task<> { co_await work(row.need); };
      co_await move_on_after(row.cancelled, all);
    });
    CHECK(took == row.ends);
    CHECK(trace == row.trace);
  }
}

TEST_CASE("T7: a shield after a cancel counts once, from the first, and within another shield") {
  const auto took = run_clean([&](nursery&) -> task<> {
    auto forever = []() -> task<> { co_await sleep_for(1000h); };
    auto inner = [&]() -> task<> { CHECK_FALSE(co_await shielded(after_cancel(5s), forever)); };
    auto outer = [&](cancel_scope& s) -> task<> {
      s.deadline_in(2s);
      auto more = [&](cancel_scope& t) -> task<> {
        t.deadline_in(4s); // the second cancel changes nothing
        co_await inner();
      };
      co_await move_on_after(no_limit, more);
    };
    co_await move_on_after(1h, outer);
    auto hidden = [&](cancel_scope& s) -> task<> {
      s.deadline_in(1s); // its own
      co_await inner();
    };
    co_await shielded(no_limit, hidden);
  });
  CHECK(took == 7s + 6s);
}
