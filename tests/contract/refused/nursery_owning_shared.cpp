// refused by: g++ 1-12
// says: give the lambda a name first (auto f = [..]..; co_await x(f);)
#include "tests/contract/subject.hpp"

using namespace creche;

CONTRACT_FORM(owning_shared) {
  auto shared = std::make_shared<contract::counted>();
  co_await with_nursery([shared](nursery&) -> task<> {
    co_await contract::suspend();
    contract::expect(shared->size() == 40);
  });
}

int main() { return contract::drive(owning_shared); }
