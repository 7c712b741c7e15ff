#include "tools/creche/worker.hpp"

#include "runtime/supervision/nursery.hpp"
#include "runtime/task/this_task.hpp"

#include <random>
#include <stdexcept>

namespace demo {

using namespace creche;

namespace {

clock_duration any_life() {
  const clock_duration shortest = worker::shortest_life, longest = worker::longest_life;
  std::random_device chance;
  std::uniform_int_distribution<clock_duration::rep> life(shortest.count(), longest.count());
  return clock_duration(life(chance));
}

task<> burn(clock_duration life) { co_await sleep_for(life); }

} // namespace

child_spec worker::as_child(bool calm) {
  return child_spec("worker", [this, calm] { return live(calm); })
      .restart(restart::permanent)
      .backoff({.reset_after = shortest_life});
}

task<> worker::live(bool calm) {
  bool asked = false;
  auto work = [&](nursery& n) -> task<> {
    auto fuse = n.start(child_spec("fuse", burn, calm ? no_limit : any_life()));
    fuse_ = std::make_shared<const child>(fuse);
    co_await fuse.wait();
    asked = fuse.result()->kind == how::cancelled;
  };
  co_await with_nursery(nursery_options{.name = "work"}, work);
  throw std::runtime_error(asked ? "/crash asked for it" : "bad luck, as every now and then");
}

bool worker::crash() noexcept {
  const auto fuse = fuse_.exchange(nullptr); // whoever takes it crashes this incarnation
  if (!fuse || fuse->ended()) return false;
  fuse->cancel();
  return true;
}

} // namespace demo
