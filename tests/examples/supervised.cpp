// Two nurseries, a child that fails, and a deadline, on the virtual clock: what happens when.
#include <creche/creche.hpp>
#include <creche/runtime/testing/virtual_run.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>

using namespace creche;
using namespace std::chrono_literals;

namespace {

time_point began;

void say(const char* who, const char* what) {
  const auto t = now();
  std::printf("%6.2f s  %-10s %s\n", std::chrono::duration<double>(t - began).count(), who, what);
}

// Says goodbye however the task ends: done, failed or stopped.
struct farewell {
  const char* who;
  ~farewell() { say(who, "is gone"); }
};

task<> steady() {
  farewell f{"steady"};
  for (;;) co_await sleep_for(1s);
}

task<> flaky(int* attempts) {
  farewell f{"flaky"};
  say("flaky", "starts");
  co_await sleep_for(2s);
  if (++*attempts < 3) throw std::runtime_error("flaky broke");
  say("flaky", "has done its work");
}

task<> doomed() {
  co_await sleep_for(500ms);
  throw std::runtime_error("doomed broke");
}

task<> app(nursery& n) {
  began = now();
  // An outer nursery that starts its flaky child again, with a growing wait.
  // What it borrows is kept by the nursery: this body may be gone before it.
  int& attempts = n.keep(0);
  auto spec = child_spec("flaky", flaky, &attempts)
                  .restart(restart::transient)
                  .backoff({.first = 100ms, .jitter = 0});
  auto worker = n.start(std::move(spec));

  // An inner one without restarts: one failure ends it, siblings first.
  try {
    co_await with_nursery({.name = "inner"}, [](nursery& inner) -> task<> {
      inner.start(steady);
      inner.start(doomed);
      co_return;
    });
  } catch (const failure_group& g) {
    say("app", g.what());
  }

  // A deadline: what is inside is stopped, and the task goes on.
  const bool done = co_await move_on_after(1s, [] { return steady(); });
  say("app", done ? "steady came to an end?" : "waited long enough");

  co_await worker.wait();
  say("app", ("flaky was restarted " + std::to_string(worker.restarts()) + " times").c_str());
}

} // namespace

int main() { return testing::run_virtual({.name = "example"}, app).run.finish(); }
