// breaks on: g++ 1-12
// instead: child_value child([..]..); co_await f(std::move(child));
#include "tests/contract/subject.hpp"

#include <functional>

using namespace creche;
using contract::counted;

namespace {

class child_value {
public:
  template <class F> explicit child_value(F f) : call_(std::move(f)) {}
  task<std::size_t> run() const { return call_(); }

private:
  std::function<task<std::size_t>()> call_;
};

task<std::size_t> run_child(child_value c) { co_return co_await c.run(); }

} // namespace

CONTRACT_FORM(class_around_an_owning_lambda) {
  const auto size = co_await run_child(child_value([c = counted()]() -> task<std::size_t> {
    co_await contract::suspend();
    co_return c.size();
  }));
  contract::expect(size == 40);
}

int main() { return contract::drive(class_around_an_owning_lambda); }
