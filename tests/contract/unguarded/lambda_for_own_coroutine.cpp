// breaks on: g++ 1-12
// instead: CRECHE_NAME_IT in a function in front of the coroutine
#include "tests/contract/subject.hpp"

using namespace creche;
using contract::counted;

template <class F> static task<std::size_t> call(F f) { co_return co_await f(); }

CONTRACT_FORM(lambda_for_own_coroutine) {
  const auto size = co_await call([c = counted()]() -> task<std::size_t> {
    co_await contract::suspend();
    co_return c.size();
  });
  contract::expect(size == 40);
}

int main() { return contract::drive(lambda_for_own_coroutine); }
