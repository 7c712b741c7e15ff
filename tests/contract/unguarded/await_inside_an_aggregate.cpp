// breaks on: g++ 1-12
// instead: auto value = co_await f(); holder h{std::move(value)}; or a holder with constructors
#include "tests/contract/subject.hpp"

using namespace creche;
using contract::counted;

namespace {

struct holder {
  counted inner;
};

task<counted> one() {
  co_await contract::suspend();
  co_return counted();
}

} // namespace

CONTRACT_FORM(await_inside_an_aggregate) {
  holder h{co_await one()};
  co_await contract::suspend();
  contract::expect(h.inner.size() == 40);
}

int main() { return contract::drive(await_inside_an_aggregate); }
