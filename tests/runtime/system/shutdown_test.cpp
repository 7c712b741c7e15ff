// The order of the end, with everything in flight: letters across loops, timers, restarts that
// wait, CAF requests both ways, cancels from outside. 1 000 systems, one after the other.
#include "runtime/interop/caf.hpp"
#include "runtime/loop/internal/loop.hpp"
#include "tests/runtime/clean_run.hpp"

#include <caf/all.hpp>

#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;

namespace {

using ping = caf::atom_constant<caf::atom("ping")>;
using mute = caf::atom_constant<caf::atom("mute")>;

// Sends what it gets to the next one, for ever, and asks somebody who does not answer.
struct chatter : caf::event_based_actor {
  caf::actor silent;
  chatter(caf::actor_config& cfg, const caf::actor& s) : event_based_actor(cfg), silent(s) {}
  caf::behavior make_behavior() override {
    delayed_send(this, std::chrono::seconds(3600), ping::value, caf::actor());
    request(silent, caf::infinite, mute::value).then([] {});
    request(silent, std::chrono::seconds(3600), mute::value).then([] {});
    return {[this](ping, const caf::actor& to) {
              if (to) send(to, ping::value, caf::actor_cast<caf::actor>(address()));
            },
            [](mute) { return 1; }};
  }
};

// A plain actor on CAF's scheduler that writes and asks until the others have ended. (CAF cannot
// stop its scheduler while an actor there never rests.)
caf::behavior pest(caf::event_based_actor* self, std::vector<caf::actor> to) {
  for (auto& a : to) self->monitor(a);
  self->set_down_handler([self](caf::down_msg&) { self->quit(); });
  self->send(self, ping::value);
  return {[self, to](ping) {
    for (auto& a : to) {
      self->send(a, ping::value, caf::actor());
      self->request(a, caf::infinite, mute::value).then([](int) {}, [](const caf::error&) {});
    }
    self->send(self, ping::value);
  }};
}

task<> sleeper(int ms) { co_await sleep_for(std::chrono::milliseconds(ms)); }
task<> broken() {
  co_await checkpoint();
  throw std::runtime_error("broken");
}

task<> busy_tree(nursery& n, unsigned dice, std::vector<child>& handles) {
  auto& system = internal::loop::current()->system();
  auto silent = system.spawn([](caf::event_based_actor* self) -> caf::behavior {
    return {[self](mute) { return self->make_response_promise(); }};
  });
  std::vector<caf::actor> talkers;
  for (auto where : {placement::here, placement::any_loop})
    for (int i = 0; i < 2; ++i) {
      auto c = n.start(caf_child<chatter>("chatter", silent).on(where));
      talkers.push_back(actor_of(c));
      handles.push_back(c);
      handles.push_back(n.start(child_spec("sleeper", sleeper, 1 << 20).on(where)));
      handles.push_back(n.start(child_spec("broken", broken)
                                    .restart(restart::permanent)
                                    .backoff({.first = 1h, .most = 1h})
                                    .on(where)));
      n.start(child_spec("restless", []() -> task<> {
                for (;;) co_await checkpoint();
              }).on(where));
    }
  for (std::size_t i = 0; i < talkers.size(); ++i) // across the loops, for ever
    caf::anon_send(talkers[i], ping::value, talkers[(i + 2) % talkers.size()]);
  system.spawn(pest, talkers);
  auto inner = [&](nursery& m) -> task<> {
    for (int i = 0; i < 3; ++i) m.start(child_spec("inner", sleeper, 1 << 20));
    for (unsigned i = 0; i < dice % 7; ++i) co_await checkpoint();
    m.cancel();
  };
  co_await with_nursery(inner);
  switch (dice / 7 % 4) {
  case 0: throw std::runtime_error("body");
  case 1: n.stop(); break;
  case 2: n.start(child_spec("fails", broken)); break;
  default: n.cancel();
  }
  co_await sleep_for(no_limit);
}

} // namespace

TEST_CASE("the order of the end holds with messages, timers and requests in flight, 1 000 times") {
  const char* given = std::getenv("CRECHE_SEED");
  const auto seed = given ? unsigned(std::atoi(given)) : std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  int failed = 0;
  for (int round = 0; round < 1'000; ++round) {
    std::vector<child> handles;
    std::thread outsider;
    const auto dice = unsigned(random());
    const auto r = run(quiet(2), [&](nursery& n) -> task<> {
      auto tree = [&](nursery& m) -> task<> { co_await busy_tree(m, dice, handles); };
      auto start_outsider = [&]() -> task<> {
        for (unsigned i = 0; i < dice % 5; ++i) co_await checkpoint();
        outsider = std::thread([copy = handles] { // some of them after the end
          for (auto& c : copy) c.cancel();
        });
      };
      n.start(start_outsider);
      co_await with_nursery({.budget = {100, 1s}}, tree);
    });
    if (outsider.joinable()) outsider.join();
    for (auto& c : handles) REQUIRE(c.ended());
    if (r.how() == run_result::kind::failed) {
      ++failed;
      REQUIRE(r.failures()->to_text().find("did not end") == std::string::npos);
    }
  }
  CHECK(failed > 100);
  CHECK(failed < 900);
}
