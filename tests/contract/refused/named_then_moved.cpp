// refused by: g++ 1-12
// says: give the lambda a name first (auto f = [..]..; co_await x(f);)
#include "tests/contract/subject.hpp"

// A moved lambda would survive, but by its type it cannot be told from one without a name.
using namespace creche;

CONTRACT_FORM(named_then_moved) {
  auto body = [c = contract::counted()](nursery&) -> task<> {
    co_await contract::suspend();
    contract::expect(c.size() == 40);
  };
  co_await with_nursery(std::move(body));
}

int main() { return contract::drive(named_then_moved); }
