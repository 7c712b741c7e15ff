// driver.cpp: runs a form to its end, and cancels it at each of its suspensions, in two ways.
//
// On the way in: the scope around the form is cancelled just before the await, which then stops
// the task at once. While it waits: a deadline between two ticks finds everybody asleep, the form
// and the children that it started, or waiting for one another.
#include "runtime/testing/virtual_run.hpp"
#include "tests/contract/subject.hpp"

#include <cstdio>
#include <cstring>
#include <exception>

namespace contract {

using namespace creche;

namespace {

constexpr int most = 100;

int failures = 0;

// The run of a form that is under way.
cancel_scope* scope = nullptr;
int suspensions = 0;
int cancelled_at = 0; // this suspension; 0: none

/// Runs a form once; true if it came to its end.
task<bool> run_once(form_function form, clock_duration limit, int at) {
  scope = nullptr;
  suspensions = 0;
  cancelled_at = at;
  const auto body = [form](cancel_scope& s) {
    scope = &s;
    return form();
  };
  co_return co_await move_on_after(limit, body);
}

void balance(const char* what, int at) {
  if (counted::alive == 0) return;
  std::printf("%s %d: %d objects out of balance\n", what, at, counted::alive);
  ++failures;
  counted::alive = 0;
}

task<> run_everywhere(form_function form) {
  try {
    const auto dropped = form();
    throw 0; // without a reason to drop it, that would be a failure
  } catch (int) {
  }
  balance("never awaited", 0);

  expect(co_await run_once(form, no_limit, 0));
  balance("ended", 0);

  const int count = suspensions;
  for (int at = 1; at <= count; ++at) {
    expect(!co_await run_once(form, no_limit, at));
    balance("cancelled on the way into suspension", at);
  }

  int at = 1; // a form whose children sleep side by side takes fewer ticks than suspensions
  while (at <= most && !co_await run_once(form, tick * at - tick / 2, 0)) {
    balance("cancelled in tick", at);
    ++at;
  }
  expect(at <= count + 1 && (at > 1 || count == 0));
}

} // namespace

void expect(bool ok, std::source_location at) {
  if (ok) return;
  ++failures;
  const char* file = std::strrchr(at.file_name(), '/');
  std::printf("%s:%u: not as expected\n", file ? file + 1 : at.file_name(),
              static_cast<unsigned>(at.line()));
}

bool no() noexcept {
  static volatile bool value = false;
  return value;
}

void suspending() {
  if (++suspensions == cancelled_at) scope->cancel();
}

int drive(form_function form) {
  const auto body = [form](nursery&) { return run_everywhere(form); };
  const auto result = testing::run_virtual(body);
  if (auto* failed = result.run.failures()) {
    std::printf("error: %s\n", failed->to_text().c_str());
    ++failures;
  }
  if (!result.deadlock.empty()) {
    std::printf("error: the form does not end\n%s\n", result.deadlock.c_str());
    ++failures;
  }
  if (result.leaked) {
    std::printf("error: %zu actors are left\n", result.leaked);
    ++failures;
  }
  balance("after all", 0);
  return failures == 0 ? 0 : 1;
}

form::form(const char* name, form_function run) noexcept : name_(name), run_(run), next_(first_) {
  first_ = this;
}

int form::main(int argc, char** argv) {
  if (argc < 2) {
    for (auto* f = first_; f; f = f->next_) std::puts(f->name_);
    return 0;
  }
  for (auto* f = first_; f; f = f->next_)
    if (!std::strcmp(f->name_, argv[1])) return drive(f->run_);
  std::printf("no form %s\n", argv[1]);
  return 1;
}

} // namespace contract
