// breaks on: g++ 1-12
// instead: options o{..}; co_await f(o); or options with constructors
#include "tests/contract/subject.hpp"

using namespace creche;
using contract::counted;

namespace {

struct options {
  std::string name;
  counted inner;
  int most = 0;
};

task<std::size_t> with(options o) {
  co_await contract::suspend();
  co_return o.name.size() + o.inner.size();
}

} // namespace

CONTRACT_FORM(braces_for_an_aggregate) {
  contract::expect(co_await with({"name", counted(), 1}) == 44);
}

int main() { return contract::drive(braces_for_an_aggregate); }
