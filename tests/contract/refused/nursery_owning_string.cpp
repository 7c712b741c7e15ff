// refused by: g++ 1-12
// says: give the lambda a name first (auto f = [..]..; co_await x(f);)
#include "tests/contract/subject.hpp"

using namespace creche;

CONTRACT_FORM(owning_string) {
  co_await with_nursery([s = contract::long_text()](nursery&) -> task<> {
    co_await contract::suspend();
    contract::expect(s.size() == 50);
  });
}

int main() { return contract::drive(owning_string); }
