// kept_callables.cpp: the ways to hand a callable to an awaited call on every supported compiler.
#include "tests/contract/subject.hpp"

#include <functional>

using namespace creche;
using contract::counted;
using contract::expect;
using contract::long_text;
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

task<std::size_t> plain_body(nursery&) {
  co_await checkpoint();
  co_return 7;
}

} // namespace

CONTRACT_FORM(lambda_that_captures_by_reference) {
  counted c;
  expect(co_await with_nursery([&](nursery&) -> task<std::size_t> {
           co_await checkpoint();
           co_return c.size();
         }) == 40);
}

CONTRACT_FORM(lambda_that_captures_numbers) {
  const std::size_t n = 3;
  const auto when = 5ms;
  expect(co_await with_nursery([=](nursery&) -> task<std::size_t> {
           co_await sleep_for(when);
           co_return n;
         }) == 3);
}

CONTRACT_FORM(lambda_that_captures_a_pointer) {
  counted c;
  expect(co_await move_on_after(1s, [p = &c](cancel_scope&) -> task<std::size_t> {
           co_await checkpoint();
           co_return p->size();
         }) == 40);
}

CONTRACT_FORM(lambda_without_captures) {
  expect(co_await with_nursery([](nursery&) -> task<std::size_t> {
           const counted c;
           co_await checkpoint();
           co_return c.size();
         }) == 40);
}

CONTRACT_FORM(function) {
  expect(co_await with_nursery(plain_body) == 7);
  expect(co_await with_nursery(&plain_body) == 7);
}

CONTRACT_FORM(named_owning_lambda) {
  auto body = [c = counted(), s = long_text()](nursery&) -> task<std::size_t> {
    co_await checkpoint();
    co_return c.size() + s.size();
  };
  expect(co_await with_nursery(body) == 90);
  expect(co_await with_nursery(body) == 90);
}

CONTRACT_FORM(named_constant_owning_lambda) {
  const auto body = [c = counted()](cancel_scope&) -> task<std::size_t> {
    co_await checkpoint();
    co_return c.size();
  };
  expect(co_await move_on_after(1s, body) == 40);
}

CONTRACT_FORM(named_standard_function) {
  std::function<task<std::size_t>(nursery&)> body = [c = counted()](nursery&) -> task<std::size_t> {
    co_await checkpoint();
    co_return c.size();
  };
  expect(co_await with_nursery(body) == 40);
}

CONTRACT_FORM(nested_scopes_by_reference) {
  counted outer;
  const auto sum = co_await with_nursery([&](nursery&) -> task<std::size_t> {
    counted inner;
    co_await checkpoint();
    co_return co_await move_on_after(1s, [&](cancel_scope&) -> task<std::size_t> {
      co_await checkpoint();
      co_return inner.size() + outer.size();
    });
  });
  expect(sum == 80);
}

CONTRACT_FORM(children_started_in_statements_of_their_own) {
  co_await with_nursery([](nursery& n) -> task<> {
    n.start([c = counted(), s = long_text()]() -> task<> { co_return; });
    co_await checkpoint();
    n.start([c = counted()]() -> task<> { co_return; });
    co_await checkpoint();
  });
}

CONTRACT_FORM(scope_made_first_awaited_next) {
  auto body = [c = counted()](nursery&) -> task<std::size_t> {
    co_await checkpoint();
    co_return c.size();
  };
  auto scope = with_nursery(body);
  expect(co_await std::move(scope) == 40);
}

CONTRACT_FORM(own_coroutine_given_a_named_lambda) {
  auto f = [c = counted()]() -> task<std::size_t> {
    co_await checkpoint();
    co_return c.size();
  };
  expect(co_await call(f) == 40);
  expect(co_await call(std::move(f)) == 40);
}

CONTRACT_FORM(own_coroutine_made_first_awaited_next) {
  auto t = call([c = counted()]() -> task<std::size_t> {
    co_await checkpoint();
    co_return c.size();
  });
  expect(co_await std::move(t) == 40);
}

CONTRACT_FORM(class_around_a_plain_lambda) {
  counted c;
  expect(co_await run_child(child_value("child", [&]() -> task<std::size_t> {
                              co_await checkpoint();
                              co_return c.size();
                            }).restart(3)) == 40);
}

CONTRACT_FORM(named_class_around_an_owning_lambda) {
  child_value child("child", [c = counted()]() -> task<std::size_t> {
    co_await checkpoint();
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
        co_await checkpoint();
        got = c.size();
      });
    else
      co_await with_nursery([&got](nursery&) -> task<> {
        co_await checkpoint();
        got = 40;
      });
    expect(got == 40);
  }
}

int main(int argc, char** argv) { return contract::form::main(argc, argv); }
