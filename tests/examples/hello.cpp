// Two tasks in a nursery: both run at once, and the nursery ends when both have ended.
#include <creche/creche.hpp>

#include <iostream>
#include <string>

using namespace creche;
using namespace std::chrono_literals;

task<> greet(std::string who, clock_duration after) {
  co_await sleep_for(after);
  std::cout << "hello, " << who << '\n';
}

task<> app(nursery& n) {
  n.start(greet, "world", 20ms);
  n.start(greet, "nursery", 10ms);
  std::cout << "both are started\n";
  co_return;
}

int main() {
  const auto end = run({.name = "hello"}, app);
  std::cout << "all have ended\n";
  return end.finish();
}
