// The program of the README, built against the installed package.
#include <creche/creche.hpp>

#include <chrono>

using namespace creche;
using namespace std::chrono_literals;

task<http1::response> hello(http1::request& r) {
  co_return http1::response::text(200, "hello " + std::string(r.path()) + "\n");
}

task<> worker(int patience) {
  for (int i = 0; i < patience; ++i) co_await sleep_for(1s);
  throw std::runtime_error("ran out of patience"); // and is started again, a little later
}

task<> app(nursery& n) {
  n.start(child_spec("worker", worker, 7).restart(restart::permanent));
  n.start(listener("127.0.0.1:8080", http1::server(hello)).as_child("http"));
  co_return;
}

int main() { return run({.name = "service"}, app).finish(); }
