// refused by: all
// says: give the child a name first
#include "tests/contract/subject.hpp"

using namespace creche;
using contract::counted;

CONTRACT_FORM(child_started_in_an_await) {
  co_await with_nursery([](nursery& n) -> task<> {
    co_await n
        .start([c = counted()]() -> task<> {
          co_await contract::suspend();
          contract::expect(c.size() == 40);
        })
        .wait();
  });
}

int main() { return contract::drive(child_started_in_an_await); }
