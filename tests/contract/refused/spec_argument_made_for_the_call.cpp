// refused by: all
// says: Take the parameter by value
#include "tests/contract/subject.hpp"

using namespace creche;

CONTRACT_FORM(spec_argument_made_for_the_call) {
  co_await with_nursery([](nursery& n) -> task<> {
    auto greet = [](ready<void> up, const std::string& who) -> task<> {
      up();
      co_await contract::suspend();
      contract::expect(who.size() == 50);
    };
    n.start(child_spec("greet", greet, "a string that is made of this is gone in its turn."));
    co_return;
  });
}

int main() { return contract::drive(spec_argument_made_for_the_call); }
