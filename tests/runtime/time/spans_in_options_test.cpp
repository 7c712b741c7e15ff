// Spans of time in options and specs: the longest and the shortest, in units of any size.
#include "runtime/supervision/failure_domain.hpp"
#include "runtime/supervision/nursery.hpp"
#include "tests/runtime/clean_run.hpp"

#include <limits>

using namespace creche;
using namespace creche::testing;

namespace {

struct extreme {
  const char* name;
  time_span span;
  time_span meant;
};
const extreme extremes[] = {
    {"clock_duration::min", clock_duration::min(), clock_duration::min()},
    {"hours::min", std::chrono::hours::min(), clock_duration::min()},
    {"-1 ns", -1ns, -1ns},
    {"0", 0ns, 0ns},
    {"no number", std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()), 0ns},
    {"milliseconds::max", std::chrono::milliseconds::max(), no_limit},
    {"hours::max", std::chrono::hours::max(), no_limit},
    {"infinity", std::chrono::duration<double>(std::numeric_limits<double>::infinity()), no_limit},
};

// What refuses this, or "".
template <class F> std::string refusal(F make) {
  try {
    make();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

task<> shielded_for_a_second() {
  auto last = []() -> task<> { co_await sleep_for(1s); };
  (void)co_await shielded(no_limit, last);
}

} // namespace

TEST_CASE("bad input: a span is made of any other without overflow") {
  for (const auto& [name, span, meant] : extremes) {
    CAPTURE(name);
    CHECK(span == meant);
  }
  static_assert(std::is_trivially_copyable_v<time_span>);
  static_assert(time_span(1s) < time_span(2s) && time_span() == 0s && 1min > time_span(59s));
}

TEST_CASE("bad input: limits of a stop take every span, or refuse it with a sentence") {
  for (const auto& [name, span, meant] : extremes) {
    CAPTURE(name);
    run_clean([&, limit = span](nursery&) -> task<> {
      auto body = [](nursery& n) -> task<> {
        n.start(shielded_for_a_second);
        co_await checkpoint();
        n.stop();
      };
      const auto open = [&](stop_limits limits) -> task<std::string> {
        auto run = [&, limits]() -> task<> { co_await with_nursery({.limits = limits}, body); };
        co_return co_await error_of(run);
      };
      for (const auto& limits : {stop_limits{.drain = limit}, stop_limits{.cancel = limit}}) {
        const auto began = now();
        const auto error = co_await open(limits);
        CAPTURE(error);
        if (limit < 0s)
          CHECK(error.find("negative") != error.npos);
        else if (limit == no_limit)
          CHECK(error == "none");
        CHECK(now() - began == (limit < 0s ? 0s : limit == 0s && error != "none" ? 0s : 1s));
      }
    });
  }
}

TEST_CASE("bad input: a child's limits take every span, or refuse it with a sentence") {
  for (const auto& [name, span, meant] : extremes) {
    CAPTURE(name);
    run_clean([&, limit = span](nursery& n) -> task<> {
      const auto spec = [] { return child_spec("child", []() -> task<> { co_return; }); };
      const auto ready_spec = [] {
        return child_spec("child", [](ready<int> say) -> task<> {
          say(1);
          co_return;
        });
      };
      const bool negative = limit < 0s;
      CHECK(refusal([&] { n.start(spec().stop_within(limit)); }).empty() == !negative);
      CHECK(refusal([&] { n.start(spec().cancel_within(limit)); }).empty() == !negative);
      CHECK(refusal([&] { n.start(ready_spec().ready_within(limit)); }).empty() == (limit > 0s));
      CHECK(refusal([&] { n.start(spec().backoff({.first = limit, .most = no_limit})); }).empty() ==
            !negative);
      CHECK(refusal([&] { n.start(spec().backoff({.first = 0s, .most = limit})); }).empty() ==
            !negative);
      CHECK(refusal([&] { failure_domain({.restarts = 1, .within = limit}); }).empty() ==
            (limit > 0s));
      co_return;
    });
  }
}

TEST_CASE("bad input: a run's limits take every span, or refuse it with a sentence") {
  for (const auto& [name, span, meant] : extremes) {
    CAPTURE(name);
    const auto main = [](nursery&) -> task<> { co_return; };
    const auto run_with = [&](auto set) {
      auto options = quiet(1);
      set(options);
      return refusal([&] { (void)run(options, main); });
    };
    const bool negative = span < 0s;
    CHECK(run_with([&](run_options& o) { o.drain = span; }).empty() == !negative);
    CHECK(run_with([&](run_options& o) { o.cancel = span; }).empty() == !negative);
    CHECK(run_with([&](run_options& o) { o.kill = span; }).empty() == !negative);
    CHECK(run_with([&](run_options& o) { o.budget.within = span; }).empty() == (span > 0s));
    CHECK(refusal([&] { (void)run_virtual({.most_time = span}, main); }).empty() == (span > 0s));
  }
}
