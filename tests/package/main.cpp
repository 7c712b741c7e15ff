// A stranger's program: built against the installed package, as a user would.
#include <creche/creche.hpp>

#include <chrono>
#include <cstdio>

using namespace creche;
using namespace std::chrono_literals;

task<> worker(int n) {
  co_await sleep_for(1ms);
  std::printf("worker %d\n", n);
}

task<> app(nursery& n) {
  n.start(worker, 1);
  n.start(worker, 2);
  co_return;
}

int main() { return run({.name = "package"}, app).finish(); }
