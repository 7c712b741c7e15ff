// when.hpp, continued: how when_all and when_any run their tasks.
#pragma once

#include "runtime/supervision/when.hpp"
#include "runtime/task/this_task.hpp"

namespace creche {

namespace detail {

template <class T> task<> run_into(task<T> from, std::optional<value_or_nothing<T>>& to) {
  if constexpr (std::is_void_v<T>) {
    co_await std::move(from);
    to.emplace();
  } else {
    to.emplace(co_await std::move(from));
  }
}

/// Some were stopped from further out, and this task was shielded before it saw that: it stops all
/// the same, for it has no values to go on with.
class stop_awaiter {
public:
  explicit stop_awaiter(task_run& run) noexcept : run_(run) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<>) const noexcept { run_.stop(); }
  void await_resume() const noexcept {}

private:
  task_run& run_;
};
using stop_on_op = op<stop_awaiter>;

} // namespace detail

template <class... T>
  requires(sizeof...(T) > 0)
task<std::tuple<detail::value_or_nothing<T>...>> when_all(task<T>... tasks) {
  std::tuple<std::optional<detail::value_or_nothing<T>>...> values;
  auto body = [&](nursery& opened) -> task<> {
    detail::lend_mail(opened);
    std::apply(
        [&](auto&... to) {
          (opened.start([&to](task<T>& branch) { return detail::run_into(std::move(branch), to); },
                        std::move(tasks)),
           ...);
        },
        values);
    co_return;
  };
  co_await with_nursery(nursery_options{.name = "when_all"}, body);
  co_await checkpoint();
  if (!std::apply([](auto&... all) { return (all.has_value() && ...); }, values))
    co_await detail::stop_on_op();
  auto all = std::apply(
      [](auto&... each) { return std::tuple<detail::value_or_nothing<T>...>(std::move(*each)...); },
      values);
  co_return std::move(all);
}

template <class... T>
  requires(sizeof...(T) > 0)
task<any_of<T...>> when_any(task<T>... tasks) {
  any_of<T...> result;
  bool decided = false;
  auto body = [&](nursery& opened) -> task<> {
    detail::lend_mail(opened);
    std::size_t index = 0;
    std::apply(
        [&](auto&... to) {
          (opened.start(
               [&opened, &to, &result, &decided, index = index++](task<T>& branch) -> task<> {
                 co_await detail::run_into(std::move(branch), to);
                 if (!std::exchange(decided, true)) result.first = index;
                 opened.cancel();
               },
               std::move(tasks)),
           ...);
        },
        result.values);
    co_return;
  };
  co_await with_nursery(nursery_options{.name = "when_any"}, body);
  co_await checkpoint();
  if (!decided) co_await detail::stop_on_op();
  co_return std::move(result);
}

} // namespace creche
