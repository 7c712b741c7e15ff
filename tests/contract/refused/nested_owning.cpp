// refused by: g++ 1-12
// says: give the lambda a name first (auto f = [..]..; co_await x(f);)
#include "tests/contract/subject.hpp"

using namespace creche;

CONTRACT_FORM(nested_owning) {
  contract::counted c;
  co_await with_nursery([&](nursery&) -> task<> {
    co_await move_on_after(std::chrono::hours(1), [c](cancel_scope&) -> task<> {
      co_await contract::suspend();
      contract::expect(c.size() == 40);
    });
  });
}

int main() { return contract::drive(nested_owning); }
