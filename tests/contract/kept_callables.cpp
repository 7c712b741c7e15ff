// kept_callables.cpp: the ways to hand a callable to an awaited call on every supported compiler.
#include "tests/contract/subject.hpp"

#include <chrono>
#include <functional>

using namespace creche;
using contract::counted;
using contract::expect;
using contract::long_text;
using contract::suspend;
using namespace std::chrono_literals;

namespace {

// A user's own coroutine that takes a callable by value.
template <class F> task<std::size_t> call(F f) { co_return co_await f(); }

class child_value {
public:
  template <class F>
  child_value(std::string name, F f) : name_(std::move(name)), call_(std::move(f)) {}
  child_value&& restart(int times) && {
    times_ = times;
    return std::move(*this);
  }
  task<std::size_t> run() const { return call_(); }

private:
  std::string name_;
  std::function<task<std::size_t>()> call_;
  int times_ = 0;
};

task<std::size_t> run_child(child_value c) { co_return co_await c.run(); }

task<> plain_body(nursery&) {
  const counted c;
  co_await suspend();
  expect(c.size() == 40);
}

task<std::size_t> plain_scope() {
  co_await suspend();
  co_return 7;
}

task<> plain_child(const counted& c, const std::string& s) {
  co_await suspend();
  expect(c.size() + s.size() == 90);
}

} // namespace

CONTRACT_FORM(lambda_that_captures_by_reference) {
  counted c;
  std::size_t got = 0;
  co_await with_nursery([&](nursery&) -> task<> {
    co_await suspend();
    got = c.size();
  });
  expect(got == 40);
}

CONTRACT_FORM(lambda_that_captures_numbers) {
  const std::size_t n = 3;
  const auto when = 5ms;
  expect(co_await move_on_after(1h, [=]() -> task<std::size_t> {
           co_await suspend();
           co_await sleep_for(when);
           co_return n;
         }) == 3);
}

CONTRACT_FORM(lambda_that_captures_a_pointer) {
  counted c;
  expect(co_await move_on_after(1h, [p = &c](cancel_scope&) -> task<std::size_t> {
           co_await suspend();
           co_return p->size();
         }) == 40);
}

CONTRACT_FORM(lambda_without_captures) {
  co_await with_nursery([](nursery&) -> task<> {
    const counted c;
    co_await suspend();
    expect(c.size() == 40);
  });
}

CONTRACT_FORM(function) {
  co_await with_nursery(plain_body);
  co_await with_nursery(&plain_body);
  expect(co_await move_on_after(1h, plain_scope) == 7);
}

CONTRACT_FORM(options_in_place) {
  std::size_t got = 0;
  co_await with_nursery({.name = "pool"}, [&](nursery&) -> task<> {
    co_await suspend();
    got = 40;
  });
  expect(got == 40);
}

CONTRACT_FORM(named_owning_lambda) {
  std::size_t sum = 0;
  auto body = [c = counted(), s = long_text(), &sum](nursery&) -> task<> {
    co_await suspend();
    sum += c.size() + s.size();
  };
  co_await with_nursery(body);
  co_await with_nursery(body);
  expect(sum == 180);
}

CONTRACT_FORM(named_constant_owning_lambda) {
  const auto body = [c = counted()](cancel_scope&) -> task<std::size_t> {
    co_await suspend();
    co_return c.size();
  };
  expect(co_await move_on_after(1h, body) == 40);
}

CONTRACT_FORM(named_standard_function) {
  std::size_t got = 0;
  std::function<task<>(nursery&)> body = [c = counted(), &got](nursery&) -> task<> {
    co_await suspend();
    got = c.size();
  };
  co_await with_nursery(body);
  expect(got == 40);
}

CONTRACT_FORM(nested_scopes_by_reference) {
  counted outer;
  std::size_t sum = 0;
  co_await with_nursery([&](nursery&) -> task<> {
    counted inner;
    co_await suspend();
    const auto got = co_await move_on_after(1h, [&](cancel_scope&) -> task<std::size_t> {
      co_await suspend();
      co_return inner.size() + outer.size();
    });
    sum = got.value();
  });
  expect(sum == 80);
}

CONTRACT_FORM(scope_that_stops_its_body) {
  const counted outer;
  const auto body = [c = counted()]() -> task<counted> {
    const counted inner;
    co_await suspend();
    co_await suspend();
    co_return inner;
  };
  expect(!(co_await move_on_after(contract::tick * 3 / 2, body)).has_value());
  co_await suspend();
  expect((co_await move_on_after(contract::tick * 3, body))->size() == 40);
}

