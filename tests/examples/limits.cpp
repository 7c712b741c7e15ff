// Time limits, cancellation, and clean-ups: what a task says when it will not wait for ever.
#include <creche/creche.hpp>
#include <creche/runtime/testing/virtual_run.hpp>

#include <iostream>
#include <string>

using namespace creche;
using namespace std::chrono_literals;

struct farewell { // a destructor runs however the task ends: done, failed or stopped
  std::string who;
  ~farewell() { std::cout << "  " << who << " is gone\n"; }
};

task<std::string> look_up(std::string name, clock_duration takes) {
  farewell f{name};
  co_await sleep_for(takes);
  co_return name + " is at home";
}

task<> app(nursery&) {
  // A value, or nothing when the time is up.
  auto quick = [] { return look_up("ann", 1s); };
  auto slow = [] { return look_up("bob", 1min); };
  if (const auto found = co_await move_on_after(5s, quick)) std::cout << *found << '\n';
  if (!co_await move_on_after(5s, slow)) std::cout << "bob took too long\n";

  // A value, or an exception.
  try {
    co_await fail_after(5s, slow);
  } catch (const too_slow& e) {
    std::cout << "bob took too long again: " << e.code().message() << '\n';
  }

  // The first of several; the others are stopped.
  const auto any = co_await when_any(look_up("cy", 2s), look_up("dan", 1s));
  std::cout << "the first is number " << any.first << '\n';

  // Work that awaits and must be done in any case.
  auto borrowed = []() -> task<> {
    auto body = []() -> task<> { co_await look_up("eve", 1min); };
    auto bring_back = []() -> task<> {
      co_await sleep_for(100ms); // the cancel does not end this
      std::cout << "what eve had is back\n";
    };
    co_await finally(body, bring_back, 1s);
  };
  co_await move_on_after(5s, borrowed);
}

int main() { return testing::run_virtual({.name = "limits"}, app).run.finish(); }
