// clean_run.hpp: what most tests of this room do: run a body on a virtual clock and see that
// nothing hangs and nothing is left. And things that tell who was destroyed, and in which order.
#pragma once

#include "runtime/task/scope.hpp"
#include "runtime/task/this_task.hpp"
#include "runtime/testing/virtual_run.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <string>

namespace creche::testing {

using namespace std::chrono_literals;

/// run_virtual, and checks that the tree ended by itself and left nothing.
template <class F> virtual_result run_and_see(virtual_options o, F main) {
  auto r = run_virtual(o, std::move(main));
  CHECK(r.deadlock == "");
  CHECK(r.leaked == 0);
  INFO(r.ledger.to_text());
  CHECK(r.ledger.balances());
  return r;
}
template <class F> virtual_result run_and_see(F main) {
  return run_and_see(virtual_options{}, std::move(main));
}

/// The same, and checks that it completed.
template <class F> clock_duration run_clean(virtual_options o, F main) {
  auto r = run_and_see(o, std::move(main));
  INFO((r.run.failures() ? r.run.failures()->to_text() : ""));
  CHECK(r.run.how() == run_result::kind::completed);
  return r.elapsed;
}
template <class F> clock_duration run_clean(F main) {
  return run_clean(virtual_options{}, std::move(main));
}

/// What an exception of a task says.
template <class F> task<std::string> error_of(F& f) {
  std::string text = "none";
  try {
    (void)co_await f();
  } catch (const std::exception& e) {
    text = e.what();
  }
  co_return text;
}

/// For run(): no signals, no log.
inline run_options quiet(unsigned loops, std::string_view name = "test") {
  return {.name = name, .loops = loops, .signals = run_options::signals_are::none, .log = false};
}

/// Appends a letter when it is destroyed.
struct mark {
  std::string& trace;
  char letter;
  mark(std::string& t, char c) : trace(t), letter(c) {}
  mark(const mark&) = delete;
  ~mark() { trace += letter; }
};

/// Owns memory and counts who lives, so that a copy of bits or a leak shows.
struct counted {
  static inline std::atomic<int> live{0};
  std::string text = "a text that does not fit in place";
  counted() { ++live; }
  explicit counted(std::string t) : text(std::move(t)) { ++live; }
  counted(const counted& o) : text(o.text) { ++live; }
  counted(counted&& o) noexcept : text(std::move(o.text)) { ++live; }
  counted& operator=(const counted&) = default;
  ~counted() { --live; }
};

/// A wait that cannot be aborted: it ends when the test says so, and counts who asked.
struct stubborn {
  struct awaiter final : creche::detail::leaf_awaiter {
    stubborn& op;
    awaiter(creche::detail::task_run& r, stubborn& s) : leaf_awaiter(r), op(s) { op.waiter = this; }
    ~awaiter() { op.waiter = nullptr; }
    bool await_ready() const noexcept { return false; }
    void begin_wait() override { run_.wait(*this); }
    void end() { run_.ready(*this); }
    int await_resume() const noexcept { return op.result; }
    const char* kind() const noexcept override { return "stubborn"; }
    creche::detail::aborted abort() noexcept override {
      ++op.asked;
      return creche::detail::aborted::refused;
    }
  };
  awaiter bind(creche::detail::task_run& r) { return {r, *this}; }
  void finish(int x) {
    result = x;
    waiter->end();
  }
  awaiter* waiter = nullptr;
  int asked = 0, result = 0;
};

} // namespace creche::testing
