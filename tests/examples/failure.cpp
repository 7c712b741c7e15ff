// A child fails: its siblings are stopped, and the failure comes out of the nursery.
#include <creche/creche.hpp>
#include <creche/runtime/testing/virtual_run.hpp>

#include <iostream>
#include <stdexcept>
#include <string>

using namespace creche;
using namespace std::chrono_literals;

struct farewell { // a destructor runs however its task ends: done, failed or stopped
  std::string who;
  ~farewell() { std::cout << who << " is gone\n"; }
};

task<> steady() {
  farewell f{"steady"};
  for (;;) co_await sleep_for(1s);
}

task<> doomed() {
  farewell f{"doomed"};
  co_await sleep_for(2500ms);
  throw std::runtime_error("doomed broke");
}

task<> pair(nursery& n) {
  n.start(child_spec("steady", steady));
  n.start(child_spec("doomed", doomed));
  co_return;
}

task<> app(nursery&) {
  try {
    co_await with_nursery({.name = "pair"}, pair);
  } catch (const failure_group& g) {
    std::cout << g.what() << '\n';
  }
  std::cout << "and we go on\n";
}

int main() { return testing::run_virtual({.name = "app"}, app).run.finish(); }
