// refused by: all
// says: Take the parameter by value
#include "tests/contract/subject.hpp"

using namespace creche;

static task<> greet(const std::string& who) {
  co_await contract::suspend();
  contract::expect(who.size() == 50);
}

CONTRACT_FORM(argument_made_for_the_call) {
  co_await with_nursery([](nursery& n) -> task<> {
    n.start(greet, "a string that is made of this is gone in its turn.");
    co_return;
  });
}

int main() { return contract::drive(argument_made_for_the_call); }
