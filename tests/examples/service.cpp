// A supervised service: a bus and two sensors that need it. The bus breaks down once, and one of
// the sensors fails again and again, until its nursery gives up.
#include <creche/creche.hpp>
#include <creche/runtime/testing/virtual_run.hpp>

#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <string>

using namespace creche;
using namespace std::chrono_literals;

void say(const std::string& what) {
  static const auto began = now();
  const std::chrono::duration<double> t = now() - began;
  std::cout << std::fixed << std::setprecision(1) << std::setw(5) << t.count() << " s  " << what
            << '\n';
}

// Ready when it has found its devices. Its first life ends after three seconds.
task<> bus(ready<void> up, int& lives) {
  const int life = ++lives;
  co_await sleep_for(200ms);
  say("bus is up");
  up();
  if (life > 1) co_await sleep_for(no_limit);
  co_await sleep_for(3s);
  throw std::runtime_error("bus: no answer");
}

task<> thermometer() {
  say("thermometer starts");
  for (;;) {
    co_await sleep_for(1s);
    say("21 degrees");
  }
}

// Works for a while, and is worn out then.
task<> barometer(int& lives) {
  say("barometer starts");
  co_await sleep_for(++lives < 3 ? 2s : 100ms);
  throw std::runtime_error("barometer: worn out");
}

task<> station(nursery& n) {
  say("the station opens");
  const backoff wait{.first = 100ms, .jitter = 0};
  int& bus_lives = n.keep(0);
  int& barometer_lives = n.keep(0);
  n.start_all(child_spec("bus", bus, std::ref(bus_lives)).restart(restart::permanent).backoff(wait),
              child_spec("thermometer", thermometer).restart(restart::permanent).after("bus"),
              child_spec("barometer", barometer, std::ref(barometer_lives))
                  .restart(restart::permanent)
                  .backoff(wait)
                  .after("bus"));
  co_return;
}

int main() {
  const auto end = testing::run_virtual({.name = "station", .budget = {3, 5s}}, station).run;
  for (const failure& f : end.failures()->failures()) {
    std::cout << f.path() << ": " << f.what() << '\n';
    for (const failure& cause : f.causes()) std::cout << "  because: " << cause.what() << '\n';
  }
}
