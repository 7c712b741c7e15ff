// refused by: g++ 1-12
// says: give the lambda a name first (auto f = [..]..; co_await x(f);)
#include "tests/contract/subject.hpp"

using namespace creche;

CONTRACT_FORM(owning_unique) {
  auto owned = std::make_unique<contract::counted>();
  co_await with_nursery([owned = std::move(owned)](nursery&) -> task<> {
    co_await contract::suspend();
    contract::expect(owned->size() == 40);
  });
}

int main() { return contract::drive(owning_unique); }
