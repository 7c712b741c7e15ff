// probe.hpp: sees what other tasks do, and when they end; and makes them crash.
//
// One loop; in a virtual run any loop. Limits are of virtual time there: they cost nothing.
#pragma once

#include "runtime/supervision/child.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/checkpoint.hpp"
#include "runtime/testing/detail/news.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace creche::testing {

/// A place where the code under test leaves values, and the test waits for them.
template <class T> class probe {
public:
  probe() = default;
  probe(const probe&) = delete;

  /// Never blocks. Not a checkpoint.
  void put(T value) {
    seen_.push_back(std::move(value));
    news_.wake_all();
  }
  /// All that came and was not taken.
  std::size_t size() const noexcept { return seen_.size() - taken_; }

  /// Takes the oldest. Throws std::logic_error if there is none within `limit`. Checkpoint.
  [[nodiscard]] task<T> next(time_span limit = std::chrono::seconds(10),
                             std::source_location where = std::source_location::current()) {
    co_await checkpoint();
    auto arrival = [this]() -> task<> {
      while (size() == 0) co_await detail::news_op(news_);
    };
    if (size() == 0 && !co_await move_on_after(limit, arrival))
      detail::fail_at(where, "probe: nothing came in time");
    co_return std::move(seen_[taken_++]);
  }
  /// Waits for so long, and throws std::logic_error if there is anything then. Checkpoint.
  [[nodiscard]] task<> expect_none(time_span span,
                                   std::source_location where = std::source_location::current()) {
    co_await sleep_for(span);
    if (size() != 0) detail::fail_at(where, "probe: something came that was not expected");
  }

private:
  std::vector<T> seen_;
  std::size_t taken_ = 0; // of seen_
  detail::waiter_list news_;
};

/// Waits for the end of a child, for good, and tells how it ended. Throws std::logic_error if it
/// has not within `limit`. Checkpoint.
[[nodiscard]] task<outcome>
expect_end(child expected, time_span limit = std::chrono::seconds(10),
           std::source_location where = std::source_location::current());

/// Kills the present incarnation of a child from outside: it is stopped wherever it is, ends as
/// `killed`, and its nursery does what it does for a failure. False if there is none: it has ended
/// or waits for its restart. Not a checkpoint. The loop of the child's nursery only.
bool crash(const child& victim);

} // namespace creche::testing
