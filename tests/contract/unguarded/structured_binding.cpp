// may break on: g++ 15-99
// instead: auto result = co_await f(); auto& [a, b] = result; (gcc PR124584)
#include "tests/contract/subject.hpp"

using namespace creche;
using contract::counted;

static task<std::pair<counted, int>> both() {
  co_await contract::suspend();
  co_return std::pair(counted(), 2);
}

CONTRACT_FORM(structured_binding) {
  auto [c, n] = co_await both();
  co_await contract::suspend();
  contract::expect(c.size() == 40 && n == 2);
}

int main() { return contract::drive(structured_binding); }
