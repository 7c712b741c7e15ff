// breaks on: g++ 1-12
// instead: auto f = [..]..; co_await f();
#include "tests/contract/subject.hpp"

using namespace creche;
using contract::counted;

CONTRACT_FORM(lambda_called_at_once) {
  const auto size = co_await [c = counted()]() -> task<std::size_t> {
    co_await contract::suspend();
    co_return c.size();
  }();
  contract::expect(size == 40);
}

int main() { return contract::drive(lambda_called_at_once); }
