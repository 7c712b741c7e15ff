// refused by: g++ 1-12
// says: give the lambda a name first (auto f = [..]..; co_await x(f);)
#include "tests/contract/subject.hpp"

// A user's own awaited function keeps its callers safe with the same line as creche's.
using namespace creche;

namespace {

struct greeting {
  contract::counted name;
  int times = 1;
};

task<> greet_all(greeting g) {
  co_await contract::suspend();
  contract::expect(g.name.size() == 40);
}

template <class G> task<> greet(G&& g) {
  CRECHE_NAME_IT(G);
  return greet_all(std::forward<G>(g));
}

} // namespace

CONTRACT_FORM(owning_options) { co_await greet(greeting{contract::counted(), 2}); }

int main() { return contract::drive(owning_options); }
