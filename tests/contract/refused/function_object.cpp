// refused by: g++ 1-12
// says: give the lambda a name first (auto f = [..]..; co_await x(f);)
#include "tests/contract/subject.hpp"

using namespace creche;

namespace {

struct greeter {
  contract::counted name;
  task<> operator()(nursery&) const {
    co_await contract::suspend();
    contract::expect(name.size() == 40);
  }
};

} // namespace

CONTRACT_FORM(function_object) { co_await with_nursery(greeter{contract::counted()}); }

int main() { return contract::drive(function_object); }