CONTRACT_FORM(scope_ended_from_inside) {
  const bool ended = co_await move_on_after(1h, [](cancel_scope& s) -> task<> {
    const counted inner;
    co_await suspend();
    s.cancel();
    co_await checkpoint();
    expect(false);
  });
  expect(!ended);
}

CONTRACT_FORM(children_started_in_statements_of_their_own) {
  co_await with_nursery([](nursery& n) -> task<> {
    n.start([c = counted(), s = long_text()]() -> task<> {
      co_await suspend();
      expect(c.size() + s.size() == 90);
    });
    co_await suspend();
    n.start([c = counted()]() -> task<> { co_return; });
    n.start(plain_child, counted(), long_text());
    co_await suspend();
  });
}

CONTRACT_FORM(child_started_first_awaited_next) {
  co_await with_nursery([](nursery& n) -> task<> {
    const auto c = n.start([c = counted()]() -> task<> { co_await suspend(); });
    co_await c.wait();
    auto plain = n.start(plain_child, counted(), long_text());
    co_await plain.wait();
  });
}

CONTRACT_FORM(named_child_that_says_when_it_is_ready) {
  co_await with_nursery([](nursery& n) -> task<> {
    child_spec spec(
        "child",
        [](ready<counted> is_ready, const counted& c) -> task<> {
          co_await suspend();
          is_ready(c);
          co_await suspend();
        },
        counted());
    const auto s = co_await n.start_ready<counted>(spec);
    co_await suspend();
    expect(s.value.size() == 40 && s.child.name() == "child");
  });
}

CONTRACT_FORM(answer_of_a_child_taken_at_once) {
  co_await with_nursery([](nursery& n) -> task<> {
    child_spec spec("child", [](ready<counted> is_ready) -> task<> {
      is_ready(counted());
      co_await suspend();
    });
    expect((co_await n.start_ready<counted>(spec)).value.size() == 40);
  });
}

CONTRACT_FORM(kept_for_the_children) {
  co_await with_nursery([](nursery& n) -> task<> {
    const auto& c = n.keep(counted());
    n.start([&c]() -> task<> {
      co_await suspend();
      expect(c.size() == 40);
    });
    co_return;
  });
}

CONTRACT_FORM(scope_made_first_awaited_next) {
  const auto body = [c = counted()]() -> task<std::size_t> {
    co_await suspend();
    co_return c.size();
  };
  auto scope = move_on_after(1h, body);
  expect(co_await std::move(scope) == 40);
  auto inner = [c = counted()](nursery&) -> task<> { co_await suspend(); };
  auto opened = with_nursery(inner);
  co_await std::move(opened);
}

CONTRACT_FORM(own_coroutine_given_a_named_lambda) {
  auto f = [c = counted()]() -> task<std::size_t> {
    co_await suspend();
    co_return c.size();
  };
  expect(co_await call(f) == 40);
  expect(co_await call(std::move(f)) == 40);
}

CONTRACT_FORM(own_coroutine_made_first_awaited_next) {
  auto t = call([c = counted()]() -> task<std::size_t> {
    co_await suspend();
    co_return c.size();
  });
  expect(co_await std::move(t) == 40);
}

CONTRACT_FORM(class_around_a_plain_lambda) {
  counted c;
  expect(co_await run_child(child_value("child", [&]() -> task<std::size_t> {
                              co_await suspend();
                              co_return c.size();
                            }).restart(3)) == 40);
}

CONTRACT_FORM(named_class_around_an_owning_lambda) {
  child_value child("child", [c = counted()]() -> task<std::size_t> {
    co_await suspend();
    co_return c.size();
  });
  expect(co_await run_child(child) == 40);
  expect(co_await run_child(std::move(child)) == 40);
}

CONTRACT_FORM(either_of_two_lambdas) {
  for (const bool first : {true, false}) {
    std::size_t got = 0;
    counted c;
    if (first)
      co_await with_nursery([&](nursery&) -> task<> {
        co_await suspend();
        got = c.size();
      });
    else
      co_await with_nursery([&got](nursery&) -> task<> {
        co_await suspend();
        got = 40;
      });
    expect(got == 40);
  }
}

int main(int argc, char** argv) { return contract::form::main(argc, argv); }
