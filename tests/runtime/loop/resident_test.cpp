// Residents below run(): lanes, letters from many threads, what is dropped, where things die.
#include "runtime/supervision/internal/child_actor.hpp"
#include "tests/runtime/clean_run.hpp"
#include "tests/runtime/real_loops.hpp"

#include <thread>
#include <vector>

using namespace creche;
using namespace creche::testing;
using namespace creche::internal;

namespace {

struct receiver : resident {
  std::atomic<bool>* freed;
  int control = 0, data = 0;
  receiver(caf::actor_config& cfg, std::atomic<bool>* f) : resident(cfg), freed(f) {}
  void let_go() override {
    auto* f = freed;
    resident::let_go();
    set(*f, true);
  }
};

// A control letter that always comes again, until a data letter had its turn.
struct endless {
  int* before_data;
  void operator()(resident& r) const {
    auto& me = static_cast<receiver&>(r);
    if (me.data) {
      *before_data = me.control;
      return me.end({});
    }
    ++me.control;
    tell<endless, lane::control>(me, before_data);
  }
};
struct one_of_data {
  void operator()(resident& r) const { ++static_cast<receiver&>(r).data; }
};

// Counts letters by what became of them.
struct tally {
  std::atomic<int> opened{0}, gone{0};
  std::atomic<bool> in_order{true};
};
struct numbered {
  tally* t;
  int* last; // of its sender; read and written at home
  int n;
  numbered(tally* x, int* l, int i) : t(x), last(l), n(i) {}
  numbered(const numbered&) = delete;
  ~numbered() { ++t->gone; }
  void operator()(resident&) const {
    ++t->opened;
    if (*last >= n) t->in_order = false;
    *last = n;
  }
};
struct end_letter {
  void operator()(resident& r) const { r.end({}); }
};

} // namespace

TEST_CASE("control letters come first, but 64 of them in a row let one data letter through") {
  real_loops l(1);
  std::atomic<bool> freed{false};
  int before_data = 0;
  l.call(0, [&] {
    auto* r = make_resident<receiver>(l[0], &freed);
    tell<one_of_data, lane::data>(*r);
    tell<endless, lane::control>(*r, &before_data);
  });
  await(freed, true);
  CHECK(before_data == resident::control_in_a_row);
}

TEST_CASE("letters of many threads are each handled once, in the order of their sender") {
  real_loops l(2);
  std::atomic<bool> freed{false};
  tally t;
  constexpr int senders = 3, each = 20'000;
  int last[senders] = {-1, -1, -1};
  auto* r = l.call(0, [&] { return make_resident<receiver>(l[0], &freed); });
  const auto keep = r->handle();
  auto send = [&](int who) {
    for (int i = 0; i < each; ++i) tell<numbered, lane::data>(*r, &t, &last[who], i);
  };
  std::thread a(send, 0), b(send, 1);
  l.call(1, [&] { send(2); });
  a.join();
  b.join();
  tell<end_letter, lane::data>(*r);
  await(freed, true);
  CHECK(t.opened == senders * each);
  CHECK(t.gone == senders * each);
  CHECK(t.in_order);
}

TEST_CASE("letters that meet a resident's end are dropped, none is lost, from every thread") {
  real_loops l(2);
  for (int round = 0; round < 50; ++round) {
    std::atomic<bool> freed{false};
    tally t;
    constexpr int each = 500;
    int last[3] = {-1, -1, -1};
    auto* r = l.call(0, [&] { return make_resident<receiver>(l[0], &freed); });
    {
      const auto keep = r->handle();
      auto send = [&](int who) {
        for (int i = 0; i < each; ++i) {
          if (who == 0 && i == each / 2) tell<end_letter, lane::control>(*r);
          tell<numbered, lane::data>(*r, &t, &last[who], i);
        }
      };
      std::thread a(send, 0), b(send, 1);
      l.call(1, [&] { send(2); });
      a.join();
      b.join();
    }
    await(freed, true);
    l.call(0, [] {});
    REQUIRE(t.gone == 3 * each);
    REQUIRE(t.in_order);
  }
}

TEST_CASE("a task's frames and callable die on its loop, whoever holds the last handle") {
  struct witness {
    int* home;
    witness(int* h) : home(h) {}
    witness(const witness& o) : home(o.home) {}
    witness(witness&& o) noexcept : home(std::exchange(o.home, nullptr)) {}
    ~witness() {
      if (home) *home = loop::current() ? int(loop::current()->index()) : -1;
    }
  };
  int frame_died = -2, callable_died = -2, spec_died = -2;
  caf::actor kept_actor;
  child kept_child;
  const auto r = run(quiet(2), [&](nursery& n) -> task<> {
    auto c = n.start([w = witness(&callable_died)]() -> task<> { co_await checkpoint(); });
    kept_actor = child_access::record(c)->actor->handle();
    kept_child = n.start(child_spec(
                             "far",
                             [&](witness&) -> task<> {
                               witness w(&frame_died);
                               co_await sleep_for(1ms);
                             },
                             witness(&spec_died))
                             .on(placement::any_loop));
    co_await kept_child.wait();
  });
  CHECK(r.how() == run_result::kind::completed);
  CHECK(callable_died == 0);
  CHECK(frame_died == 1);
  CHECK(spec_died == 0); // the nursery's
  kept_actor = nullptr;
}
