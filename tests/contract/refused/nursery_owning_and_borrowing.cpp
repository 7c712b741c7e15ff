// refused by: g++ 1-12
// says: give the lambda a name first (auto f = [..]..; co_await x(f);)
#include "tests/contract/subject.hpp"

using namespace creche;

CONTRACT_FORM(owning_and_borrowing) {
  std::size_t got = 0;
  contract::counted c;
  co_await with_nursery([&got, c](nursery&) -> task<> {
    co_await contract::suspend();
    got = c.size();
  });
  contract::expect(got == 40);
}

int main() { return contract::drive(owning_and_borrowing); }
